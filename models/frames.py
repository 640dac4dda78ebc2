"""Where a face is and how it is cut out: five points, aligned frames, similarity matrices, crops.

Points are (x, y) in pixels from the top left corner of the picture, so the centre of the first pixel is (0.5, 0.5).
A matrix (..., 2, 3) takes picture pixels to crop pixels. Left and right are the viewer's.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

IRISES_NOSE_MOUTH = (468, 473, 4, 61, 291)  # in MediaPipe's mesh; the left iris is the person's right one
SHARP = 1.25  # up to this many source pixels per target pixel, bicubic sampling needs no low-pass filter before it


@dataclass(frozen=True)
class Frame:
    """A square crop and where five points of the face belong in it."""

    size: int  # pixels
    points: tuple[tuple[float, float], ...]  # left iris, right iris, nose tip, left and right corner of the mouth

    def __post_init__(self):
        if len(self.points) != 5:
            raise ValueError(f"got a frame with {len(self.points)} points, want 5: irises, nose tip, mouth corners")


# ArcFace's template (published with InsightFace)
ARCFACE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
# eyes and the height of the mouth as in FFHQ; nose and mouth corners in ArcFace's proportions (ours)
FFHQ = ((0.36, 0.47), (0.64, 0.47), (0.5, 0.604), (0.384, 0.74), (0.616, 0.74))

FRAMES = {
    "arcface-112": Frame(112, ARCFACE),
    "mini-128": Frame(128, tuple((x + 8, y) for x, y in ARCFACE)),
    "ffhq-256": Frame(256, tuple((256 * x, 256 * y) for x, y in FFHQ)),
    "ffhq-512": Frame(512, tuple((512 * x, 512 * y) for x, y in FFHQ)),
}


def five_points(points: Tensor) -> Tensor:
    """Irises, nose tip and corners of the mouth of MediaPipe's mesh.

    points   (..., 478, 2 or 3) in any pixels
    returns  (..., 5, 2) in the same pixels, in the order of Frame.points
    """
    if points.ndim < 2 or points.shape[-2] != 478 or points.shape[-1] < 2:
        raise ValueError(f"got mesh points of shape {tuple(points.shape)}, want (..., 478, 2 or 3), with the irises")
    return points[..., IRISES_NOSE_MOUTH, :2]


def align(points5: Tensor, frame: Frame) -> Tensor:
    """The similarity (shift, rotation, scale; never a mirror image) that brings five points closest to a frame's.

    Least squares (Umeyama 1991), solved in float64 in its closed form for the plane; differentiable.

    points5  (..., 5, 2) picture pixels
    returns  (..., 2, 3), takes picture pixels to pixels of the frame; float32, or float64 if the points are
    """
    if points5.ndim < 2 or tuple(points5.shape[-2:]) != (5, 2):
        raise ValueError(f"got points of shape {tuple(points5.shape)}, want (..., 5, 2); five_points() takes a mesh")
    source = _capable(points5).double()
    target = source.new_tensor(frame.points)
    source_mean, target_mean = source.mean(-2), target.mean(-2)
    x, y = (source - source_mean[..., None, :]).unbind(-1)
    u, v = (target - target_mean).unbind(-1)
    spread = (x * x + y * y).sum(-1)
    a = (x * u + y * v).sum(-1) / spread  # scale * cos
    b = (x * v - y * u).sum(-1) / spread  # scale * sin
    if not (a * a + b * b > 0).all():
        raise ValueError("got five points that are no face (all in one place, or not finite); check the face's points")
    linear = torch.stack([torch.stack([a, -b], -1), torch.stack([b, a], -1)], -2)
    shift = target_mean[..., None] - linear @ source_mean[..., None]
    return torch.cat([linear, shift], -1).to(points5.device, torch.promote_types(points5.dtype, torch.float32))


def transform(points: Tensor, matrix: Tensor) -> Tensor:
    """Points through a matrix.

    points   (..., K, 2 or more); what comes after x and y is dropped
    matrix   (..., 2, 3)
    returns  (..., K, 2)
    """
    return points[..., :2] @ matrix[..., :2].mT + matrix[..., None, :, 2]


def transform_mesh(points: Tensor, matrix: Tensor) -> Tensor:
    """A face's mesh through a matrix; its depth is scaled as its width and height are.

    points   (..., K, 3): x, y and z in one scale; without z (..., K, 2) it is taken to be flat
    matrix   (..., 2, 3)
    returns  (..., K, 3)
    """
    depth = points[..., 2:] if points.shape[-1] > 2 else torch.zeros_like(points[..., :1])
    return torch.cat([transform(points, matrix), depth * scale(matrix)[..., None, None]], -1)


def invert(matrix: Tensor) -> Tensor:
    """The way back: (..., 2, 3) that takes crop pixels to picture pixels, in the matrix's own dtype."""
    if matrix.ndim < 2 or tuple(matrix.shape[-2:]) != (2, 3):
        raise ValueError(f"got a matrix of shape {tuple(matrix.shape)}, want (..., 2, 3)")
    linear, shift = _capable(matrix).double().split((2, 1), -1)
    (a, b), (c, d) = (row.unbind(-1) for row in linear.unbind(-2))
    det = a * d - b * c
    if not (det.abs() > 0).all():
        raise ValueError("got a matrix that cannot be inverted (scale 0, or not finite); make it with align()")
    back = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2) / det[..., None, None]
    return torch.cat([back, -back @ shift], -1).to(matrix)


