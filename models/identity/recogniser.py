"""Small face recogniser, trained here by distillation (training/recogniser/train.py).

B batch, D length of one recogniser's vector.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..network.checkpoint import fill


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.body(x) + self.shortcut(x))


class Recogniser(nn.Module):
    """A face in the ArcFace frame, or a window of it, to a unit vector that is near for one person and far for two."""

    def __init__(
        self,
        widths: Iterable[int] = (32, 48, 96, 192),
        blocks: Iterable[int] = (2, 3, 2),
        size: int = 192,
        window: Iterable[int] = (0, 0, 112, 112),
    ):
        """
        widths  channels of the stem and of the stages, each of which halves the map
        blocks  residual blocks of the stages
        size    D
        window  left, top, right, bottom of the square that is looked at, in pixels of the frame; sides of 16 k
        """
        super().__init__()
        self.config = {"widths": list(widths), "blocks": list(blocks), "size": size, "window": list(window)}
        left, top, right, bottom = self.config["window"]
        if right - left != bottom - top or (right - left) % 16:
            raise ValueError(f"got the window {self.config['window']}, want a square with a side of 16 k pixels")
        self.window = (..., slice(top, bottom), slice(left, right))
        first, *rest = self.config["widths"]
        layers: list[nn.Module] = [nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first)]
        for width, count in zip(rest, self.config["blocks"], strict=True):
            layers += [Block(first if i == 0 else width, width, 2 if i == 0 else 1) for i in range(count)]
            first = width
        self.features = nn.Sequential(*layers)
        side = (right - left) // 16
        self.pool = nn.Conv2d(first, first, side, groups=first, bias=False)  # a weight for each place (MobileFaceNet)
        self.vector = nn.Sequential(nn.BatchNorm1d(first), nn.Linear(first, size))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, 112, 112) RGB in [-1, 1], frame arcface-112 -> (B, D), unit length."""
        x = self.pool(self.features(x[self.window])).flatten(1)  # (B, widths[-1])
        return F.normalize(self.vector(x).float(), dim=-1)  # (B, D)

    def save(self, path: Path) -> None:
        save_file({k: v.half() if v.is_floating_point() else v for k, v in self.state_dict().items()}, path,
                  metadata={"format": "diffsfsr-recogniser-1", "config": json.dumps(self.config)})  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> "Recogniser":
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ValueError(f"cannot read the recogniser {path}: {error}. Restore the file from the pack") from error
        if metadata.get("format") != "diffsfsr-recogniser-1":
            raise ValueError(f'{path} has format "{metadata.get("format")}", want "diffsfsr-recogniser-1"')
        return fill(cls(**json.loads(metadata["config"])), weights, f"recogniser {Path(path).name}")


def compound_code(recognisers: Mapping[str, nn.Module], faces: Tensor) -> Tensor:
    """faces (B, 3, 112, 112) in [-1, 1] -> (B, D): the unit vectors of all recognisers side by side (paper)."""
    return torch.cat([recogniser(faces) for recogniser in recognisers.values()], dim=-1)


def unit_vectors(code: Tensor, sizes: Iterable[int]) -> Tensor:
    """(B, D) -> (B, D): each recogniser's part of the code brought to unit length."""
    return torch.cat([F.normalize(part, dim=-1) for part in code.split(list(sizes), dim=-1)], dim=-1)
