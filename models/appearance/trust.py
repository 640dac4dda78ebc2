"""How far the photo's texture can be believed at each point of the mesh, 0..1. All ours.

Four things count: does the surface face the camera in the photo and is it not hidden there, is it stretched or squeezed
out of proportion, and has the photo pixels enough for it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..frames import nearest
from .openings import smoothstep
from .raster import Window, rasterise, signed_areas

GRAZING, FACING = 0.15, 0.6  # cosine of the angle between surface and line of sight: no trust, full trust
STRETCHED, SQUEEZED = (1.8, 6.0), (3.0, 10.0)  # area against that of the face as a whole: from full trust to none
COARSE, SHARP = 1 / 8, 0.7  # photo pixels per target pixel along a line: no trust, full trust
DEPTH_SIDE = 96  # pixels of the picture in which hidden points are looked for
DEPTH_SLACK = 0.04  # of the face's size: what lies this far behind the nearest surface is hidden


def point_trust(photo: Tensor, target: Tensor, triangles: Tensor, seen: Tensor | None = None) -> Tensor:
    """(B, V) trust at the points of a mesh.

    photo      (B, V, 3) the points in the photo, its pixels
    target     (B, V, 3) where they go, target pixels
    triangles  (T, 3) of the skin; points of none of them get 1
    seen       visible(photo, triangles), where it is there already
    """
    surface = _surface(photo, triangles)
    here, there = signed_areas(photo, triangles), signed_areas(target, triangles).abs()
    # what the target shows at a grazing angle, too, may be seen so in the photo
    wanted = (there / _surface(target, triangles).clamp(min=1e-6)).clamp(2 * GRAZING, FACING)
    facing = smoothstep(
        (here / surface.clamp(min=1e-6) - wanted * GRAZING / FACING) / (wanted * (1 - GRAZING / FACING))
    )
    # slivers say nothing: small areas are pulled towards the face's own proportion
    proportion = there.sum(1, keepdim=True) / here.clamp(min=0).sum(1, keepdim=True).clamp(min=1e-6)
    some = 0.2 * here.abs().mean(1, keepdim=True)
    change = (there + some * proportion) / (here.clamp(min=0) + some)  # target pixels per photo pixel
    stretch = (change / proportion.clamp(min=1e-6)).log2()
    (a, b), (c, d) = (torch.tensor(limits).log2().tolist() for limits in (STRETCHED, SQUEEZED))
    even = smoothstep((b - stretch) / (b - a)) * smoothstep((d + stretch) / (d - c))
    a, b = torch.tensor([COARSE, SHARP]).log2().tolist()
    sharp = smoothstep((-0.5 * change.clamp(min=1e-6).log2() - a) / (b - a))
    corner = around(triangles, photo.shape[1]).to(photo)
    found = mean_around(facing * even * sharp, surface, corner)
    return found * (visible(photo, triangles) if seen is None else seen)


def _surface(points: Tensor, triangles: Tensor) -> Tensor:
    """(B, T) areas in space."""
    side_1, side_2 = (points[:, triangles[:, i]] - points[:, triangles[:, 0]] for i in (1, 2))
    return torch.linalg.cross(side_1, side_2).norm(dim=-1) / 2


def around(triangles: Tensor, points: int) -> Tensor:
    """(T, V) 1 where a point is a corner of a triangle."""
    corner = torch.zeros(len(triangles), points, device=triangles.device)
    return corner.scatter(1, triangles, 1.0)


def mean_around(values: Tensor, weights: Tensor, corner: Tensor) -> Tensor:
    """(B, V) mean over the triangles of each point, of values and weights (B, T); 1 where there is none."""
    total = weights @ corner
    return torch.where(total > 0, (values * weights) @ corner / total.clamp(min=1e-12), 1.0)


def visible(photo: Tensor, triangles: Tensor) -> Tensor:
    """(B, V) 0 where another part of the face lies before a point in the photo, as the nose before a cheek, else 1."""
    xy = photo[..., :2]
    low = xy.amin(1, keepdim=True)
    size = (xy.amax(1, keepdim=True) - low).amax(-1, keepdim=True).clamp(min=1e-6)  # (B, 1, 1)
    scaled = torch.cat([(xy - low) / size, photo[..., 2:] / size], -1) * DEPTH_SIDE
    raster = rasterise(scaled, triangles, Window(0, 0, DEPTH_SIDE, DEPTH_SIDE))
    depth = raster.plane(raster.interpolate(scaled[..., 2:]), 2.0 * DEPTH_SIDE).permute(0, 3, 1, 2)
    # hidden is what lies behind all pixels around it, not what a nearer part just borders on
    depth = nearest(F.max_pool2d(depth, 5, stride=1, padding=2), scaled)[..., 0]
    return (scaled[..., 2] - depth < DEPTH_SLACK * DEPTH_SIDE).to(photo)
