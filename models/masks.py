"""Which part of a crop is regenerated, and how the result gets back into the picture.

The mask is 1 where pixels are regenerated. S is the side of the generation frame.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .frames import invert, pixel_centres, resample, scale, transform

# MediaPipe's face oval, from the top of the forehead over the viewer's right cheek to the chin and back
FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
TOP, CHIN = FACE_OVAL.index(10), FACE_OVAL.index(152)
RING = 6 / 128  # width of the ring in which colours are compared, as a part of the crop
GAINS = (0.8, 1.25)  # a face is never flattened or stretched more than this


def face_mask(points: Tensor, size: int, dilation: float = 0.1, chin: float = 0.06, forehead: float = 0.12) -> Tensor:
    """The region to regenerate: the convex hull of the face oval, dilated, with the forehead and room for the jaw.

    That the forehead and a little beyond the cheeks belong to it is read off published pictures; the numbers are ours.

    points    (B, 478, 2 or 3) mesh in crop pixels
    dilation  growth about the oval's centre, as a part of its size
    chin      how far the chin is moved down along the face's own axis, as a part of the face's height
    forehead  how far the top is moved up, likewise (the oval ends in the middle of the forehead)
    returns   (B, 1, size, size), 0 or 1
    """
    if points.ndim != 3 or points.shape[1] != 478:
        raise ValueError(f"got mesh points of shape {tuple(points.shape)}, want (B, 478, 2 or 3)")
    oval = points[:, FACE_OVAL, :2]
    centre = oval.mean(1, keepdim=True)
    up = (oval[:, TOP] - oval[:, CHIN])[:, None]  # as long as the face is high
    spokes = oval - centre
    height = 2 * (spokes * up).sum(-1, keepdim=True) / up.square().sum(-1, keepdim=True).clamp(min=1e-9)  # about -1..1
    lift = forehead * height.clamp(0, 1) + chin * height.clamp(-1, 0)
    return _hull(centre + (1 + dilation) * spokes + lift * up, size)


def _hull(corners: Tensor, size: int) -> Tensor:
    """(B, K, 2) points -> (B, 1, size, size), 1 where a pixel's centre is in their convex hull."""
    edges = corners[:, None] - corners[:, :, None]  # (B, i, j, 2): from i to j
    turn = edges[:, :, :, None, 0] * edges[:, :, None, :, 1] - edges[:, :, :, None, 1] * edges[:, :, None, :, 0]
    length = edges.square().sum(-1)
    # i to j is an edge of the hull if no point is on its other side; of several on one line take the longest
    length = torch.where((turn >= 0).all(-1), length, 0.0)
    longest, end = length.max(-1)  # (B, i)
    edge = torch.take_along_dim(edges, end[:, :, None, None], 2).squeeze(2)
    is_edge = longest > 0
    pixels = pixel_centres(size, size, corners)
    found = is_edge.any(1)[:, None, None].expand(-1, size, size)
    for i in range(corners.shape[1]):
        (x, y), (dx, dy) = corners[:, i, :, None, None].unbind(1), edge[:, i, :, None, None].unbind(1)
        found = found & ((dx * (pixels[..., 1] - y) - dy * (pixels[..., 0] - x) >= 0) | ~is_edge[:, i, None, None])
    return found[:, None].to(corners.dtype)


def feather(mask: Tensor, radius: float) -> Tensor:
    """A soft border inside the mask: zero wherever the mask is zero, 1 from `radius` pixels inside on.

    What lies beyond the crop counts as outside, so that a mask that is cut off by the crop's border fades out too.

    mask     (B, 1, S, S) or (1, S, S), 0..1
    radius   pixels; 0 leaves the mask as it is
    returns  the same shape, 0..1
    """
    if radius < 0:
        raise ValueError(f"got a feather radius of {radius}, want 0 or more pixels")
    reach = math.ceil(radius)
    window = 1 + torch.cos(
        torch.arange(-reach, reach + 1, device=mask.device, dtype=mask.dtype) * (math.pi / (radius + 1))
    )
    window = window / window.sum()
    planes = mask.reshape(-1, 1, *mask.shape[-2:])
    blurred = F.conv2d(planes, window.view(1, 1, -1, 1), padding=(reach, 0))
    blurred = F.conv2d(blurred, window.view(1, 1, 1, -1), padding=(0, reach))
    depth = (2 * blurred - 1).clamp(0, 1)  # 0 at a straight border, 1 at `radius` inside
    return (depth * depth * (3 - 2 * depth)).view(mask.shape) * mask


def light_on_face(crop: Tensor, mask: Tensor) -> Tensor:
    """How light falls on a face: for each channel the plane that is nearest to its pixels (ours).

    A plane has a tone and a brighter side, and nothing else of the face.

    crop (B, 3, S, S) in [-1, 1], mask (B, 1, S, S) -> (B, 3, S, S) in [-1, 1]
    """
    batch, _, size, _ = crop.shape
    across = torch.linspace(-1, 1, size, dtype=crop.dtype, device=crop.device)
    y, x = torch.meshgrid(across, across, indexing="ij")
    plane = torch.stack([torch.ones_like(x), x, y]).flatten(1)  # (3, S * S)
    weighted = plane * mask.flatten(2)  # (B, 3, S * S)
    normal = weighted @ plane.T + plane.new_tensor([1e-6, 1.0, 1.0]).diag()  # slopes of a few pixels stay small
    found = torch.linalg.solve(normal, weighted @ crop.flatten(2).transpose(1, 2))  # (B, 3, channels)
    return (found.transpose(1, 2) @ plane).view(batch, 3, size, size).clamp(-1, 1)


