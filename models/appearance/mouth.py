"""Teeth, and the dark behind them, where a mouth is to be open that the photos show shut (ours).

A small network fills a hole in the inside of the mouth, from the lips around it, from what of the teeth is known, from
where the nose is, since the upper teeth go with the skull, and from a chart of where each of these is (teeth.py).
Trained by training/mouth/.

B faces, S side of the picture.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..frames import invert, pixel_centres, resample, scale, transform
from . import teeth
from .bands import blur, widest
from .openings import smoothstep
from .topology import LEFT_EYE, MOUTH, RIGHT_EYE
from .unet import UNet

SIDE = 160  # pixels of what it sees, upright, about the middle of the mouth
EYES = 176  # pixels between the outer corners of the eyes there
NOSE = 2  # its base
SURE = (0.05, 0.4)  # of an inside that is not known: nothing of it is painted, all of it
SHUT = (0.03, 0.07)  # height of the inside, parts of its width: lips that meet have none, from here on they have one
WIDTHS = (48, 96, 128)
EDGE = 3  # pixels that a hole takes of the lips
# Brightness of teeth in portraits, of white: TEETH[0] + TEETH[1] times the skin's, and at most MOST times it. A
# network paints greyer what it is not sure of, and brighter by far in the dark, which it has not seen: teeth are
# brightened by BRIGHTEST at most, and darkened from EXCESS times as bright on. Up to GUMS[0] of the skin's brightness
# nothing is teeth, from [1] on all is.
TEETH, MOST, BRIGHTEST, EXCESS, GUMS = (0.25, 0.8), 1.5, 1.5, 1.1, (0.55, 0.95)
# What lies under known teeth: part of each colour that it loses, within so many pixels; how far columns go by others.
SHADE, SHADOW, UNEVEN = (0.55, 0.68, 0.68), 8.0, 6.0
# Colour of teeth, of the skin's; from this logarithm on another colour is that of another light.
TINT, COLOURED = (0.95, 1.02, 1.05), 0.2


class Mouth(UNet):
    kind, planes = "mouth", 9

    def __init__(self, widths: Iterable[int] = WIDTHS):
        super().__init__(widths)

    def fill(self, pictures: Tensor, hole: Tensor, inside: Tensor, nose: Tensor, chart: Tensor) -> Tensor:
        """Mouths (B, 3, SIDE, SIDE) in [-1, 1], cut by frames(), with their holes filled.

        hole    (B, 1, SIDE, SIDE) 0..1: 1 = not known; what the pictures show there is not looked at
        inside  (B, 1, SIDE, SIDE) 0..1: between the lips
        nose    (B, 2) pixels, its base
        chart   (B, 2, SIDE, SIDE), of teeth.chart()
        """
        away = (pixel_centres(SIDE, SIDE, pictures) - nose[:, None, None]).permute(0, 3, 1, 2) / SIDE
        planes = torch.cat([pictures * (1 - hole), hole, inside, away, chart], 1)
        return torch.lerp(pictures, self(planes).clamp(-1, 1), hole)

    def paint(self, pictures: Tensor, points: Tensor, inside: Tensor, unknown: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) in [-1, 1] with what is not known of their mouths painted.

        points   (B, 478, 3) the faces' meshes, pixels
        inside   (B, 1, S, S) 0..1: between the lips
        unknown  (B, 1, S, S) 0..1, no more than that: how much of it the pictures do not show
        """
        unknown = unknown * smoothstep((opened(points) - SHUT[0]) / (SHUT[1] - SHUT[0])).view(-1, 1, 1, 1)
        if not (unknown > SURE[0]).any():
            return pictures
        size, matrix = pictures.shape[-1], frames(points)
        hole = hole_of(unknown, 1 / scale(matrix).mean().item())
        at = transform(pixel_centres(SIDE, SIDE, pictures).flatten(0, 1), invert(matrix)).unflatten(-2, (SIDE, SIDE))
        seen = resample(torch.cat([pictures, hole, inside], 1), at, 1 / scale(matrix), mode="sharp")
        nose = transform(points[:, NOSE : NOSE + 1], matrix)[:, 0]
        given, lost, between = seen.split((3, 1, 1), 1)
        chart = teeth.chart(*teeth.find(given, between.clamp(0, 1) * (lost < SURE[0]), nose[:, 0]), SIDE)
        filled = brightened(self.fill(given, lost, between, nose, chart), lost, between)
        filled = shaded(filled, given, lost, between)
        rows, columns = (_stretch((hole > 0).any(axis).any(0).any(0)) for axis in (3, 2))
        at = transform(pixel_centres(size, size, pictures)[rows, columns].flatten(0, 1), matrix)
        at = at.unflatten(-2, (rows.stop - rows.start, columns.stop - columns.start))
        part = (..., rows, columns)
        found = resample(filled, at, scale(matrix), mode="sharp")
        painted = pictures.clone()
        painted[part] = torch.lerp(pictures[part], found, hole[part])
        return painted


