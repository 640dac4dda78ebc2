"""Settings of the mouth's training."""

from dataclasses import dataclass
from pathlib import Path

from ..settings import Settings, option


@dataclass(frozen=True)
class MouthTraining(Settings):
    steps: int = option(8000, "steps in all")
    batch: int = option(8, "mouths a step")
    rate: float = option(4e-4, "peak learning rate: rises over 100 steps, falls to 0; the adversary's is half of that")
    mouth: Path | None = option(None, "weights to start from; without them a network that paints grey", type=Path,
                                metavar="FILE")  # fmt: skip
    edges: float = option(1.0, "weight of the loss on differences between neighbouring pixels")
    features: float = option(0.3, "weight of the loss on what EfficientNet sees")
    adversary: float = option(1.0, "weight of the adversary, of the pull that all other losses have")
    alone: int = option(800, "steps without the adversary; for the last quarter of them it learns, unheard")