def scale(matrix: Tensor) -> Tensor:
    """Crop pixels per picture pixel, (...), of a matrix (..., 2, 3)."""
    return (matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]).abs().sqrt()


def pixel_centres(height: int, width: int, like: Tensor) -> Tensor:
    """(height, width, 2) points (x, y) at +0.5, on the device and in the dtype of `like`."""
    y = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    x = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def crop(picture: Tensor, matrix: Tensor, size: int, repeat: bool = False) -> Tensor:
    """Cut aligned faces out of pictures: bicubic, with a low-pass filter where pixels get lost; differentiable.

    picture  (B or 1, 3, H, W), RGB in [-1, 1]; a single picture serves all matrices
    matrix   (B, 2, 3), takes picture pixels to crop pixels; each may have its own scale
    repeat   outside of the picture its border goes on; if not, black, -1, is there
    returns  (B, 3, size, size) in [-1, 1]
    """
    if picture.ndim != 4 or picture.shape[1] != 3:
        raise ValueError(f"got pictures of shape {tuple(picture.shape)}, want (B, 3, H, W)")
    if matrix.ndim != 3 or len(picture) not in (1, len(matrix)):
        raise ValueError(
            f"got {len(picture)} pictures and matrices of shape {tuple(matrix.shape)}, want one (2, 3) each"
        )
    points = _crop_pixels(matrix, size)
    found = resample(picture, points, 1 / scale(matrix.detach()))
    return found if repeat else torch.where(_within(points, picture.shape[-2:])[:, None].to(found.device), found, -1.0)


def inside(picture_size: tuple[int, int], matrix: Tensor, size: int) -> Tensor:
    """Where crops have something of the picture under them.

    picture_size  (H, W) of the picture, pixels
    matrix        (B, 2, 3), takes picture pixels to crop pixels
    returns       (B, 1, size, size), 1 where the pixel's centre lies in the picture, else 0
    """
    return _within(_crop_pixels(matrix, size), picture_size)[:, None].to(matrix.dtype)


def resample(source: Tensor, points: Tensor, shrink: Tensor, mode: str = "bicubic") -> Tensor:
    """Read pictures at given points; beyond the border they go on with the border's pixels.

    source   (B or 1, C, H, W), in [-1, 1] if bicubic
    points   (B, h, w, 2) source pixels
    shrink   (B,) source pixels per step from one point to the next; above SHARP the source is low-pass filtered
    mode     "bicubic", cut to [-1, 1]; "sharp", bicubic too, crisper and some four times as fast; or "bilinear", which
             never leaves the range of the source
    returns  (B, C, h, w), on the device and in the dtype of the source
    """
    home, pixels = source, _capable(source)
    pixels = pixels.to(torch.promote_types(pixels.dtype, torch.float32))
    pixels, points = pixels.expand(len(points), -1, -1, -1), points.to(pixels)
    factors = shrink.tolist()
    if max(factors) > SHARP:
        scaled = [_scale_down(*item, mode) for item in zip(pixels.split(1), points.split(1), factors, strict=True)]
        found = torch.cat([_read(*item, mode) for item in scaled])
    else:
        found = _read(pixels, points, mode)
    return found.to(home)


def nearest(planes: Tensor, points: Tensor) -> Tensor:
    """The pixels that points lie in; for those beyond the border, the border's.

    planes   (B, C, h, w)
    points   (B, K, 2 or more) their pixels
    returns  (B, K, C)
    """
    x, y = (points[..., axis].long().clamp(0, planes.shape[3 - axis] - 1) for axis in (0, 1))
    return planes.permute(0, 2, 3, 1)[torch.arange(len(planes), device=planes.device)[:, None], y, x]


