"""Generated faces back into their pictures (paper: resized and pasted with a feathered border; details ours)."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from .codes import Background, CutOut, repeat_background
from .frames import SHARP, inside, invert, pixel_centres, resample, scale, transform
from .grain import Grain, middle
from .poisson import blended

FEATHER = 0.05  # width of the soft border of a pasted face, as a share of the frame
RING = 6 / 128  # width of the ring in which colours are compared, as a share of the frame
STRIP = 256  # rows of a picture that are pasted at a time
BLENDS = FEATHERED, POISSON = "feather", "poisson"  # how colours are fitted to those around the mask
GAINS = (0.8, 1.25)  # a face is never flattened or stretched more than this


def paste_faces(crops: Tensor, background: Background, blend: str = FEATHERED) -> Tensor:
    """Put generated faces back: colours matched to the surroundings, feathered, everything else untouched.

    crops    (B, 3, kS, kS) in [-1, 1], k >= 1; one for each of the background's N faces, or any number if it has one
    blend    of BLENDS; POISSON matches the colours all along the mask's border, and needs OpenCV (see poisson.py)
    returns  (R, 3, H, W) in [-1, 1]: with N > 1 one result a picture, holding all its faces; else one result a crop
    """
    repeat_background(background, len(crops))  # says so where they are too many or too few
    pictures = [picture for _, picture in paste_each(crops, background, background.pictures.__getitem__, blend)]
    return torch.stack(pictures) if len(pictures) > 1 else pictures[0][None]  # one large picture is not copied


def paste_each(
    crops: Iterable[Tensor], faces: CutOut, picture_at: Callable[[int], Tensor], blend: str = FEATHERED
) -> Iterator[tuple[int, Tensor]]:
    """paste_faces, a picture at a time, so that the frames of a video need not all be held at once.

    crops       each (3, kS, kS) in [-1, 1], as many as paste_faces wants
    picture_at  a picture's number -> (3, H, W) in [-1, 1]
    yields      a picture's number and the picture with its faces
    """
    if blend not in BLENDS:
        raise ValueError(f'got blend "{blend}", want one of {", ".join(BLENDS)}')
    numbers = faces.index.tolist()
    several = len(numbers) > 1
    for _, group in groupby(enumerate(crops), lambda pair: numbers[pair[0]] if several else pair[0]):
        canvas = None
        for i, crop in group:
            face = i if several else 0
            canvas = picture_at(numbers[face]) if canvas is None else canvas
            canvas = _paste_one(canvas, crop, faces, face, blend)
        yield numbers[face], canvas


def _paste_one(picture: Tensor, crop: Tensor, faces: CutOut, i: int, blend: str) -> Tensor:
    mask, matrix = faces.mask[i : i + 1], faces.matrix[i : i + 1]
    if blend == POISSON:
        crop = blended(crop, picture, matrix[0], mask[0])
    else:
        valid = inside(picture.shape[-2:], matrix, mask.shape[-1])
        crop = match_colour(crop[None], faces.crop[i : i + 1], mask, valid)[0]
    return paste(picture, crop, matrix[0], feather(mask, FEATHER * mask.shape[-1])[0])


def match_colour(result: Tensor, reference: Tensor, mask: Tensor, valid: Tensor | None = None) -> Tensor:
    """Gain and offset per channel that make a result agree with a reference just outside of the mask.

    Least squares over a ring around the mask; nothing is changed if they agree there already, or if there is no ring.
    A larger result is compared in the reference's size: beside its hairs those of an enlarged reference would be pale.

    result     (B, 3, kS, kS) in [-1, 1], the generated crop; k >= 1
    reference  (B, 3, S, S) in [-1, 1], the crop that it replaces
    mask       (B, 1, S, S), what was regenerated
    valid      (B, 1, S, S), 0 where the reference is outside of its picture (see frames.inside)
    returns    (B, 3, kS, kS); bright pixels may leave [-1, 1] a little
    """
    if mask.shape[-2:] != reference.shape[-2:] or result.shape[-1] < reference.shape[-1]:
        shapes = tuple(result.shape), tuple(reference.shape), tuple(mask.shape)
        raise ValueError(
            "got result {}, reference {}, mask {}, want one size for the last two, and a result no smaller".format(
                *shapes
            )
        )
    whole, size = result, mask.shape[-2:]
    result = result if result.shape == reference.shape else F.interpolate(result, size=size, mode="area")
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
    return whole * gain + (reference_mean - gain * result_mean)


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
    out = picture.clone()
    rows, columns = _covered(matrix, size, picture.shape[1:])
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return out
    shrink, k = scale(matrix)[None], crop.shape[-1] / size
    # a crop that is filtered first has few pixels in the picture; others are read in strips, which takes less memory
    step = rows.stop - rows.start if k * float(shrink) > SHARP else STRIP

    def read(points: Tensor) -> Tensor:
        return resample(crop[None], k * points, k * shrink, "sharp" if k > 1 else "bicubic")[0]  # keeps its own detail

    inner = middle(rows, columns)
    grain = Grain.lacking(picture[(slice(None), *inner)], read(_seen(*inner, matrix)))
    for first in range(rows.start, rows.stop, step):
        strip = slice(first, min(first + step, rows.stop))
        points = _seen(strip, columns, matrix)
        new, old, soft = read(points), picture[:, strip, columns], _soft(mask, points)
        if grain:
            new = (new + grain.of(picture, strip, columns)).clamp(-1, 1)
        out[:, strip, columns] = torch.where(soft > 0, old + soft * (new - old), old)
    return out


def spread(mask: Tensor, matrix: Tensor, shape: Sequence[int]) -> tuple[slice, slice, Tensor]:
    """Where a crop's mask lies in its picture: rows, columns, and (h, w) in 0..1 there; elsewhere it is 0.

    mask    (1, S, S), 0..1
    matrix  (2, 3), takes picture pixels to crop pixels
    shape   H, W of the picture
    """
    rows, columns = _covered(matrix, mask.shape[-1], shape)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return slice(0, 0), slice(0, 0), mask.new_zeros(0, 0)
    return rows, columns, _soft(mask, _seen(rows, columns, matrix.to(mask)))[0]


def _covered(matrix: Tensor, size: int, shape: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of a picture that hold a crop, with a pixel around it."""
    square = matrix.new_tensor([[-1, -1], [size + 1, -1], [size + 1, size + 1], [-1, size + 1]])
    corners = transform(square, invert(matrix))
    (left, top), (right, bottom) = corners.amin(0).floor().int().tolist(), corners.amax(0).ceil().int().tolist()
    return slice(max(top, 0), min(bottom, shape[0])), slice(max(left, 0), min(right, shape[1]))


def _seen(rows: slice, columns: slice, matrix: Tensor) -> Tensor:
    """(1, h, w, 2): the crop's points at the centres of these pixels."""
    pixels = pixel_centres(rows.stop - rows.start, columns.stop - columns.start, matrix)
    return transform(pixels + matrix.new_tensor([columns.start, rows.start]), matrix)[None]


def _soft(mask: Tensor, points: Tensor) -> Tensor:
    """(1, h, w): a mask (1, S, S) at the crop's points; zero outside of the crop."""
    # never low-pass filtered, so that nothing leaks out of the mask
    return resample(F.pad(mask, (1, 1, 1, 1))[None], points + 1, points.new_ones(1), mode="bilinear")[0]
