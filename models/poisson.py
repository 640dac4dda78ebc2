"""Poisson blending: a face keeps its own gradients and takes its border's colours from the picture (Perez et al. 2003).

OpenCV solves it, which nothing else of the pack needs: it is imported when a face is blended so, not before.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .frames import crop as cut
from .frames import inside
from .pixels import from_bytes, to_bytes

SIDE = 256  # pixels that are solved, whatever the crop's: what is added is smooth
MARGIN = 8  # pixels around them: OpenCV looks beyond the mask, which may reach the crop's border
PASSES = 2  # OpenCV holds the picture fast around the mask's bounding box, not at its border: once leaves a seventh
BORDER = 4  # pixels on either side of the mask's border that tell a tint


def blended(crop: Tensor, picture: Tensor, matrix: Tensor, mask: Tensor) -> Tensor:
    """A face crop with what Poisson blending into its picture adds to it; to be pasted within the mask.

    Of what lies beyond the picture's border nothing is known: there the mean tint of the rest is wanted.

    crop     (3, kS, kS) in [-1, 1], k >= 1 need not be whole
    picture  (3, H, W) in [-1, 1]
    matrix   (2, 3), takes picture pixels to the pixels of the frame, the one of k = 1
    mask     (1, S, S), what of the crop is pasted: all above 0
    returns  (3, kS, kS) in [-1, 1]; ValueError without OpenCV
    """
    if not mask.any():
        return crop
    size, around = SIDE + 2 * MARGIN, (MARGIN,) * 4
    matrix = SIDE / mask.shape[-1] * matrix[None]
    matrix[..., 2] += MARGIN
    new = F.pad(_sized(crop[None].clamp(-1, 1), SIDE), around, mode="replicate")
    area = F.pad((F.interpolate(mask[None], size=SIDE, mode="nearest-exact") > 0).to(new), around)
    scene, known = cut(picture[None], matrix, size).to(new), inside(tuple(picture.shape[-2:]), matrix, size).to(new)
    border = known * (_widest(area) + _widest(-area))
    tint = ((scene - new) * border).sum((-2, -1), keepdim=True) / border.sum().clamp(min=1)
    scene = torch.where(known > 0, scene, new + tint)
    solved = new
    for _ in range(PASSES):
        solved = seamless(solved[0], scene[0], area[0] > 0)[None]
    added = (solved - from_bytes(to_bytes(new)))[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    return (crop + _sized(added, crop.shape[-1])[0]).clamp(-1, 1)


def seamless(new: Tensor, scene: Tensor, mask: Tensor) -> Tensor:
    """OpenCV's seamlessClone, in place; it changes a little around the mask, too.

    new, scene  (3, H, W) in [-1, 1]
    mask        (1, H, W) bool; neither empty nor true at the border of the pictures
    returns     (3, H, W) in [-1, 1], in steps of 1 / 127.5
    """
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            f'Poisson blending needs OpenCV ({error}): `"{sys.executable}" -m pip install opencv-python-headless`, '
            "then start ComfyUI again; or blend by feather"
        ) from error
    area = mask[0].cpu().numpy().astype(np.uint8) * 255
    left, top, width, height = cv2.boundingRect(area)
    middle = left + width // 2, top + height // 2
    pixels = [np.ascontiguousarray(to_bytes(x).permute(1, 2, 0).cpu().numpy()) for x in (new, scene)]
    joined = cv2.seamlessClone(*pixels, area, middle, cv2.NORMAL_CLONE)
    return from_bytes(torch.from_numpy(joined).permute(2, 0, 1)).to(new)


def _widest(area: Tensor) -> Tensor:
    return F.max_pool2d(area, 2 * BORDER + 1, stride=1, padding=BORDER)


def _sized(x: Tensor, size: int) -> Tensor:
    return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
