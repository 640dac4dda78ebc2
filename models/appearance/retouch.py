"""A small network that goes over a composed face: what a mesh and bands cannot do, such as closing a fold (ours).

It sees the composed face, the photo and the painted face that it was made of, and how far each was to be believed, and
answers with a change, which fades with the face's edge. Trained by training/retoucher/.

B faces, S side of the crop, a multiple of 16.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .bands import blur, halve, join, split
from .composed import PLANES, Composed
from .unet import UNet

SIDE = 512  # of the crops that it was trained on
# How far skin is the photo's in the second and in the third band: where its expression is far, and where it is near.
HELD_FAR, HELD_NEAR = (0.6, 0.2), (1.0, 0.6)
MOUTH_EDGE, MOUTH_COARSE = 3.0, 6.0  # pixels
TEETH = (0.35, 0.65)  # of the skin's brightness: no teeth, teeth for sure


class Retoucher(UNet):
    """forward(planes) is given (B, PLANES, S, S), as Composed.planes() gives it, and answers with a change."""

    kind, planes = "retoucher", PLANES

    def retouch(self, composed: Composed, amount: float = 1.0) -> Tensor:
        """The composed faces (B, 3, S, S), changed; amount: 0..1. What lies far from all of them is not looked at.

        Larger ones than it was trained on are looked at in that size: their finest details stay.
        """
        size = composed.face.shape[-1]
        small = composed.resized(SIDE) if size > SIDE else composed
        rows, columns = (_stretch((small.edge > 0).any(axis).any(0).any(0), self.step) for axis in (3, 2))
        part = (..., rows, columns)
        change = torch.zeros_like(small.face)
        change[part] = amount * self(small.planes()[part])
        change = bounded(change, small)
        if size > SIDE:
            change = F.interpolate(change, size=(size, size), mode="bilinear", align_corners=False)
        return composed.changed(change)


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
