"""Triangles to pixels: which triangle of a mesh lies nearest over each pixel's centre, in all faces at once (ours).

A scan-line rasteriser of index arithmetic: triangles -> rows -> pixels, nearest wins. Works on the CPU and on CUDA, and
every run gives the same answer. Geometry carries no gradient.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

DEPTHS = 2**20  # steps of depth between the nearest and the farthest point
NUMBERS = 2**36  # more pixels of triangles than fit into memory


@dataclass(frozen=True)
class Window:
    """The part of a picture that is worked on, pixels."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def around(cls, points: Tensor, size: int, margin: int) -> "Window":
        """What points (B, V, 2 or more) cover of pictures of size x size pixels, and a margin."""
        flat = points[..., :2].flatten(0, 1)
        low = (flat.amin(0).floor() - margin).clamp(0, size - 1).long().tolist()
        high = (flat.amax(0).ceil() + margin).clamp(1, size).long().tolist()
        width, height = (max(b - a, 1) for a, b in zip(low, high, strict=True))
        return cls(*low, width, height)


@dataclass(frozen=True)
class Raster:
    """The N covered pixels of B windows, in the order of the pictures and their rows.

    They lie in R rows of triangles, along which everything changes evenly.
    """

    window: Window
    pictures: int  # B
    pixel: Tensor  # (N,) number of the pixel, row by row through the windows of all pictures
    row: Tensor  # (N,) 0..R - 1
    along: Tensor  # (N, 1) pixels from the row's first
    triangle: Tensor  # (R,)
    corners: Tensor  # (R, 3) points of the triangle, counted on through all pictures
    begin: Tensor  # (R, 3) weights of the corners at the first pixel, sum 1
    slope: Tensor  # (R, 3) their change from pixel to pixel

    def interpolate(self, values: Tensor) -> Tensor:
        """(N, K) of values (B, V, K) at the points; straight in each triangle."""
        at = values.flatten(0, 1).index_select(0, self.corners.flatten()).unflatten(0, (-1, 3))  # (R, 3, K)
        ends = torch.cat([(self.begin[..., None] * at).sum(1), (self.slope[..., None] * at).sum(1)], 1)
        first, step = ends.index_select(0, self.row).chunk(2, 1)
        return torch.addcmul(first, step, self.along)

    def of(self, low: int, high: int) -> Tensor:
        """(N,) bool: the triangle's number is at least `low` and below `high`."""
        return ((self.triangle >= low) & (self.triangle < high)).index_select(0, self.row)

    def faces(self, which: Tensor) -> Tensor:
        """(M,) pictures of some covered pixels, numbers (M,)."""
        return self.pixel[which] // (self.window.width * self.window.height)

    def centres(self, which: Tensor) -> Tensor:
        """(M, 2) x, y of the centres of some covered pixels, numbers (M,), in the whole picture."""
        w = self.window
        place = self.pixel[which]
        return torch.stack([place % w.width + w.left, place // w.width % w.height + w.top], -1) + 0.5

    def plane(self, values: Tensor, empty: Tensor | float = 0.0) -> Tensor:
        """(B, height, width, K) of values (N, K); where nothing is covered, `empty`, of shape (B, 1, 1, K) or one."""
        shape = (self.pictures, self.window.height, self.window.width, values.shape[1])
        plane = torch.as_tensor(empty, device=values.device, dtype=values.dtype).expand(shape).clone()
        plane.view(-1, values.shape[1]).index_copy_(0, self.pixel, values)
        return plane


def signed_areas(points: Tensor, triangles: Tensor) -> Tensor:
    """(B, T) square pixels, positive where a triangle (T, 3) of the points (B, V, 2 or more) is seen from its front."""
    a, b, c = points[:, triangles, :2].unbind(2)
    return _cross(b - a, c - a) / 2


def rasterise(points: Tensor, triangles: Tensor, window: Window, one_sided: Tensor | None = None) -> Raster:
    """Pixels whose centres lie in a triangle, each with the nearest one; triangles seen from behind come last.

    points     (B, V, 3) x, y in pixels; z, smaller is nearer
    triangles  (T, 3) numbers of points
    one_sided  (T,) bool, triangles that are not there at all when seen from behind
    """
    count, device = len(triangles), points.device
    corners = points[:, triangles].flatten(0, 1)  # (B T, 3, 3)
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    top, bottom = window.top, window.top + window.height
    low, high = ((v - 0.5).ceil().clamp(top, bottom).long() for v in torch.aminmax(corners[..., 1], dim=1))
    heights = high - low
    if one_sided is not None:
        heights = heights * ~(one_sided.repeat(len(points)) & (area <= 0))

    # rows of triangles: where each begins and ends
    owner = torch.repeat_interleave(heights)  # (R,)
    line = torch.arange(len(owner), device=device) + (low - (heights.cumsum(0) - heights)).index_select(0, owner)
    area = area.index_select(0, owner)
    x, y, z = corners.index_select(0, owner).permute(2, 1, 0).contiguous()  # (3, R) each
    centre = line + 0.5
    left, right = torch.full_like(centre, torch.inf), torch.full_like(centre, -torch.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        # from above to below, so that two neighbours find the very same crossing: no gap, no pixel twice
        turned = y[i] > y[j]
        top_x, end_x = torch.where(turned, x[j], x[i]), torch.where(turned, x[i], x[j])
        top_y, end_y = torch.where(turned, y[j], y[i]), torch.where(turned, y[i], y[j])
        crosses = (top_y <= centre) & (centre < end_y)
        at = top_x + (centre - top_y) / (end_y - top_y) * (end_x - top_x)
        left = torch.where(crosses, left.minimum(at), left)
        right = torch.where(crosses, right.maximum(at), right)
    edges = window.left, window.left + window.width
    first, last = ((v - 0.5).ceil().clamp(*edges).long() for v in (left, right))
    widths = (last - first).clamp(min=0)

    # weights of the corners at both ends of each row; a row lies in its triangle, and so do they
    size = torch.where(area == 0, 1, area)

    def weights(column: Tensor) -> Tensor:  # (R, 3)
        to_x, to_y = column + 0.5 - x[0], centre - y[0]
        second = (to_x * (y[2] - y[0]) - to_y * (x[2] - x[0])) / size
        third = (to_y * (x[1] - x[0]) - to_x * (y[1] - y[0])) / size
        found = torch.stack([1 - second - third, second, third], -1).clamp(0, 1)
        return found / found.sum(-1, keepdim=True)

    begin = weights(first)
    slope = (weights(last - 1) - begin) / (widths - 1).clamp(min=1)[:, None]
    picture = owner // count
    nearest, farthest = torch.aminmax(points[..., 2], dim=1)  # in each picture by itself: batch equals singles
    steps = (DEPTHS - 1) / (farthest - nearest).clamp(min=1e-6)
    depth = ((z - nearest[picture]) * steps[picture]).T
    depth_begin, depth_slope = (begin * depth).sum(-1) + DEPTHS * (area <= 0), (slope * depth).sum(-1)

    # pixels of rows; the smallest key is the nearest surface, of equals the first triangle
    row = torch.repeat_interleave(widths)  # (P,)
    number = torch.arange(len(row), device=device)
    start = widths.cumsum(0) - widths
    along = number - start.index_select(0, row)
    base = (picture * window.height + line - top) * window.width + first - window.left - start
    depths = torch.stack([depth_begin, depth_slope], 1).index_select(0, row)
    keys = torch.addcmul(depths[:, 0], depths[:, 1], along.to(depths)).clamp(min=0).long() * NUMBERS + number
    nothing = 2**62
    best = torch.full((len(points) * window.height * window.width,), nothing, device=device)
    best = best.scatter_reduce(0, base.index_select(0, row) + number, keys, "amin")
    pixel = (best < nothing).nonzero()[:, 0]
    chosen = best.index_select(0, pixel) % NUMBERS
    row, along = row.index_select(0, chosen), along.index_select(0, chosen)
    triangle = owner % count
    corner = triangles.index_select(0, triangle) + points.shape[1] * picture[:, None]
    return Raster(window, len(points), pixel, row, along.to(begin)[:, None], triangle, corner, begin, slope)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
