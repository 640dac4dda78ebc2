"""How much alike two faces are, by the pack's own readings (ours)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from .expression.library import MOVING


@dataclass(frozen=True)
class Difference:
    cosine: float  # of the identity codes: 1 = the same, the mean over the recognisers
    expression: float  # mean absolute difference of the blendshapes that count, 0..1
    turn: Tensor  # (3,) yaw, pitch, roll in degrees, -180..180: the other's minus the one's


def compare(
    codes: tuple[Tensor, Tensor], blendshapes: tuple[Tensor, Tensor], poses: tuple[Tensor, Tensor]
) -> Difference:
    """One face, then the other: identity codes (1, D), blendshapes or expression codes (51,), poses (3,) in degrees."""
    (one, other), (had, has), (stood, stands) = (tuple(x.cpu() for x in pair) for pair in (codes, blendshapes, poses))
    likeness, moved = float(F.cosine_similarity(one, other)), float((has - had)[MOVING].abs().mean())
    return Difference(likeness, moved, turn(stood, stands))


def turn(stood: Tensor, stands: Tensor) -> Tensor:
    """(..., 3) from one pose to another, both (..., 3) in degrees; -180..180, since -179 and 179 are 2 apart"""
    return (stands - stood + 180) % 360 - 180


def correlation(a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
    """Pearson's, over the last dimension: (..., K), (..., K) -> (...); 0 where either is the same all along.

    weight  (..., K), 0 or more: how much a place counts
    """
    if weight is None:
        return F.cosine_similarity(a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True), dim=-1)
    total, root = weight.sum(-1, keepdim=True).clamp(min=1e-6), weight.sqrt()
    a, b = (root * (x - (x * weight).sum(-1, keepdim=True) / total) for x in (a, b))
    return F.cosine_similarity(a, b, dim=-1)
