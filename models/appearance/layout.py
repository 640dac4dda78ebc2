"""The wanted face laid out in pixels: skin, openings and a seam beyond the outline; and where a photo has them (ours).

All that depends on the target's points alone is done once, however many photos are read for it.
"""

import torch
from torch import Tensor

from ..frames import resample
from .openings import eye, look, mouth, shows, smoothstep
from .raster import rasterise, signed_areas
from .topology import LEFT_EYE, MOUTH, OUTLINE, RIGHT_EYE, TRIANGLES, strip
from .trust import around, point_trust

# The seam: how far it reaches, parts of the way from the outline's middle to the outline; and how much the points of
# the outline, from the top of the forehead to the temple, belong to the forehead.
FOREHEAD, BESIDE = 0.42, 0.06
BROW = (1.0, 1.0, 0.95, 0.85, 0.6, 0.25)
# Trust on the outline, where hair, ears and the scene begin, and halfway through the seam; at its end there is none.
ON_OUTLINE, ON_FOREHEAD, HALFWAY = 0.3, 0.8, 0.4
FADE = 0.08  # of the face's height: so far inside of the outline trust is whole
PHOTO_EDGE = 0.02  # of the photo's shorter side: trust fades towards its border over this width
DARK = (-0.75, -0.88, -0.88)  # the inside of a mouth without light, RGB
JUMP = 1.5  # photo pixels between neighbours, in what they are elsewhere: more than this is a jump
BEHIND = 0.1  # of the face's height: the seam lies so far behind the face, and hides nothing of it
SMOOTHINGS = 4  # of the preference for a photo, each over a triangle's width
POINTS = 478


