"""Triangles to pixels: which triangle of a mesh lies nearest over each pixel's centre, in all faces at once (ours).

A scan-line rasteriser of index arithmetic: triangles -> rows -> pixels, nearest wins. Works on the CPU and on CUDA, and
every run gives the same answer. Geometry carries no gradient.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

DEPTHS = 2**20  # steps of depth between the nearest and the farthest point


@dataclass(frozen=True)
class Raster:
    """The N covered pixels of B pictures of size x size, in the order of the pictures and their rows."""

    size: int
    pixel: Tensor  # (N,) number of the pixel, row by row, counted on through all pictures
    picture: Tensor  # (N,)
    triangle: Tensor  # (N,)
    corners: Tensor  # (N, 3) points of the triangle, counted on through all pictures
    weights: Tensor  # (N, 3) of the corners, sum 1

    def centres(self, which: Tensor) -> Tensor:
        """(M, 2) x, y of the centres of some covered pixels, numbers (M,)."""
        inside = self.pixel[which] % self.size**2
        return torch.stack([inside % self.size, inside // self.size], -1) + 0.5

    def interpolate(self, values: Tensor) -> Tensor:
        """(N, K) of values (B, V, K) at the points; straight in each triangle."""
        flat = values.flatten(0, 1)
        return sum(flat.index_select(0, self.corners[:, i]) * self.weights[:, i, None] for i in range(3))

    def plane(self, values: Tensor, pictures: int, fill: float = 0.0) -> Tensor:
        """(B, K, size, size) of values (N, K); `fill` where nothing is covered."""
        empty = values.new_full((pictures * self.size**2, values.shape[1]), fill)
        return (
            empty.index_copy(0, self.pixel, values).unflatten(0, (pictures, self.size, self.size)).permute(0, 3, 1, 2)
        )


def signed_areas(points: Tensor, triangles: Tensor) -> Tensor:
    """(B, T) square pixels, positive where a triangle (T, 3) of the points (B, V, 2 or more) is seen from its front."""
    a, b, c = points[:, triangles, :2].unbind(2)
    return _cross(b - a, c - a) / 2


def rasterise(points: Tensor, triangles: Tensor, size: int, one_sided: Tensor | None = None) -> Raster:
    """Pixels whose centres lie in a triangle, each with the nearest one; triangles seen from behind come last.

    points     (B, V, 3) x, y in pixels; z, smaller is nearer
    triangles  (T, 3) numbers of points
    one_sided  (T,) bool, triangles that are not there at all when seen from behind
    """
    count, device = len(triangles), points.device
    x, y, z = points[:, triangles].flatten(0, 1).unbind(-1)  # (B T, 3)
    edge_1, edge_2 = (torch.stack([x[:, i] - x[:, 0], y[:, i] - y[:, 0]], -1) for i in (1, 2))
    area = _cross(edge_1, edge_2)
    low, high = ((v - 0.5).ceil().clamp(0, size).long() for v in torch.aminmax(y, dim=1))
    heights = high - low
    if one_sided is not None:
        heights = heights * ~(one_sided.repeat(len(points)) & (area <= 0))

    # rows of triangles: where each begins and ends
    owner = torch.repeat_interleave(heights)  # (R,)
    row = torch.arange(len(owner), device=device) + (low - (heights.cumsum(0) - heights))[owner]
    x, y, z, area, edge_1, edge_2 = (v[owner] for v in (x, y, z, area, edge_1, edge_2))
    centre = row + 0.5
    left, right = torch.full_like(centre, size), torch.zeros_like(centre)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        # from above to below, so that two neighbours find the very same crossing: no gap, no pixel twice
        turned = y[:, i] > y[:, j]
        top_x, end_x = torch.where(turned, x[:, j], x[:, i]), torch.where(turned, x[:, i], x[:, j])
        top_y, end_y = torch.where(turned, y[:, j], y[:, i]), torch.where(turned, y[:, i], y[:, j])
        crosses = (top_y <= centre) & (centre < end_y)
        at = top_x + (centre - top_y) / (end_y - top_y) * (end_x - top_x)
        left = torch.where(crosses, torch.minimum(left, at), left)
        right = torch.where(crosses, torch.maximum(right, at), right)
    first, last = ((v - 0.5).ceil().clamp(0, size).long() for v in (left, right))
    widths = (last - first).clamp(min=0)

    # values at both ends of each row; a row lies in its triangle, and so do they
    def weights(column: Tensor) -> Tensor:  # (R, 3)
        to = torch.stack([column + 0.5 - x[:, 0], centre - y[:, 0]], -1)
        b, c = (v / torch.where(area == 0, 1, area) for v in (_cross(to, edge_2), _cross(edge_1, to)))
        found = torch.stack([1 - b - c, b, c], -1).clamp(0, 1)
        return found / found.sum(-1, keepdim=True)

    begin = weights(first)
    slope = (weights(last - 1) - begin) / (widths - 1).clamp(min=1)[:, None]
    nearest, farthest = torch.aminmax(points[..., 2], dim=1)  # in each picture by itself: batch equals singles
    steps = (DEPTHS - 1) / (farthest - nearest).clamp(min=1e-6)
    depth = (z - nearest[owner // count, None]) * steps[owner // count, None]
    depth_begin, depth_slope = (begin * depth).sum(-1) + DEPTHS * (area <= 0), (slope * depth).sum(-1)

    # pixels of rows; the smallest key is the nearest surface, of equals the first triangle
    span = torch.repeat_interleave(widths)  # (P,)
    along = torch.arange(len(span), device=device) - (widths.cumsum(0) - widths)[span]
    place = ((owner // count * size + row) * size + first)[span] + along
    depths = (depth_begin[span] + along * depth_slope[span]).clamp(min=0).long()
    nothing = 2**62
    keys = torch.full((len(points) * size * size,), nothing, dtype=torch.long, device=device)
    keys = keys.scatter_reduce(0, place, depths << 36 | torch.arange(len(span), device=device), "amin")
    pixel = (keys < nothing).nonzero()[:, 0]
    chosen = keys[pixel] & (2**36 - 1)
    span, along = span[chosen], along[chosen]
    picture, triangle = owner[span] // count, owner[span] % count
    corners = triangles[triangle] + points.shape[1] * picture[:, None]
    return Raster(size, pixel, picture, triangle, corners, begin[span] + along[:, None] * slope[span])


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
