"""What lies behind lids and lips: eyeballs and teeth keep their form, and lids and lips slide over them.

Each opening has a frame of its own: origin (iris; middle of the upper lip), axes (along the corners of the eyes, and
down) and units (radius of the iris; width and height of the face). In it, eyeball or teeth of photo and target are the
same. What the target shows and the photo hides is read beside it, of an eye on the circle round the iris, of the mouth
at the lip; and it is known and trusted the less, the farther it is hidden. What is not known is filled by eyeballs.py,
in the mouth it is dark. All ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .topology import LEFT_EYE, LEFT_IRIS, MOUTH, RIGHT_EYE, RIGHT_IRIS

NOSE = (168, 2)  # bridge and base
# Shadow of lids and lashes, edge of the lips: pixels nearer to an edge than this are read as near to the photo's edge,
# and no others are. Parts of the opening's units.
EYE_EDGE, MOUTH_EDGE = 0.3, 0.03
IRIS_HIDDEN, WHITE_HIDDEN = 0.15, 0.5  # what the photo's lids hide by so much, in these units, is not known
LIMBUS = 0.2  # so wide is the change from iris to white, likewise
EYE_MOVED, MOUTH_MOVED = 2.0, 0.04  # a reading moved this far is half trusted, or less
WHITE_ROOM = 0.5  # the white of an eye in the photo against that of the target, from which on it is trusted
EYE_SHUT, EYE_OPEN = 0.25, 0.8  # height between the lids over the iris's radius: an eye that shows nothing, enough
MOUTH_SHUT, MOUTH_OPEN = 0.03, 0.1  # gap of the lips over the mouth's width: likewise
MEETING = (0.02, 0.06)  # gap of the target's lips over the width: below they meet, above the photo's teeth are between
LIPS_MEET = 0.7  # trust where lips meet that are apart in the photo


@dataclass(frozen=True)
class Opening:
    """One opening in B faces: its frame in pixels, and its edges in the frame."""

    origin: Tensor  # (B, 2) pixels
    axis: Tensor  # (B, 2) unit vector to the viewer's right
    unit: Tensor  # (B, 2) pixels, along the axis and across
    upper: Tensor  # (B, K, 2) edge in the frame, x never falls
    lower: Tensor  # (B, K, 2)
    is_eye: bool

    def enter(self, points: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        """x, y (N,) in the frame of points (N, 2), pixels, of the faces (N,)."""
        return _enter(points - self.origin[face], self.axis[face], self.unit[face])

    def leave(self, x: Tensor, y: Tensor, face: Tensor) -> Tensor:
        """The way back, (N, 2) pixels."""
        (u, v), (a, b) = (torch.stack([x, y]) * self.unit[face].mT), self.axis[face].unbind(-1)
        return self.origin[face] + torch.stack([a * u - b * v, b * u + a * v], -1)

    def corners(self, face: Tensor) -> tuple[Tensor, Tensor]:
        """x (N,) of the left and the right corner."""
        return self.upper[face, 0, 0], self.upper[face, -1, 0]

    def edges(self, x: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        """y (N,) of the upper and the lower edge over x (N,)."""
        return _height(self.upper, x, face), _height(self.lower, x, face)


def eyes(points: Tensor) -> Opening:
    """Frames of all left, then of all right eyes of meshes (B, 478, 2 or more): of 2 B faces."""
    found = []
    for edges, iris in ((LEFT_EYE, LEFT_IRIS), (RIGHT_EYE, RIGHT_IRIS)):
        centre, rim = points[:, iris[0], :2], points[:, iris[1:], :2]
        radius = (rim - centre[:, None]).norm(dim=-1).mean(1).clamp(min=1e-3)
        across = points[:, edges[0][-1], :2] - points[:, edges[0][0], :2]
        found.append([centre, across, torch.stack([radius, radius], -1), *(points[:, edge, :2] for edge in edges)])
    return _opening(*map(torch.cat, zip(*found, strict=True)), is_eye=True)


def mouth(points: Tensor) -> Opening:
    """Frame of the mouth of meshes (B, 478, 2 or more); it moves with the upper lip and turns with the eyes."""
    across = points[:, RIGHT_EYE[0][-1], :2] - points[:, LEFT_EYE[0][0], :2]
    height = (points[:, NOSE[1], :2] - points[:, NOSE[0], :2]).norm(dim=-1)
    middle = points[:, MOUTH[0][len(MOUTH[0]) // 2], :2]
    unit = torch.stack([across.norm(dim=-1), height], -1).clamp(min=1e-3)
    return _opening(middle, across, unit, *(points[:, edge, :2] for edge in MOUTH), is_eye=False)


def _opening(origin: Tensor, across: Tensor, unit: Tensor, upper: Tensor, lower: Tensor, is_eye: bool) -> Opening:
    axis = across / across.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    edges = []
    for edge in (upper, lower):
        x, y = _enter(edge - origin[:, None], axis[:, None], unit[:, None])
        edges.append(torch.stack([x.cummax(1).values, y], -1))
    return Opening(origin, axis, unit, *edges, is_eye)


def look(target: Opening, photo: Opening, points: Tensor, face: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the photo shows what belongs at points (N, 2) of the target's opening, pixels, of the faces (N,).

    returns  (N, 2) photo pixels; (N,) 0..1 how far they can be trusted; (N,) 0..1 known: how far they show what belongs
             there at all, less and less behind the photo's lids and lips
    """
    x, y = target.enter(points, face)
    upper, lower = target.edges(x, face)
    if target.is_eye:
        x, y, trust, known = _eyeball(target, photo, x, y, (y - upper).clamp(min=0), (lower - y).clamp(min=0), face)
    else:
        x, y, trust, known = _teeth(target, photo, x, y, (y - upper).clamp(min=0), (lower - y).clamp(min=0), face)
    return photo.leave(x, y, face), trust, known


