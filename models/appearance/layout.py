"""The wanted face laid out in pixels: skin, openings and a seam beyond the outline; and where a photo has them (ours).

All that depends on the target's points alone is done once, however many photos are read for it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..frames import resample
from . import eyeballs
from .openings import eyes, look, mouth, shows, smoothstep
from .raster import Window, rasterise, signed_areas
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
DARK = (-0.75, -0.88, -0.88)  # the inside of a mouth that the photo does not show, RGB
JUMP = 1.5  # photo pixels between neighbours, in what they are elsewhere: more than this is a jump
BEHIND = 0.1  # of the face's height: the seam lies so far behind the face, and hides nothing of it
SMOOTHINGS = 4  # of the preference for a photo, each over a triangle's width
MARGIN = 4  # pixels around the mesh, for soft edges
POINTS = 478


class Layout:
    """B target meshes (B, 478, 3) in pictures of size x size pixels. Planes are of the window: (B, ..., h, w, ...)."""

    def __init__(self, target: Tensor, size: int, window: Window | None = None):
        openings = [strip(edges) for edges in (LEFT_EYE, RIGHT_EYE, MOUTH)]
        triangles = [*TRIANGLES, *sum(openings, []), *_seam()]
        skin = len(TRIANGLES)
        ends = torch.tensor([skin] + [len(o) for o in openings]).cumsum(0).tolist()
        self.triangles = torch.tensor(triangles, device=target.device)
        self.skin = self.triangles[:skin]
        self.size, self.target = size, extend(target)
        self.window = window or Window.around(self.target, size, MARGIN)
        behind = torch.zeros_like(self.target)
        behind[:, POINTS:, 2] = BEHIND * (target[:, OUTLINE[18], :2] - target[:, OUTLINE[0], :2]).norm(dim=-1)[:, None]
        number = torch.arange(len(triangles), device=target.device)
        # where lids or lips are shut, the strips between them turn over or vanish
        one_sided = (number >= skin) & (number < ends[-1])
        self.raster = rasterise(self.target + behind, self.triangles, self.window, one_sided)
        # 0 skin, 1 left eye, 2 right eye, 3 mouth, 4 seam
        kind = torch.bucketize(self.raster.triangle, torch.tensor(ends, device=target.device), right=True)
        kind = kind.index_select(0, self.raster.row)
        both_eyes = [(kind == k).nonzero()[:, 0] for k in (1, 2)]
        count = torch.cat([torch.full_like(p, k) for k, p in enumerate(both_eyes)]) * len(target)
        eye_pixels, mouth_pixels = torch.cat(both_eyes), (kind == 3).nonzero()[:, 0]
        self.openings = [
            (eyes(target), eye_pixels, self.raster.faces(eye_pixels) + count),
            (mouth(target), mouth_pixels, self.raster.faces(mouth_pixels)),
        ]
        planes = self.raster.plane(kind.to(target)[:, None], -1.0)[:, None, :, :, 0]
        self.shown = planes >= 0  # (B, 1, h, w)
        self.cover = (self.shown & (planes < 4)).to(target)

    def trust(self, source: Tensor, fit: Tensor | None, seen: Tensor | None = None) -> Tensor:
        """(B, V) trust at the points, seam included, for a photo that has the face's points at source (B, 478, 3).

        seen: of trust.point_trust()
        """
        found = point_trust(source, self.target[:, :POINTS], self.skin, seen)
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

    def opening_trust(self, source: Tensor, trust: Tensor) -> list[Tensor]:
        """How well a photo shows the eyes (2 B,), first all left ones, and the inside of the mouth (B,)."""
        around = [trust[:, [*edges[0], *edges[1]]].mean(1) for edges in (LEFT_EYE, RIGHT_EYE, MOUTH)]
        (here, *_), (inside, *_) = self.openings
        return [shows(here, eyes(source)) * torch.cat(around[:2]), shows(inside, mouth(source)) * around[2]]

    def read(self, source: Tensor, trust: Tensor, photo_size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """Which photo pixels the window's pixels read (B, h, w, 2), trust in them, and 0..1 how far they show what
        belongs there, see openings.look(), both (B, 1, h, w).
        """
        values = torch.cat([extend(source)[..., :2], trust[..., None], torch.ones_like(trust)[..., None]], -1)
        values = self.raster.interpolate(values)
        for (here, pixels, face), there in zip(self.openings, (eyes(source), mouth(source)), strict=True):
            if len(pixels):
                found, seen, known = look(here, there, self.raster.centres(pixels), face)
                values[pixels] = torch.cat([found, (values[pixels, 2] * seen)[:, None], known[:, None]], 1)
        nothing = torch.cat([source[..., :2].mean(1), torch.zeros_like(source[:, 0, :2])], 1)[:, None, None]
        values = self.raster.plane(values, nothing)
        flow = values[..., :2].contiguous()
        trust, known = values[..., 2].contiguous()[:, None], values[..., 3].contiguous()[:, None]
        height, width = photo_size
        x, y = values[..., 0], values[..., 1]
        room = x.minimum(width - x).minimum(y).minimum(height - y)[:, None]
        return flow, trust * smoothstep(room / (PHOTO_EDGE * min(height, width))), known

    def sample(self, photo: Tensor, source: Tensor, flow: Tensor, known: Tensor) -> Tensor:
        """(B, 3, h, w) the photo (B or 1, 3, H, W) where read() tells; 0 where nothing is shown."""
        found = resample(photo, flow, self.shrink(source), "sharp")
        unknown = found.new_tensor(DARK).expand(len(self.raster.pixel), -1)
        here, pixels, eye = self.openings[0]
        if len(pixels):
            hidden = eyeballs.hidden(photo, eyes(source), here, self.raster.centres(pixels), eye)
            unknown = unknown.index_copy(0, pixels, hidden)
        unknown = self.raster.plane(unknown).permute(0, 3, 1, 2)
        return torch.where(self.shown, torch.lerp(unknown, found, known), 0)

    def finish(self, picture: Tensor, flow: Tensor, source: Tensor) -> Tensor:
        """Anti-aliasing of planes: where lids, lips or the nose cut off what lies behind."""
        return smooth_jumps(picture, flow / self.shrink(source)[:, None, None, None], self.shown)

    def whole(self, plane: Tensor) -> Tensor:
        """(B, K, size, size) of a plane (B, K, h, w), 0 around it."""
        w = self.window
        return F.pad(plane, (w.left, self.size - w.left - w.width, w.top, self.size - w.top - w.height))

    def soften(self, plane: Tensor) -> Tensor:
        """Edges of planes (B, 1, h, w) made soft, over some two pixels where the picture has 512."""
        return soften(plane, max(1, self.size // 256))

    def preference(self, trust: Tensor) -> Tensor:
        """(B, V) trust at the points, evened out over the mesh: what one photo is preferred to another by."""
        corner = around(self.triangles, trust.shape[1]).to(trust)
        for _ in range(SMOOTHINGS):
            trust = (trust @ corner.T / 3) @ corner / corner.sum(0).clamp(min=1)
        return trust

    def weigh(self, weights: Tensor, *opening_weights: Tensor) -> Tensor:
        """(B, 1, h, w) of weights (B, V) at the points; an opening, as in opening_trust(), has one weight."""
        found = self.raster.interpolate(weights[..., None])
        for (_, pixels, face), weight in zip(self.openings, opening_weights, strict=True):
            found[pixels, 0] = weight[face]
        return self.raster.plane(found)[..., 0][:, None]

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


def soften(plane: Tensor, times: int = 1) -> Tensor:
    """Planes (B, K, h, w) blurred by binomial weights, 1 2 1 along both axes, so many times."""
    for _ in range(times):
        for axis in (-1, -2):
            length = plane.shape[axis]
            before = torch.cat([plane.narrow(axis, 0, 1), plane.narrow(axis, 0, length - 1)], axis)
            after = torch.cat([plane.narrow(axis, 1, length - 1), plane.narrow(axis, -1, 1)], axis)
            plane = plane / 2 + (before + after) / 4
    return plane


def smooth_jumps(picture: Tensor, flow: Tensor, shown: Tensor) -> Tensor:
    """Pictures (B, 3, h, w) blurred by binomial weights where neighbours read places that are far apart.

    flow   (B, h, w, 2) in steps of 1 where nothing is stretched
    shown  (B, 1, h, w) bool: where both hold
    """
    jumps = torch.zeros_like(flow[..., 0])
    shown = shown[:, 0]
    for axis in (1, 2):
        length = flow.shape[axis] - 1
        step = (flow.narrow(axis, 1, length) - flow.narrow(axis, 0, length)).abs_()
        step = step[..., 0].maximum(step[..., 1])
        both = shown.narrow(axis, 1, length) & shown.narrow(axis, 0, length)
        jump = (step - JUMP).clamp_(0, 1) * both
        for start in (0, 1):
            part = jumps.narrow(axis, start, length)
            part.copy_(part.maximum(jump))
    face, row, column = jumps.nonzero().unbind(1)
    total, mean = 0, 0
    for down, share_y in ((-1, 1), (0, 2), (1, 1)):
        for right, share_x in ((-1, 1), (0, 2), (1, 1)):
            at = face, (row + down).clamp(0, shown.shape[1] - 1), (column + right).clamp(0, shown.shape[2] - 1)
            weight = share_x * share_y * shown[at][:, None]
            total, mean = total + weight, mean + weight * picture.permute(0, 2, 3, 1)[at]
    here = picture[face, :, row, column]
    found = here.lerp(mean / total, jumps[face, row, column][:, None])
    return picture.permute(0, 2, 3, 1).index_put((face, row, column), found).permute(0, 3, 1, 2)


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
