"""A small U-Net from planes of a picture to a picture, on patches of pixels, in a file of its own (ours)."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor, nn

from ..files import parse_json, read_tensors, shown, write_tensors
from ..network.checkpoint import ASSETS, fill

AGAIN = "restore the file from the pack"
PATCH = 4  # pixels of a side that the first layer takes as one
WIDTHS = (64, 128, 192)
WIDEST = 1024


class UNet(nn.Module):
    """`kind` names the file in assets/ and its format, `planes` is the number of those that it is given."""

    kind: ClassVar[str]
    planes: ClassVar[int]

    def __init__(self, widths: Iterable[int] = WIDTHS):
        """widths: channels of the levels, finest first"""
        super().__init__()
        self.widths = check_widths(widths)
        first, *rest = self.widths
        self.inward = nn.Conv2d(self.planes * PATCH**2, first, 1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for wide, wider in zip(self.widths, rest, strict=False):
            self.down.append(nn.Sequential(Block(wide), nn.Conv2d(wide, wider, 3, 2, 1)))
            self.up.append(nn.Conv2d(wider, wide, 3, 1, 1))
        self.deepest = nn.Sequential(Block(self.widths[-1]), Block(self.widths[-1]))
        self.after = nn.ModuleList(Block(wide) for wide in self.widths[:-1])
        self.outward = nn.Conv2d(first, 3 * PATCH**2, 3, 1, 1)
        nn.init.zeros_(self.outward.weight)  # untrained, it answers 0
        nn.init.zeros_(self.outward.bias)

    @property
    def step(self) -> int:
        """Sides of pictures are multiples of this."""
        return PATCH * 2 ** len(self.down)

    def forward(self, planes: Tensor) -> Tensor:
        """planes (B, planes, H, W) -> (B, 3, H, W); ValueError for sides that are no multiples of `step`"""
        height, width = planes.shape[-2:]
        if height % self.step or width % self.step:
            raise ValueError(f"got a face of {width} x {height} pixels, want a multiple of {self.step} on each side")
        x = self.inward(F.pixel_unshuffle(planes, PATCH))
        passed = []
        for block, shrink in self.down:
            x = block(x)
            passed.append(x)
            x = shrink(x)
        x = self.deepest(x)
        for back, block, before in reversed([*zip(self.up, self.after, passed, strict=True)]):
            x = block(before + back(F.interpolate(x, size=before.shape[-2:], mode="nearest")))
        return F.pixel_shuffle(self.outward(x), PATCH)

    @classmethod
    def file(cls) -> Path:
        """The one that comes with the pack."""
        return ASSETS / f"{cls.kind}.safetensors"

    def save(self, path: Path) -> None:
        weights = {key: value.half() for key, value in self.state_dict().items()}
        write_tensors(path, weights, {"format": f"diffsfsr-{self.kind}-1", "widths": json.dumps(self.widths)})

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read what save() wrote; ValueError for a file that is broken or of another kind."""
        path = cls.file() if path is None else Path(path)
        weights, metadata = read_tensors(path, cls.kind, {f"diffsfsr-{cls.kind}-1": None}, AGAIN)
        what = f"{cls.kind} {path.name}"
        widths = check_widths(parse_json(metadata.get("widths", ""), f"the widths of the {what}"))
        first = weights.get("inward.weight")
        if first is None or len(first) != widths[0]:  # before a network is built that no file can fill
            raise ValueError(f"the weights of the {what} do not fit its widths; {AGAIN}")
        return fill(cls(widths), weights, what)


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, 1, 1)
        )
        nn.init.zeros_(self.body[-1].weight)
        nn.init.zeros_(self.body[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def check_widths(widths: object) -> list[int]:
    """ValueError unless they are those of a network that can be built."""
    found = list(widths) if isinstance(widths, list | tuple) else []
    if not 2 <= len(found) <= 5 or not all(type(n) is int and 1 <= n <= WIDEST for n in found):
        raise ValueError(f"got the widths {shown(widths)} of a network, want 2 to 5 numbers of 1 to {WIDEST}")
    return found
