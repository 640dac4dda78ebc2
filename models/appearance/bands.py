"""Smooth fields and frequency bands of pictures, for what is judged and joined scale by scale (ours).

Everything is batched and differentiable. x: (B, C, S, S), S a multiple of 2 ** bands.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .raster import Window, rasterise
from .topology import LEFT_EYE, MOUTH, RIGHT_EYE, TRIANGLES, strip


def blur(x: Tensor, sigma: float) -> Tensor:
    """A Gaussian of `sigma` pixels, computed as coarsely as that allows; the border's pixels go on beyond it."""
    step = max(1, 2 ** int(math.log2(max(1.0, sigma / 3))))
    coarse = F.avg_pool2d(x, step) if step > 1 else x
    sigma = math.sqrt(max(sigma**2 - (step**2 - 1) / 12, 0.25)) / step
    reach = math.ceil(3 * sigma)
    kernel = torch.exp(-torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype).square() / (2 * sigma**2))
    kernel, channels = kernel / kernel.sum(), x.shape[1]
    for shape, sides in (((1, 1, 1, -1), (reach, reach, 0, 0)), ((1, 1, -1, 1), (0, 0, reach, reach))):
        weights = kernel.view(shape).expand(channels, -1, -1, -1)
        coarse = F.conv2d(F.pad(coarse, sides, mode="replicate"), weights, groups=channels)
    return coarse if step == 1 else F.interpolate(coarse, size=x.shape[-2:], mode="bilinear", align_corners=False)


def widest(x: Tensor, width: int) -> Tensor:
    """The largest value in a square of `width` pixels, an odd number, around each; along one axis after the other."""
    half = width // 2
    for shape, sides in (((1, width), (0, half)), ((width, 1), (half, 0))):
        x = F.max_pool2d(x, shape, stride=1, padding=sides)
    return x


def split(x: Tensor, count: int) -> tuple[list[Tensor], Tensor]:
    """Laplacian pyramid (Burt and Adelson 1983): `count` bands, finest first, each half as large, and what is left."""
    bands = []
    for _ in range(count):
        low = halve(x)
        bands.append(x - double(low))
        x = low
    return bands, x


def join(bands: list[Tensor], rest: Tensor) -> Tensor:
    """What was split."""
    for band in reversed(bands):
        rest = double(rest) + band
    return rest


def halve(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False, antialias=True)


def double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def over_face(points: Tensor, values: Tensor, size: int, reach: float) -> Tensor:
    """Numbers at the points of meshes as smooth planes that go on beyond the meshes.

    points   (B, 478, 3) pixels of a picture of `size`; values (B, 478, K)
    reach    how far, as a part of the picture, they go on
    returns  planes (B, K, size, size)
    """
    triangles = [*TRIANGLES, *strip(LEFT_EYE), *strip(RIGHT_EYE), *strip(MOUTH)]
    raster = rasterise(points, torch.tensor(triangles, device=points.device), Window(0, 0, size, size))
    shown = torch.cat([raster.interpolate(values), torch.ones_like(raster.along)], 1)
    plane, cover = raster.plane(shown).permute(0, 3, 1, 2).split((values.shape[-1], 1), 1)
    for part in (8, 2, 1):  # what is near an edge goes on from near it, what is farther from farther
        sigma = reach * size / part
        near = blur(cover, sigma)
        beyond = blur(plane * cover, sigma) / near.clamp(min=1e-4)
        plane = torch.where((cover > 0) | (near < 0.02), plane, beyond)
        cover = cover.maximum((near >= 0.02).to(cover))
    return blur(plane, max(0.5, size / 256))