def brightened(mouths: Tensor, hole: Tensor, inside: Tensor) -> Tensor:
    """Mouths, as of Mouth.fill(), whose teeth, in the hole, are beside the skin what they are in portraits.

    The masks may go a little beyond 0..1, as a sharp reading does.
    """
    hole, inside = hole.clamp(0, 1), inside.clamp(0, 1)
    light = (mouths + 1).mean(1, keepdim=True) / 2
    around = inside.maximum(hole) < 0.01
    skin = _skin(light, around)
    light = light / skin
    brightest = _usual(light, inside * hole > 0.5, 0.85)
    gain = (TEETH[0] / skin + TEETH[1]).clamp(max=MOST) / brightest.clamp(min=1e-3)
    gain = torch.where(gain < 1, (EXCESS * gain).clamp(max=1), gain.clamp(max=BRIGHTEST))
    teeth = hole * inside * smoothstep((light - GUMS[0]) / (GUMS[1] - GUMS[0]))
    seen = smoothstep((brightest - GUMS[0] / 2) / GUMS[0])  # far open there is more dark than teeth
    away = (_tint(mouths, teeth) / (_tint(mouths, around) * mouths.new_tensor(TINT)[:, None, None])).log()
    change = gain * (-F.softshrink(away, COLOURED)).exp() - 1
    return ((mouths + 1) * (1 + change * teeth * seen) - 1).clamp(-1, 1)


def shaded(mouths: Tensor, given: Tensor, hole: Tensor, inside: Tensor) -> Tensor:
    """Mouths, as of Mouth.fill(), darker in the hole under teeth that are known: what is behind these lies in shadow.

    given  (B, 3, SIDE, SIDE) in [-1, 1], what is known of them
    """
    hole, inside = hole.clamp(0, 1), inside.clamp(0, 1)
    light = (given + 1).mean(1, keepdim=True) / 2
    light = light / _skin(light, inside.maximum(hole) < 0.01)
    teeth = inside * (1 - hole) * smoothstep((light - GUMS[0]) / (GUMS[1] - GUMS[0])) > 0.5
    rows = torch.arange(SIDE, device=mouths.device).to(mouths)[:, None]
    lowest = torch.where(teeth, rows, 0.0).amax(2, keepdim=True)  # of each column
    seen = teeth.any(2, keepdim=True).to(mouths)
    lowest, seen = (blur(x.expand(-1, -1, SIDE, -1), UNEVEN) for x in (lowest, seen))
    under = smoothstep((rows - lowest / seen.clamp(min=1e-3)) / SHADOW) * (2 * seen).clamp(max=1)
    return (mouths + 1) * (1 - mouths.new_tensor(SHADE)[:, None, None] * hole * inside * under) - 1


def _tint(mouths: Tensor, part: Tensor) -> Tensor:
    """(B, 3, 1, 1) colour of a part, of its brightness."""
    colour = ((mouths + 1) * part).sum((2, 3), keepdim=True) + 1e-3
    return colour / colour.mean(1, keepdim=True)


def _skin(light: Tensor, around: Tensor) -> Tensor:
    """(B, 1, 1, 1) its brightness, where it lies or a beard does."""
    return _usual(light, around, 0.7).clamp(min=0.02)


def _usual(light: Tensor, part: Tensor, quantile: float) -> Tensor:
    found = torch.where(part, light, torch.nan).flatten(1).nanquantile(quantile, dim=1)
    return found.nan_to_num(1.0)[:, None, None, None]


def opened(points: Tensor) -> Tensor:
    """(B,) height of the mouth's inside, parts of its width, of meshes (B, 478, 2 or 3)."""
    upper, lower = (points[:, edge[len(edge) // 2], :2] for edge in MOUTH)
    left, right = points[:, MOUTH[0][0], :2], points[:, MOUTH[0][-1], :2]
    return (upper - lower).norm(dim=-1) / (left - right).norm(dim=-1).clamp(min=1e-3)


def width(points: Tensor) -> Tensor:
    """(B,) width of the mouth, parts of the distance between the outer corners of the eyes; points (B, 478, 2 or 3)."""
    mouth, eyes = (
        (points[:, left, :2] - points[:, right, :2]).norm(dim=-1)
        for left, right in ((MOUTH[0][0], MOUTH[0][-1]), (LEFT_EYE[0][0], RIGHT_EYE[0][-1]))
    )
    return mouth / eyes.clamp(min=1e-3)


def hole_of(unknown: Tensor, zoom: float = 1.0) -> Tensor:
    """(B, 1, S, S) 0..1: what is to be painted where so much is unknown between the lips: some of their edge, too.

    zoom  pixels for each that a Mouth sees
    """
    reach = EDGE * zoom
    unknown = smoothstep((unknown - SURE[0]) / (SURE[1] - SURE[0]))
    return blur(widest(unknown, 2 * round(reach) + 1), reach / 2)


def frames(points: Tensor) -> Tensor:
    """(B, 2, 3), pictures' pixels to those that a Mouth sees; points (B, 478, 3)."""
    across = points[:, RIGHT_EYE[0][-1]] - points[:, LEFT_EYE[0][0]]
    zoom = EYES / across.norm(dim=-1).clamp(min=1e-3)
    a, b = F.normalize(across[:, :2], dim=-1).unbind(-1)
    linear = zoom[:, None, None] * torch.stack([torch.stack([a, b], -1), torch.stack([-b, a], -1)], -2)
    edges = points[:, (*MOUTH[0], *MOUTH[1]), :2] @ linear.mT
    middle = (edges.amin(1) + edges.amax(1)) / 2
    return torch.cat([linear, (SIDE / 2 - middle)[..., None]], -1)


def _stretch(used: Tensor) -> slice:
    """From the first to the last that is used (S,)."""
    found = used.nonzero()[:, 0].tolist()
    return slice(found[0], found[-1] + 1)
