"""Small face recogniser, trained here by distillation (training/recogniser/train.py).

B batch, D length of one recogniser's vector.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..files import parse_json, read_tensors, shown, write_tensors
from ..network.checkpoint import fill

FORMAT = "diffsfsr-recogniser-1"
AGAIN = "restore the file from the pack"
WIDEST, DEEPEST, LONGEST = 1024, 32, 4096  # channels and blocks of a stage, numbers of a vector


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
        _check(self.config)
        left, top, right, bottom = self.config["window"]
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
        weights = {k: v.half() if v.is_floating_point() else v for k, v in self.state_dict().items()}
        write_tensors(path, weights, {"format": FORMAT, "config": json.dumps(self.config)})

    @classmethod
    def load(cls, path: Path) -> "Recogniser":
        """Read what save() wrote; ValueError for a file that is broken, of another kind, or gives no numbers."""
        weights, metadata = read_tensors(path, "recogniser", {FORMAT: None}, AGAIN)
        what = f"recogniser {Path(path).name}"
        config = parse_json(metadata.get("config", ""), f"the config of the {what}")
        if not isinstance(config, dict) or not {"widths", "blocks", "size"} <= config.keys() <= {*KEYS}:
            raise ValueError(f"got the config {shown(config)} in the {what}, want {', '.join(KEYS)}; {AGAIN}")
        first = weights.get("features.0.weight")
        _check(config)
        if first is None or first.shape[0] != config["widths"][0]:  # before a network is built that no file can fill
            raise ValueError(f"the weights of the {what} do not fit its config; {AGAIN}")
        with torch.device("meta"):
            recogniser = cls(**config)
        fill(recogniser, weights, what)
        with torch.no_grad():
            code = recogniser(torch.zeros(1, 3, 112, 112))
        if not (code.norm(dim=-1) - 1).abs() < 0.01:
            raise ValueError(f"the {what} does not give unit vectors, but numbers that mean nothing; {AGAIN}")
        return recogniser


KEYS = ("widths", "blocks", "size", "window")


def _check(config: dict) -> None:
    """ValueError unless the shape of a recogniser is one that can be built."""
    widths, blocks, size, window = (config.get(key, [0, 0, 112, 112]) for key in KEYS)
    for name, values, most in (("widths", widths, WIDEST), ("blocks", blocks, DEEPEST), ("size", [size], LONGEST)):
        if not isinstance(values, list) or not all(type(n) is int and 1 <= n <= most for n in values):
            raise ValueError(f"got the {name} {shown(values)} of a recogniser, want whole numbers of 1 to {most}")
    if len(widths) != 4 or len(blocks) != 3:
        raise ValueError(f"got {len(widths)} widths and {len(blocks)} stages of a recogniser, want 4 and 3")
    whole = isinstance(window, list) and len(window) == 4 and all(type(n) is int and 0 <= n <= 112 for n in window)
    if not whole or not 0 < window[2] - window[0] == window[3] - window[1] or (window[2] - window[0]) % 16:
        raise ValueError(f"got the window {shown(window)}, want a square with a side of 16 k pixels")


def compound_code(recognisers: Mapping[str, nn.Module], faces: Tensor) -> Tensor:
    """faces (B, 3, 112, 112) in [-1, 1] -> (B, D): the unit vectors of all recognisers side by side (paper)."""
    return torch.cat([recogniser(faces) for recogniser in recognisers.values()], dim=-1)


def unit_vectors(code: Tensor, sizes: Iterable[int]) -> Tensor:
    """(B, D) -> (B, D): each recogniser's part of the code brought to unit length."""
    return torch.cat([F.normalize(part, dim=-1) for part in code.split(list(sizes), dim=-1)], dim=-1)