def _eyeball(
    target: Opening, photo: Opening, want_x: Tensor, want_y: Tensor, above: Tensor, below: Tensor, face: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where to read, trust, and what is known; `above` and `below` are the distances to the target's lids."""
    part = above / (above + below).clamp(min=1e-3)
    want_x, want_y, stretched_y, even = _white(target, photo, want_x, want_y, part, face)
    above, below = above.clamp(max=EYE_EDGE), below.clamp(max=EYE_EDGE)
    left, right = photo.corners(face)
    x = want_x.maximum(left).minimum(right)
    behind = (_between(photo, x, want_y, above, below, face) - want_y).abs()  # the lids, so far
    iris = 1 - smoothstep(((want_x**2 + want_y**2).sqrt() - 1) / LIMBUS)
    hidden = smoothstep(behind / (WHITE_HIDDEN + (IRIS_HIDDEN - WHITE_HIDDEN) * iris))
    known = 1 - hidden * smoothstep(above.minimum(below) / EYE_EDGE)  # the lids' edges, with lashes, are the photo's
    want_y = stretched_y
    edge = EYE_EDGE - IRIS_HIDDEN * iris  # an iris is read where it belongs, as far as it is known
    above, below = above.minimum(edge), below.minimum(edge)
    y = _between(photo, x, want_y, above, below, face)
    for _ in range(2):  # along the circle round the iris; the lid's height depends on the place there
        circle = (want_x**2 + want_y**2 - y**2).clamp(min=0).sqrt().copysign(want_x)
        x = torch.where(y == want_y, x, circle.maximum(left).minimum(right))
        y = _between(photo, x, want_y, above, below, face)
    moved = (x - want_x) ** 2 + (y - want_y) ** 2
    return x, y, even * shows(target, photo)[face] / (1 + moved / EYE_MOVED**2), known


def _teeth(
    target: Opening, photo: Opening, want_x: Tensor, want_y: Tensor, above: Tensor, below: Tensor, face: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where to read, trust, and what is known; `above` and `below` are the distances to the target's lips."""
    left, right = photo.corners(face)
    x = want_x.maximum(left).minimum(right)
    y = _between(photo, x, want_y, above.clamp(max=MOUTH_EDGE), below.clamp(max=MOUTH_EDGE), face)
    known = (-((x - want_x) ** 2 + (y - want_y) ** 2) / MOUTH_MOVED**2).exp()
    trust = known * shows(target, photo)[face]
    # lips that nearly close over the photo's teeth meet: each goes on into the gap
    wanted, there = _gap(target), _gap(photo)
    closing = smoothstep((MEETING[1] - wanted) / (MEETING[1] - MEETING[0])) * smoothstep((there - wanted) / MEETING[1])
    closing = closing[face]
    first, last = target.corners(face)
    lip_x = left + ((want_x - first) / (last - first).clamp(min=1e-3)).clamp(0, 1) * (right - left)
    upper, lower = photo.edges(lip_x, face)
    lip_y = torch.where(above < below, upper - above, lower + below)
    return (
        x.lerp(lip_x, closing),
        y.lerp(lip_y, closing),
        trust.lerp(LIPS_MEET * trust.new_ones(()), closing),
        known.lerp(known.new_ones(()), closing),
    )


def _between(photo: Opening, x: Tensor, y: Tensor, above: Tensor, below: Tensor, face: Tensor) -> Tensor:
    """The y next to the given one that keeps these distances from the photo's edges."""
    upper, lower = photo.edges(x, face)
    low, high = upper + above, lower - below
    middle = (low + high) / 2
    return y.maximum(low.minimum(middle)).minimum(high.maximum(middle))


def shows(target: Opening, photo: Opening) -> Tensor:
    """(B,) 0..1: is the photo's opening open, as far as the target needs it?"""
    shut, enough = (EYE_SHUT, EYE_OPEN) if target.is_eye else (MOUTH_SHUT, MOUTH_OPEN)
    wanted, there = _gap(target), _gap(photo)
    return smoothstep((there - shut) / (wanted.clamp(2 * shut, enough) - shut))


def _gap(opening: Opening) -> Tensor:
    """(B,) how far lids are apart over the iris, in its radius; lips in their middle, in the width of the mouth."""
    if opening.is_eye:
        face = torch.arange(len(opening.origin), device=opening.origin.device)
        upper, lower = opening.edges(torch.zeros_like(opening.unit[:, 0]), face)
        return lower - upper
    middle = opening.upper.shape[1] // 2
    height = (opening.lower[:, middle, 1] - opening.upper[:, middle, 1]) * opening.unit[:, 1]
    return height / ((opening.upper[:, -1, 0] - opening.upper[:, 0, 0]) * opening.unit[:, 0]).clamp(min=1e-3)


def smoothstep(x: Tensor) -> Tensor:
    """0 up to 0, 1 from 1 on, and no corner between."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)


def _white(
    target: Opening, photo: Opening, x: Tensor, y: Tensor, part: Tensor, face: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, y: beside the iris the white stretches to the photo's corner and from lid to lid; and how evenly it does.

    returns  (N,) each: x, y less stretched, which tells what lids hide; y; evenness 0..1
    """
    found, even = x, torch.ones_like(x)
    weight = torch.zeros_like(x)
    for side, corner in ((1, -1), (-1, 0)):
        room = (side * target.upper[face, corner, 0] - 1).clamp(min=0.2)
        photo_room = (side * photo.upper[face, corner, 0] - 1).clamp(min=0.2)
        beside = (side * x - 1).clamp(min=0)
        stretch = photo_room / room
        found = found + side * beside * (stretch.clamp(0.25, 4) - 1)
        along = smoothstep(beside / room)
        weight, even = weight + along, even - along * (1 - smoothstep(stretch / WHITE_ROOM))
    upper, lower = photo.edges(found, face)
    stretched = y + weight * (upper + part.clamp(0, 1) * (lower - upper) - y)
    return found, y + weight * (stretched - y), stretched, even


def _enter(offset: Tensor, axis: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    (u, v), (a, b), (width, height) = (t.unbind(-1) for t in (offset, axis, unit))
    return (a * u + b * v) / width, (a * v - b * u) / height


def _height(edge: Tensor, x: Tensor, face: Tensor) -> Tensor:
    """y (N,) over x (N,) of edges (B, K, 2) of straight pieces; beyond the ends they go on level."""
    pieces = edge.shape[1] - 1
    at = (edge[:, 1:-1, 0][face] <= x[:, None]).sum(1) + face * (pieces + 1)
    (x0, y0), (x1, y1) = (edge.flatten(0, 1)[i].unbind(-1) for i in (at, at + 1))
    return y0 + ((x - x0) / (x1 - x0).clamp(min=1e-4)).clamp(0, 1) * (y1 - y0)
