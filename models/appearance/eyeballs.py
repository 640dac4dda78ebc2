"""What lids hide of eyeballs: each ring round the iris's middle goes on as most of it is, where it is seen (ours).

Of an iris that is its darker half: a catch-light, bright and small, stays where it is. Of the white it is the middle,
more of it from the nearer side. The target's lids only shade it: as they move, nothing flickers.

N eyes, in the order of openings.eyes(); R rings, A directions.
"""

import math

import torch
from torch import Tensor

from ..frames import resample
from .openings import EYE_EDGE, LIMBUS, Opening, smoothstep

RINGS, REACH = 29, 1.75  # from the middle to so many radii of the iris
DIRECTIONS = 32
# For the iris, and for the white: from where to where a ring's pixels are averaged, 0 its darkest and 1 its brightest;
# and how much more those of the near side count than those of the far one, e to twice this.
FROM, TO, NEARNESS = (0.1, 0.35), (0.5, 0.75), (1.0, 2.5)
UNSEEN = 1e-6  # weight of what lids hide: it counts where nothing else is
SHADE, SHADED = 0.35, 0.7  # shadow of the upper lid: part of the light that it takes, radii that it reaches down
SHARP = 2.0  # a ring that is not seen is as the next: each step farther counts e to this less


def hidden(photo: Tensor, there: Opening, here: Opening, points: Tensor, eye: Tensor) -> Tensor:
    """(M, 3) colours in [-1, 1] of eyeballs, as if the photo's lids hid all of them.

    photo   (N / 2 or 1, 3, h, w) in [-1, 1]
    there   its eyes
    here    the target's
    points  (M, 2) target pixels, of the eyes (M,)
    """
    x, y = here.enter(points, eye)
    shade = SHADE * (1 - smoothstep((y - here.edges(x, eye)[0]) / SHADED))
    return (1 + _at(_rings(photo, there), x, y, eye)) * (1 - shade)[:, None] - 1


def _rings(photo: Tensor, eyes: Opening) -> Tensor:
    """(N, 3, R, A) colours round the irises of eyes in photos (N / 2 or 1, 3, h, w), as if lids hid all of them."""
    count, faces = len(eyes.origin), len(photo)
    angle = torch.arange(DIRECTIONS, device=photo.device) * (2 * math.pi / DIRECTIONS)
    radius = torch.linspace(0, REACH, RINGS, device=photo.device)[:, None]
    eye = torch.arange(count, device=photo.device).repeat_interleave(RINGS * DIRECTIONS)
    x, y = ((radius * f(angle)).flatten().repeat(count) for f in (torch.cos, torch.sin))
    upper, lower = eyes.edges(x, eye)
    seen = smoothstep((y - upper).minimum(lower - y) / EYE_EDGE).view(count, RINGS, DIRECTIONS) + UNSEEN
    places = eyes.leave(x, y, eye).view(count, RINGS, DIRECTIONS, 2)
    places = places.unflatten(0, (-1, faces)).transpose(0, 1).flatten(1, 2)  # (photos, eyes R, A, 2)
    found = resample(photo, places, places.new_ones(faces), "bilinear")
    found = found.unflatten(2, (-1, RINGS)).permute(2, 0, 3, 4, 1).flatten(0, 1)  # (N, R, A, 3)

    white = smoothstep((radius[:, None] - 1) / LIMBUS)  # (R, 1, 1)
    low, high, nearness = (a + (b - a) * white for a, b in (FROM, TO, NEARNESS))
    order = found.mean(-1).argsort(-1)  # from dark to bright
    found = found.gather(2, order[..., None].expand_as(found))
    near = (nearness * (angle[:, None] - angle).cos()).exp().expand(count, -1, -1, -1)  # (N, R, A, A)
    near = near.gather(3, order[:, :, None].expand_as(near))
    weight = near * seen.gather(2, order)[:, :, None]
    ends = weight.cumsum(-1) / weight.sum(-1, keepdim=True)
    inner = torch.cat([low.expand_as(ends[..., :1]), ends.maximum(low).minimum(high)], -1)
    colour = inner.diff(dim=-1) @ found / (high - low)  # (N, R, A, 3)

    step = torch.arange(RINGS, device=photo.device)
    spread = (-SHARP * (step[:, None] - step).abs()).exp()
    total = weight.sum(-1)  # (N, R, A)
    mixed = torch.einsum("rs,nsac->ncra", spread, colour * total[..., None])
    return mixed / torch.einsum("rs,nsa->nra", spread, total)[:, None]


def _at(rings: Tensor, x: Tensor, y: Tensor, eye: Tensor) -> Tensor:
    """(M, 3) colours of rings (N, 3, R, A) at x, y (M,), in the frames of eyes (M,)."""
    row = (x**2 + y**2).sqrt().clamp(max=REACH) * ((RINGS - 1) / REACH)
    column = torch.atan2(y, x) * (DIRECTIONS / (2 * math.pi)) % DIRECTIONS
    table = torch.cat([rings, rings[..., :1]], -1).movedim(1, -1).flatten(0, 2)  # one direction more
    first = (row.long().clamp(max=RINGS - 2), column.long().clamp(max=DIRECTIONS - 1))
    found = 0
    for down in (0, 1):
        for right in (0, 1):
            r, a = first[0] + down, first[1] + right
            weight = (1 - (row - r).abs()) * (1 - (column - a).abs())
            found = found + weight[:, None] * table[(eye * RINGS + r) * (DIRECTIONS + 1) + a]
    return found