def _read(pixels: Tensor, points: Tensor, mode: str) -> Tensor:
    size = points.new_tensor([pixels.shape[-1], pixels.shape[-2]])

    def read(points: Tensor, mode: str) -> Tensor:
        return _grid_sample(pixels, points * (2 / size) - 1, mode)  # -1 and 1 are the outer edges

    def bilinear(x: Tensor, y: Tensor) -> Tensor:
        return read(torch.stack([x, y], -1), "bilinear")

    if mode == "bilinear":
        return read(points, mode)
    if mode == "sharp":
        # grid_sample's own kernel, Keys' with a = -3/4, bends a slope of 1 by f (f - 1/2) (f - 1). Points moved against
        # that, by one step of Newton's, keep slopes straight to .002.
        f = points - 0.5
        f = f - f.floor()
        return read(points - f * (f - 0.5) * (f - 1) / (3 * f * (f - 1) + 1.5), "bicubic").clamp(-1, 1)
    # Keys' cubic with a = -1/2, which keeps slopes straight (grid_sample's own has -3/4 and makes ripples in them).
    # Four pixels an axis are three reads: the two in the middle have positive weights, one bilinear read does both.
    first = (points - 0.5).floor() + 0.5
    f = points - first
    before, after = f * (f * (1 - 0.5 * f) - 0.5), f * f * (0.5 * f - 0.5)
    middle, second = 1 - before - after, f * (0.5 + f * (2 - 1.5 * f))
    reads = [(first - 1, before), (first + second / middle, middle), (first + 2, after)]
    found = 0
    for at_x, weight_x in reads:
        for at_y, weight_y in reads:
            found = found + (weight_x[..., 0] * weight_y[..., 1])[:, None] * bilinear(at_x[..., 0], at_y[..., 1])
    return found.clamp(-1, 1)


def _grid_sample(pixels: Tensor, grid: Tensor, mode: str) -> Tensor:
    """F.grid_sample; on the CPU it gives each picture one thread, so a single picture is read in parts."""
    height, width = grid.shape[1:3]
    parts = torch.get_num_threads() if len(grid) == 1 and grid.device.type == "cpu" else 1
    if parts > 1:
        grid = F.pad(grid.flatten(1, 2), (0, 0, 0, -height * width % parts)).unflatten(1, (parts, 1, -1))[0]
    found = F.grid_sample(
        pixels.expand(len(grid), -1, -1, -1), grid, mode=mode, padding_mode="border", align_corners=False
    )
    return (
        found
        if parts == 1
        else found.permute(2, 1, 0, 3).flatten(2)[..., : height * width].unflatten(2, (height, width))
    )


def _scale_down(pixels: Tensor, points: Tensor, shrink: float, mode: str) -> tuple[Tensor, Tensor]:
    """One picture (1, C, H, W), cut to what the points need and scaled down, and the points in it."""
    if shrink <= SHARP:
        return pixels, points
    height, width = pixels.shape[-2:]
    margin = 4 * shrink  # two pixels for the filter, two for the sampling, both after scaling down
    low = (points.detach().amin((0, 1, 2)) - margin).floor().tolist()
    high = (points.detach().amax((0, 1, 2)) + margin).ceil().tolist()
    left, top = min(max(int(low[0]), 0), width - 1), min(max(int(low[1]), 0), height - 1)
    right, bottom = min(max(int(high[0]), left + 1), width), min(max(int(high[1]), top + 1), height)
    pixels = pixels[..., top:bottom, left:right]
    small = max(1, round((bottom - top) / shrink)), max(1, round((right - left) / shrink))
    step = points.new_tensor([(right - left) / small[1], (bottom - top) / small[0]])
    filtered = "bilinear" if mode == "bilinear" else "bicubic"
    pixels = F.interpolate(pixels, size=small, mode=filtered, align_corners=False, antialias=True)
    return pixels, (points - points.new_tensor([left, top])) / step


def _crop_pixels(matrix: Tensor, size: int) -> Tensor:
    """(B, size, size, 2): where in the picture the centres of the crops' pixels are."""
    return transform(pixel_centres(size, size, matrix).flatten(0, 1), invert(matrix)).unflatten(-2, (size, size))


def _within(points: Tensor, picture_size: tuple[int, int]) -> Tensor:
    height, width = picture_size
    return ((points >= 0) & (points < points.new_tensor([width, height]))).all(-1)


def _capable(tensor: Tensor) -> Tensor:
    """Not every device has float64 and every way of sampling; where that is not sure, the CPU does the work."""
    return tensor if tensor.device.type in ("cpu", "cuda") else tensor.cpu()
