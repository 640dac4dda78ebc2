"""A scene's grain on what is pasted into it: noise, as strong as the scene's own is found to be (ours)."""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 256  # pixels of a side that noise is measured in
LEAST = 0.025  # deviation of noise in [-1, 1] below which a picture has none: skin's own texture reads as .012 to .024
USUAL = 3.0  # times the noise's deviation: what is stronger is an edge
KEPT = 0.943  # of white noise, in what differs from the mean of nine pixels
MEDIAN = 0.6745  # of the absolute values of a normal distribution of deviation 1


def noise(picture: Tensor) -> float:
    """Deviation of the noise in a picture (C, H, W), by Immerkaer's mask (1996), which does not see slopes and bends.

    Taken by the median, so that edges do not count. What JPEG leaves of a picture has none.
    """
    mask = picture.new_tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
    left = F.conv2d(picture[:, None], mask[None, None])
    return float(left.abs().median()) / MEDIAN if left.numel() else 0.0


def missing(old: Tensor, new: Tensor) -> float:
    """Deviation of the noise that one picture (C, H, W) has and another lacks."""
    return max(noise(old) ** 2 - max(noise(new), LEAST) ** 2, 0.0) ** 0.5


def grain(picture: Tensor, deviation: float, wanted: float) -> Tensor:
    """(C, H, W) -> (C, H, W): a picture's own noise, of that deviation, made as strong as wanted."""
    fine = picture - F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    return fine * torch.exp(-(fine / (USUAL * deviation)).pow(4)) * (wanted / (KEPT * deviation))


def middle(rows: slice, columns: slice) -> tuple[slice, slice]:
    """The part of a picture's region that noise is measured in."""
    return tuple(_middle(each) for each in (rows, columns))


def _middle(part: slice) -> slice:
    centre, half = (part.start + part.stop) // 2, min(WINDOW, part.stop - part.start) // 4
    return slice(max(part.start, centre - half), min(part.stop, centre + half + 1))
