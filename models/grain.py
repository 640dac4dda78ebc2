"""A scene's grain on what is pasted into it: noise, as strong as the scene's own is found to be (ours).

Fine noise is what differs from pixel to pixel. Coarse noise, such as film's or what a phone's denoising leaves, is
known by its colours: at that size skin has lines and pores, all of them dark or light. Pictures are (3, H, W) in
[-1, 1]; noise of the three colours is taken to be independent.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 256  # pixels of a side that noise is measured in
LEAST = 0.025  # deviation of noise in [-1, 1] below which a picture has none: skin's own texture reads as .012 to .024
USUAL = 3.0  # times the noise's deviation: what is stronger is an edge
KEPT = 0.943  # of white noise, in what differs from the mean of nine pixels
MEDIAN = 0.6745  # of the absolute values of a normal distribution of deviation 1
STEP = 2  # pixels between those that coarse noise is measured by
LEAST_COARSE = 0.005  # as LEAST, of colours, means of nine pixels: skin's read as .001 to .007, in small scenes
WHITE = 0.2  # of white noise is left for that
MOST = 1.5  # times its own coarse noise
WIDE = 9  # side of the square that coarse noise differs from the mean of, pixels
APART = 12  # pixels: so far from each other, noise is independent
LIGHT = 0.5**0.5  # deviation of the mean of three colours over that of their differences from it


@dataclass(frozen=True)
class Grain:
    """What of its noise a picture's region has to give to another."""

    colour: float = 0.0  # part of the colours of its coarse noise
    light: float = 0.0  # 0..1: part of the light that is to be expected with them
    spread: float = 0.0  # deviation of those colours
    fine: float = 0.0  # deviation of the fine noise that is wanted
    own: float = 0.0  # and of that it has

    @classmethod
    def lacking(cls, old: Tensor, new: Tensor) -> "Grain":
        """What old has and new, of the same size, lacks."""
        found = cls(fine=missing(old, new), own=noise(old))
        least = max(LEAST_COARSE, WHITE * noise(colours(old)))
        colour = missing(colours(old), colours(new), STEP, least)
        if colour:
            light = missing(old.mean(0, keepdim=True), new.mean(0, keepdim=True), STEP, 0.0)
            spread = float(_away(colours(old), WIDE).abs().median()) / MEDIAN
            whole = cls(1.0, 0.0, spread).of(old)
            share = colour / max(noise(colours(whole), STEP), colour / MOST)
            found = replace(found, colour=share, light=min(1.0, light / (LIGHT * colour)), spread=spread)
        return found

    def __bool__(self) -> bool:
        return self.colour > 0 or self.fine > 0

    def of(self, picture: Tensor, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """The noise of a part of a picture, (3, h, w)"""
        rows, columns = (
            slice(*part.indices(size)) for part, size in zip((rows, columns), picture.shape[1:], strict=True)
        )
        beside = APART + WIDE // 2
        top, left = (max(part.start - beside, 0) for part in (rows, columns))
        there = picture[:, top : rows.stop + beside, left : columns.stop + beside]
        found = torch.zeros_like(there)
        if self.colour:
            found = self.colour * _usual(_away(colours(there), WIDE), self.spread)
            # a face's lines are in its light, whose noise is made of that of colours elsewhere
            found = found + self.light * LIGHT / 3**0.5 * (found[:1] - found[2:]).roll((APART, APART), (1, 2))
        if self.fine:
            found = found + _usual(_away(there, 3), self.own) * (self.fine / (KEPT * self.own))
        return found[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def noise(picture: Tensor, step: int = 1) -> float:
    """Deviation of the noise in a picture, by Immerkaer's mask (1996), which does not see slopes and bends.

    Taken by the median, so that edges do not count. What JPEG leaves of a picture has none. step: pixels between those
    that are compared, each a mean of those about it
    """
    mask = picture.new_tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
    if min(picture.shape[1:]) < 4 * step - 1:
        return 0.0
    means = F.avg_pool2d(picture, 2 * step - 1, 1)
    return float(F.conv2d(means[:, None], mask[None, None], dilation=step).abs().median()) / MEDIAN


def missing(old: Tensor, new: Tensor, step: int = 1, least: float = LEAST) -> float:
    """Deviation of the noise that one picture has and another lacks."""
    return max(noise(old, step) ** 2 - max(noise(new, step), least) ** 2, 0.0) ** 0.5


def colours(picture: Tensor) -> Tensor:
    return picture - picture.mean(0, keepdim=True)


def middle(rows: slice, columns: slice) -> tuple[slice, slice]:
    """The part of a picture's region that noise is measured in."""
    return tuple(_middle(each) for each in (rows, columns))


def _middle(part: slice) -> slice:
    centre, half = (part.start + part.stop) // 2, min(WINDOW, part.stop - part.start) // 4
    return slice(max(part.start, centre - half), min(part.stop, centre + half + 1))


def _away(picture: Tensor, size: int) -> Tensor:
    """From the mean of a square of so many pixels."""
    return picture - F.avg_pool2d(picture, size, 1, size // 2, count_include_pad=False)


def _usual(noise: Tensor, deviation: float) -> Tensor:
    """Without what is stronger than noise of that deviation."""
    return noise * torch.exp(-(noise / (USUAL * deviation)).pow(4))
