"""Settings of the recognisers' training."""

from dataclasses import dataclass
from pathlib import Path

from ..settings import Settings, option

SHAPES = {  # the bundled ones: the whole frame, and what lies between brows and chin, with wider layers
    "resnet-face": {"widths": (32, 48, 96, 192), "blocks": (2, 3, 2), "window": (0, 0, 112, 112)},
    "resnet-inner": {"widths": (32, 64, 112, 224), "blocks": (2, 3, 2), "window": (16, 26, 96, 106)},
}


@dataclass(frozen=True)
class RecogniserTraining(Settings):
    steps: int = option(6000, "steps in all")
    batch: int = option(64, "pictures a step")
    rate: float = option(2e-3, "peak learning rate: rises over 100 steps, falls to 0")
    teacher: Path | None = option(None, "a .tflite face recogniser, 112 px in", type=Path, metavar="FILE")
    shape: str = option("resnet-face", "which of the bundled ones it is to be", choices=tuple(SHAPES))
    pairs: float = option(2.0, "weight of the squared differences between pupil's and teacher's cosines of all pairs")
    hints: float = option(0.3, "weight of the squared differences between pupil's and teacher's maps")
