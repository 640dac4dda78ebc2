"""Where a rendered head is seen: its pose, the camera, light, clothes, hair, what lies behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .hair import Hair


@dataclass(frozen=True)
class Camera:
    blur: float = 0.0  # standard deviation, samples
    grain: float = 0.0  # standard deviation, of values in [-1, 1]
    seed: int = 0

    def take(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] of one scene: blurred, and all with the same grain."""
        reach = int(3 * self.blur)
        if reach:
            window = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * self.blur**2))
            window = (window / window.sum()).expand(3, 1, 1, -1)
            x = F.pad(x, (reach,) * 4, mode="replicate")
            x = F.conv2d(F.conv2d(x, window, groups=3), window.mT, groups=3)
        noise = torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(self.seed))
        return (x + self.grain * noise).clamp(-1, 1)


@dataclass(frozen=True)
class Scene:
    """Everything that a background picture gives. The numbers of `look` are uniforms, see shaders/light.glsl."""

    yaw: float = 0.0  # degrees, as in FaceMesh.pose
    pitch: float = 0.0
    roll: float = 0.0
    distance: float = 12.0  # of the camera, decimetres
    look: dict[str, float | Sequence[float]] = field(default_factory=dict)
    backdrop: np.ndarray | None = None  # (h, w, 3) 0..1, stretched behind the head
    hair: Hair | None = None
    seed: int = 0  # of the hair's locks
    camera: Camera = Camera()


def direction(azimuth: float, height: float) -> tuple[float, ...]:
    """Unit vector towards a lamp; degrees, azimuth > 0 at the picture's right, height > 0 above."""
    a, h = np.radians([azimuth, height])
    return float(np.sin(a) * np.cos(h)), float(np.sin(h)), float(np.cos(a) * np.cos(h))


def studio(hair: Hair | None = None) -> Scene:
    """Neutral: large soft lamp, grey wall, grey shirt."""
    wall = np.linspace(0.66, 0.5, 16)[:, None, None] * np.ones((16, 16, 1)) * np.array([1.0, 1.01, 1.03])
    return Scene(
        hair=hair, distance=14.0, backdrop=wall.astype(np.float32),
        look={
            "key_direction": direction(-40, 35), "key_colour": (1.75, 1.66, 1.55), "key_softness": 0.7,
            "fill_direction": direction(45, 5), "fill_colour": (0.34, 0.36, 0.40),
            "rim_direction": direction(140, 25), "rim_colour": (0.6, 0.6, 0.6),
            "sky_colour": (0.36, 0.38, 0.42), "ground_colour": (0.2, 0.18, 0.17),
            "clothes_colour": (0.06, 0.07, 0.1), "collar_colour": (0.06, 0.07, 0.1), "neckline": 0.2,
            "exposure": 1.05, "saturation": 1.1, "contrast": 1.1,
        },
    )  # fmt: skip
