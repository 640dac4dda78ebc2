"""A small network that goes over a composed face: what a mesh and bands cannot do, such as closing a fold (ours).

It sees the composed face, the photo and the painted face that it was made of, and how far each was to be believed, and
answers with a change, which fades with the face's edge. Trained by training/retoucher/.

B faces, S side of the crop, a multiple of 16.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..files import parse_json, read_tensors, shown, write_tensors
from ..network.checkpoint import ASSETS, fill
from .bands import blur, halve, join, split
from .composed import PLANES, Composed

FILE = ASSETS / "retoucher.safetensors"
FORMAT = "diffsfsr-retoucher-1"
AGAIN = "restore the file from the pack"
PATCH = 4  # pixels of a side that the first layer takes as one
# How far skin is the photo's in the second and in the third band: where its expression is far, and where it is near.
HELD_FAR, HELD_NEAR = (0.6, 0.2), (1.0, 0.6)
MOUTH_EDGE, MOUTH_COARSE = 3.0, 6.0  # pixels
TEETH = (0.35, 0.65)  # of the skin's brightness: no teeth, teeth for sure
WIDTHS = (64, 128, 192)
WIDEST = 1024


class Retoucher(nn.Module):
    def __init__(self, widths: Iterable[int] = WIDTHS):
        """widths: channels of the levels, finest first"""
        super().__init__()
        self.widths = check_widths(widths)
        first, *rest = self.widths
        self.inward = nn.Conv2d(PLANES * PATCH**2, first, 1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for wide, wider in zip(self.widths, rest, strict=False):
            self.down.append(nn.Sequential(Block(wide), nn.Conv2d(wide, wider, 3, 2, 1)))
            self.up.append(nn.Conv2d(wider, wide, 3, 1, 1))
        self.deepest = nn.Sequential(Block(self.widths[-1]), Block(self.widths[-1]))
        self.after = nn.ModuleList(Block(wide) for wide in self.widths[:-1])
        self.outward = nn.Conv2d(first, 3 * PATCH**2, 3, 1, 1)
        nn.init.zeros_(self.outward.weight)  # untrained, it changes nothing
        nn.init.zeros_(self.outward.bias)

    @property
    def step(self) -> int:
        """Sides of pictures are multiples of this."""
        return PATCH * 2 ** len(self.down)

    def forward(self, planes: Tensor) -> Tensor:
        """planes (B, PLANES, S, S), as Composed.planes() gives -> change of the face (B, 3, S, S)"""
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

    def retouch(self, composed: Composed, amount: float = 1.0) -> Tensor:
        """The composed faces (B, 3, S, S), changed; amount: 0..1. What lies far from all of them is not looked at."""
        rows, columns = (_stretch((composed.edge > 0).any(axis).any(0).any(0), self.step) for axis in (3, 2))
        part = (..., rows, columns)
        change = torch.zeros_like(composed.face)
        change[part] = amount * self(composed.planes()[part])
        return composed.changed(bounded(change, composed))

    def save(self, path: Path) -> None:
        weights = {key: value.half() for key, value in self.state_dict().items()}
        write_tensors(path, weights, {"format": FORMAT, "widths": json.dumps(self.widths)})

    @classmethod
    def load(cls, path: Path = FILE) -> "Retoucher":
        """Read what save() wrote; ValueError for a file that is broken or of another kind."""
        weights, metadata = read_tensors(path, "retoucher", {FORMAT: None}, AGAIN)
        what = f"retoucher {Path(path).name}"
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


def bounded(change: Tensor, composed: Composed) -> Tensor:
    """What of a change (B, 3, S, S) is made; S of at least 64 pixels.

    Fine bands stay the photo's where that is believed: the finest, others if its expression is near, and skin. Eyes do
    altogether. How bright the inside of a mouth is on
    the whole stays as painted, and what is dark there stays dark: trained mostly on smiles, the network sees teeth in
    every mouth.
    """
    inside = blur(composed.parts[:, :1], MOUTH_EDGE)
    weight = blur(inside, MOUTH_COARSE) + 0.05
    change = change - inside * blur(change * inside, MOUTH_COARSE) / weight
    change = change * (1 - inside * (1 - _teeth(composed, inside, weight)))
    change = change * (1 - composed.share * blur(composed.parts[:, 1:2], MOUTH_EDGE))
    share, skin = composed.share, 1 - composed.parts.amax(1, keepdim=True)
    second, third = (far + composed.near * (near - far) for far, near in zip(HELD_FAR, HELD_NEAR, strict=True))
    held = share, share * composed.near.maximum(skin * second), share * skin * third
    bands, rest = split(change, len(held))
    for number, part in enumerate(held):
        for _ in range(number):
            part = halve(part)
        bands[number] = bands[number] * (1 - part)
    return join(bands, rest)


def _teeth(composed: Composed, inside: Tensor, weight: Tensor) -> Tensor:
    """(B, 1, S, S) 0..1: how far a mouth's inside is bright enough, beside the skin, to be teeth."""
    light = (composed.face.mean(1, keepdim=True) + 1) / 2
    there = blur(light * inside, MOUTH_COARSE) / weight
    skin = composed.edge * (1 - inside)
    usual = (light * skin).sum((2, 3), keepdim=True) / skin.sum((2, 3), keepdim=True).clamp(min=1)
    dark, bright = TEETH
    return ((there / usual.clamp(min=0.05) - dark) / (bright - dark)).clamp(0, 1)


def _stretch(used: Tensor, step: int) -> slice:
    """From the first to the last that is used (S,), and some more, in multiples of `step`."""
    found = used.nonzero()[:, 0].tolist() or [0]
    first, last = found[0] // step - 1, found[-1] // step + 2
    return slice(max(first, 0) * step, min(last * step, len(used)))


def check_widths(widths: object) -> list[int]:
    """ValueError unless they are those of a retoucher that can be built."""
    found = list(widths) if isinstance(widths, list | tuple) else []
    if not 2 <= len(found) <= 5 or not all(type(n) is int and 1 <= n <= WIDEST for n in found):
        raise ValueError(f"got the widths {shown(widths)} of a retoucher, want 2 to 5 numbers of 1 to {WIDEST}")
    return found