def remove_face(crop: Tensor, mask: Tensor, fill: Tensor | float = 0.0) -> Tensor:
    """The crop with something else in place of its face; 0 is mid-grey.

    crop (B, 3, S, S) in [-1, 1], mask (B, 1, S, S), fill (B, 3, S, S) -> (B, 3, S, S)
    """
    return crop * (1 - mask) + mask * fill


def match_colour(result: Tensor, reference: Tensor, mask: Tensor, valid: Tensor | None = None) -> Tensor:
    """Gain and offset per channel that make a result agree with a reference just outside of the mask.

    Least squares over a ring around the mask; nothing is changed if they agree there already, or if there is no ring.

    result     (B, 3, S, S) in [-1, 1], the generated crop
    reference  (B, 3, S, S) in [-1, 1], the crop that it replaces
    mask       (B, 1, S, S), what was regenerated
    valid      (B, 1, S, S), 0 where the reference is outside of its picture (see geometry.inside)
    returns    (B, 3, S, S); bright pixels may leave [-1, 1] a little
    """
    if result.shape != reference.shape or mask.shape[-2:] != result.shape[-2:]:
        shapes = tuple(result.shape), tuple(reference.shape), tuple(mask.shape)
        raise ValueError("got result {}, reference {}, mask {}, want the same size for all three".format(*shapes))
    reach = max(1, round(RING * mask.shape[-1]))
    ring = (F.max_pool2d(mask, 2 * reach + 1, stride=1, padding=reach) > 0) & (mask == 0)
    ring = ring.to(result.dtype) if valid is None else ring.to(result.dtype) * valid
    count = ring.sum((-2, -1), keepdim=True).clamp(min=1)

    def mean(x: Tensor) -> Tensor:
        return (x * ring).sum((-2, -1), keepdim=True) / count

    result_mean, reference_mean = mean(result), mean(reference)
    spread = mean((result - result_mean) * (result - result_mean))
    common = mean((result - result_mean) * (reference - reference_mean))
    gain = ((common + 1e-5) / (spread + 1e-5)).clamp(*GAINS)  # towards 1 where the ring is of one colour
    return result * gain + (reference_mean - gain * result_mean)


def paste(picture: Tensor, crop: Tensor, matrix: Tensor, mask: Tensor) -> Tensor:
    """Put a crop back where it was cut out. Outside of the mask the picture stays as it is, bit for bit.

    picture  (3, H, W) in [-1, 1]
    crop     (3, kS, kS) in [-1, 1]; k >= 1 need not be whole, an upscaler may have come first
    matrix   (2, 3), takes picture pixels to the pixels of the frame, the one of k = 1
    mask     (1, S, S), 0..1; usually from feather()
    returns  (3, H, W)
    """
    if picture.ndim != 3 or picture.shape[0] != 3 or tuple(matrix.shape) != (2, 3):
        raise ValueError(
            f"got a picture of shape {tuple(picture.shape)} and a matrix of shape {tuple(matrix.shape)}, "
            "want (3, H, W) and (2, 3): one face in one picture at a time"
        )
    if crop.ndim != 3 or crop.shape[0] != 3 or crop.shape[1] != crop.shape[2]:
        raise ValueError(f"got a crop of shape {tuple(crop.shape)}, want a square one, (3, S, S), as it was cut out")
    size = mask.shape[-1]
    if tuple(mask.shape) != (1, size, size) or crop.shape[-1] < size:
        raise ValueError(
            f"got a mask of shape {tuple(mask.shape)} for a crop of {crop.shape[-1]} pixels, want (1, S, S) with S at "
            "most the crop's side; enlarge the crop, or give the mask that came with it"
        )
    matrix, crop, mask = matrix.to(picture), crop.to(picture), mask.to(picture)
    square = matrix.new_tensor([[-1, -1], [size + 1, -1], [size + 1, size + 1], [-1, size + 1]])
    corners = transform(square, invert(matrix))
    (left, top), (right, bottom) = corners.amin(0).floor().int().tolist(), corners.amax(0).ceil().int().tolist()
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, picture.shape[2]), min(bottom, picture.shape[1])
    if left >= right or top >= bottom:
        return picture.clone()
    pixels = pixel_centres(bottom - top, right - left, picture) + picture.new_tensor([left, top])
    points, shrink = transform(pixels, matrix)[None], scale(matrix)[None]
    k = crop.shape[-1] / size
    new = resample(crop[None], k * points, k * shrink)[0]
    # zero outside of the crop; never low-pass filtered, so that nothing leaks out of the mask
    soft = resample(F.pad(mask, (1, 1, 1, 1))[None], points + 1, torch.ones_like(shrink), mode="bilinear")[0]
    out = picture.clone()
    old = picture[:, top:bottom, left:right]
    out[:, top:bottom, left:right] = torch.where(soft > 0, old + soft * (new - old), old)
    return out
