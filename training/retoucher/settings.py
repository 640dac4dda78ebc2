"""Settings of the retoucher's training."""

from dataclasses import dataclass
from pathlib import Path

from ..settings import Settings, option


@dataclass(frozen=True)
class RetoucherTraining(Settings):
    steps: int = option(20000, "steps in all")
    batch: int = option(8, "windows a step")
    rate: float = option(4e-4, "peak learning rate: rises over 100 steps, falls to 0; the adversaries' is half of that")
    retoucher: Path | None = option(None, "weights to start from; without them a network that changes nothing",
                                    type=Path, metavar="FILE")  # fmt: skip
    side: int = option(128, "pixels of a window's sides, of faces 512 pixels wide")
    edges: float = option(1.0, "weight of the loss on differences between neighbouring pixels")
    features: float = option(0.3, "weight of the loss on what EfficientNet sees")
    adversary: float = option(1.0, "weight of the adversaries, of the pull that all other losses have")
    alone: int = option(400, "steps without the adversaries; for the last quarter of them they learn, unheard")
    swaps: int = option(1000, "examples of one person in another one's picture, made beforehand; 0: none are seen")
    faces: int = option(2, "of them a step, whole")
    likeness: float = option(0.5, "weight of the loss on whom whole faces resemble")
    acting: float = option(2.0, "weight of the loss on their blendshapes")
    staying: float = option(0.5, "weight of the loss on how far they are changed on the whole")