class Layout:
    """B target meshes (B, 478, 3) in pictures of size x size pixels."""

    def __init__(self, target: Tensor, size: int):
        openings = [strip(edges) for edges in (LEFT_EYE, RIGHT_EYE, MOUTH)]
        triangles = [*TRIANGLES, *sum(openings, []), *_seam()]
        skin = len(TRIANGLES)
        ends = torch.tensor([skin] + [len(o) for o in openings]).cumsum(0).tolist()
        self.triangles = torch.tensor(triangles, device=target.device)
        self.skin = self.triangles[:skin]
        self.size, self.count, self.target = size, len(target), extend(target)
        behind = torch.zeros_like(self.target)
        behind[:, POINTS:, 2] = BEHIND * (target[:, OUTLINE[18], :2] - target[:, OUTLINE[0], :2]).norm(dim=-1)[:, None]
        number = torch.arange(len(triangles), device=target.device)
        # where lids or lips are shut, the strips between them turn over or vanish
        self.raster = rasterise(self.target + behind, self.triangles, size, (number >= skin) & (number < ends[-1]))
        of = self.raster.triangle
        self.within = [((of >= a) & (of < b)).nonzero()[:, 0] for a, b in zip(ends, ends[1:], strict=False)]
        self.openings = [eye(target, 0), eye(target, 1), mouth(target)]
        self.cover = soften(self.plane((of < ends[-1]).to(target)[:, None]))

    def plane(self, values: Tensor) -> Tensor:
        """(B, K, size, size) of values (N, K) of the covered pixels; 0 elsewhere."""
        return self.raster.plane(values, self.count)

    def trust(self, source: Tensor, fit: Tensor | None) -> Tensor:
        """(B, V) trust at the points, seam included, for a photo that has the face's points at source (B, 478, 3)."""
        found = point_trust(source, self.target[:, :POINTS], self.skin)
        if fit is not None:
            found = found * fit
        brow = found.new_tensor(_brow())
        on_outline = ON_OUTLINE + (ON_FOREHEAD - ON_OUTLINE) * brow  # (36,)
        # fading towards the outline, by the way to it on the target
        points, ring = self.target[:, :POINTS, :2], self.target[:, OUTLINE, :2]
        steps = [ring, (ring + ring.roll(1, 1)) / 2]
        way, nearest = torch.cdist(points, torch.cat(steps, 1)).min(2)
        height = (ring[:, 0] - ring[:, len(OUTLINE) // 2]).norm(dim=-1)[:, None].clamp(min=1e-3)
        start = torch.cat([on_outline, (on_outline + on_outline.roll(1)) / 2])[nearest]
        found = found * (start + (1 - start) * smoothstep(way / (FADE * height)))
        outline = found[:, OUTLINE] / on_outline.clamp(min=1e-3)
        return torch.cat([found, outline * HALFWAY * brow, torch.zeros_like(outline)], 1)

    def opening_trust(self, source: Tensor, trust: Tensor) -> Tensor:
        """(B, 3) how well a photo shows the left eye, the right eye and the inside of the mouth."""
        photo = [eye(source, 0), eye(source, 1), mouth(source)]
        rings = [list({*edges[0], *edges[1]}) for edges in (LEFT_EYE, RIGHT_EYE, MOUTH)]
        seen = [shows(a, b) for a, b in zip(self.openings, photo, strict=True)]
        return torch.stack([s * trust[:, ring].mean(1) for s, ring in zip(seen, rings, strict=True)], 1)

    def read(self, source: Tensor, trust: Tensor, photo_size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """Photo pixels (N, 2) that the covered pixels read, trust in them (N, 1), and their light (N, 1)."""
        values = torch.cat([extend(source)[..., :2], trust[..., None]], -1)
        values = self.raster.interpolate(values)
        flow, trust = values[:, :2].contiguous(), values[:, 2:].contiguous()
        photo = [eye(source, 0), eye(source, 1), mouth(source)]
        light = torch.ones_like(trust)
        for here, there, pixels in zip(self.openings, photo, self.within, strict=True):
            found, seen, lit = look(here, there, self.raster.centres(pixels), self.raster.picture[pixels])
            flow[pixels], light[pixels, 0] = found, lit
            trust[pixels, 0] *= seen
        height, width = photo_size
        room = torch.minimum(flow, flow.new_tensor([width, height]) - flow).amin(1, keepdim=True)
        return flow, trust * smoothstep(room / (PHOTO_EDGE * min(height, width))), light

    def preference(self, trust: Tensor) -> Tensor:
        """(B, V) trust at the points, evened out over the mesh: what one photo is preferred to another by."""
        corner = around(self.triangles, trust.shape[1]).to(trust)
        for _ in range(SMOOTHINGS):
            trust = (trust @ corner.T / 3) @ corner / corner.sum(0).clamp(min=1)
        return trust

    def weigh(self, weights: Tensor, opening_weights: Tensor) -> Tensor:
        """(N, 1) of weights (B, 478 and the seam) at the points; an opening has one weight, (B, 3), as a whole."""
        found = self.raster.interpolate(weights[..., None])
        for k, pixels in enumerate(self.within):
            found = found.index_copy(0, pixels, opening_weights[:, k][self.raster.picture[pixels], None])
        return found

    def sample(self, photo: Tensor, source: Tensor, flow: Tensor, light: Tensor) -> Tensor:
        """(N, 3) the photo (B or 1, 3, h, w) at the photo pixels (N, 2) of the covered pixels, in a light (N, 1)."""
        picture = self.raster.picture
        counts = torch.bincount(picture, minlength=self.count)
        slot = torch.arange(len(picture), device=picture.device) - (counts.cumsum(0) - counts)[picture]
        rows = 16  # a list of pixels is read as a picture of so many rows
        longest = -(-int(counts.max()) // rows) * rows
        points = source[..., :2].mean(1, keepdim=True).repeat(1, max(longest, rows), 1)
        points = points.index_put((picture, slot), flow)
        found = resample(photo, points.unflatten(1, (rows, -1)), self.shrink(source))
        dark = found.new_tensor(DARK)
        return dark + (found.flatten(2)[picture, :, slot] - dark) * light

    def shrink(self, source: Tensor) -> Tensor:
        """(B,) photo pixels per target pixel along a line, over the face as a whole."""
        here, there = (signed_areas(p, self.skin).clamp(min=0).sum(1) for p in (source, self.target))
        return (here / there.clamp(min=1e-6)).sqrt().clamp(min=1e-3)


def extend(points: Tensor) -> Tensor:
    """Points (B, 478, 3) with two rounds of the seam behind them, (B, 550, 3), halfway and at its end."""
    outline = points[:, OUTLINE]
    outward = outline - outline.mean(1, keepdim=True)
    brow = points.new_tensor(_brow())[:, None]
    outward = outward * (BESIDE + (FOREHEAD - BESIDE) * brow)
    return torch.cat([points, outline + outward / 2, outline + outward], 1)


def soften(plane: Tensor) -> Tensor:
    """Edges of planes (B, 1, S, S) made soft: binomial weights over some two pixels at 512."""
    for _ in range(max(1, plane.shape[-1] // 256)):
        for axis in (-1, -2):
            ends = plane.narrow(axis, 0, 1), plane.narrow(axis, -1, 1)
            wide = torch.cat([ends[0], plane, ends[1]], axis)
            length = plane.shape[axis]
            plane = plane / 2 + (wide.narrow(axis, 0, length) + wide.narrow(axis, 2, length)) / 4
    return plane


def smooth_jumps(picture: Tensor, flow: Tensor, shown: Tensor) -> Tensor:
    """Anti-aliasing: where lids, lips or the nose cut off what lies behind, neighbours read far apart places.

    picture  (B, 3, S, S)
    flow     (B, 2, S, S) in steps of 1 where nothing is stretched
    shown    (B, 1, S, S) where both hold
    """
    jumps = torch.zeros_like(flow[:, :1])
    shown = shown > 0
    for axis in (2, 3):
        length = flow.shape[axis] - 1
        step = (flow.narrow(axis, 1, length) - flow.narrow(axis, 0, length)).abs().amax(1, keepdim=True)
        both = shown.narrow(axis, 1, length) & shown.narrow(axis, 0, length)
        jump = (step - JUMP).clamp(0, 1) * both
        for start in (0, 1):
            part = jumps.narrow(axis, start, length)
            part.copy_(part.maximum(jump))
    size = picture.shape[-1]
    face, place = jumps.flatten(1).nonzero().unbind(1)
    weights, around = 0, 0
    flat, seen = picture.flatten(2), shown.flatten(1)
    for down, share_y in ((-1, 1), (0, 2), (1, 1)):
        for right, share_x in ((-1, 1), (0, 2), (1, 1)):
            at = (place // size + down).clamp(0, size - 1) * size + (place % size + right).clamp(0, size - 1)
            weight = share_x * share_y * seen[face, at, None]
            weights, around = weights + weight, around + weight * flat[face, :, at]
    found = flat[face, :, place].lerp(around / weights, jumps.flatten(1)[face, place, None])
    return flat.permute(0, 2, 1).index_put((face, place), found).permute(0, 2, 1).unflatten(2, (size, size))


def _brow() -> list[float]:
    """How much each of the outline's 36 points belongs to the forehead."""
    half = [*BROW, *[0.0] * (19 - len(BROW))]
    return half + half[-2:0:-1]


def _seam() -> list[tuple[int, int, int]]:
    """Triangles between the outline and the two rounds of the seam, in the order of TRIANGLES' corners."""
    rounds = [list(OUTLINE), *([POINTS + 36 * r + i for i in range(36)] for r in (0, 1))]
    found = []
    for inner, outer in zip(rounds, rounds[1:], strict=False):
        for i in range(36):
            a, b, c, d = inner[i - 1], inner[i], outer[i - 1], outer[i]
            found += [(a, c, d), (a, d, b)]
    return found
