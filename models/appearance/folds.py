"""Where a photo's skin is folded: dark lines, wider than pores (ours).

A fold is darker than the skin on both sides of it and goes on along itself; a mole is dark, too, and goes nowhere, a
pore is one of many. B photos of S x S pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .bands import blur, widest
from .light import to_log

LINE, BESIDE = 3 / 512, 12 / 512  # half widths of a fold and of the skin that it is compared with, parts of the side
LONG = 8 / 512  # over this length a fold keeps its direction
DEEP = (1.0, 2.5)  # how much darker, in usual differences of this skin: no fold, a fold for sure
STRAIGHT = (0.25, 0.6)  # coherence of the direction: none, a line for sure


def folds(photo: Tensor, skin: Tensor) -> Tensor:
    """(B, 1, S, S) 0..1, where there is a fold, and a little beside it.

    photo  (B, 3, S, S) in [-1, 1]; skin (B, 1, S, S) 0..1, where bare skin lies
    """
    size = photo.shape[-1]
    grey, skin = (F.interpolate(x, scale_factor=0.5, mode="area") for x in (to_log(photo).mean(1, keepdim=True), skin))
    half = size // 2
    line = blur(grey, LINE * half) - blur(grey, BESIDE * half)  # below 0 where it is darker
    usual = _usual(line, skin)
    dark = _ramp(-line / usual, DEEP)
    along = _coherence(line, LONG * half)
    found = dark * _ramp(along, STRAIGHT) * skin
    found = widest(found, 5)
    return F.interpolate(blur(found, 2.0), size=(size, size), mode="bilinear", align_corners=False)


def _usual(line: Tensor, skin: Tensor) -> Tensor:
    """(B, 1, 1, 1) the median difference over the skin, as a normal distribution's standard deviation."""
    size = torch.where(skin > 0.5, line.abs(), torch.nan).flatten(1)
    return 1.48 * size.nanmedian(dim=1).values.nan_to_num(1.0)[:, None, None, None].clamp(min=1e-3)


def _coherence(line: Tensor, reach: float) -> Tensor:
    """(B, 1, n, n) 0..1: how far the structure tensor around has one direction."""
    x = F.pad(line, (1, 1, 0, 0), mode="replicate")
    y = F.pad(line, (0, 0, 1, 1), mode="replicate")
    x, y = x[..., 2:] - x[..., :-2], y[..., 2:, :] - y[..., :-2, :]
    xx, yy, xy = blur(torch.cat([x * x, y * y, x * y], 1), reach).split(1, 1)
    return ((xx - yy).square() + 4 * xy.square()).sqrt() / (xx + yy).clamp(min=1e-9)


def _ramp(x: Tensor, ends: tuple[float, float]) -> Tensor:
    return ((x - ends[0]) / (ends[1] - ends[0])).clamp(0, 1)
