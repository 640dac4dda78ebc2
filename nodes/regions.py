"""What is painted anew: masks in the picture's frame or the crop's, grown, and given back in both."""

from __future__ import annotations

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.compositing import spread
from ..models.frames import pixel_centres
from .wires import Scene

NEARLY = 0.02  # by how much of its own a mask's ratio of sides may differ from the picture's
LARGEST = 16  # times the frame's side that a mask in it may have


def checked(mask: Tensor, image: Tensor, size: int) -> tuple[Tensor, bool]:
    """A MASK (B, h, w) as (B, 1, h, w) in 0..1, and whether it lies in the crop's frame; ValueError if in neither.

    A mask of the crop's size, or a square one of twice that and so on, lies in the crop, as Extract Background gives
    it; one of the picture's size, or smaller or larger in its ratio of sides, in the picture. What fits both lies in
    the picture, unless it has exactly the crop's size and the picture has not.

    image    (P, H, W, 3) IMAGE
    size     S, the side of the frame
    """
    mask = mask.reshape(-1, 1, *mask.shape[-2:]).float().cpu()
    if not mask.isfinite().all() or not (mask > 0).any():
        raise ValueError(
            "the mask is empty: paint over the face that is to be replaced, or disconnect the mask "
            "(Load Image gives an empty one for pictures without transparency)"
        )
    (height, width), (high, wide) = mask.shape[-2:], image.shape[1:3]
    in_crop = height == width and height % size == 0 and height <= LARGEST * size
    in_picture = (height, width) == (high, wide) or abs(width * high / (height * wide) - 1) <= NEARLY
    if not in_crop and not in_picture:
        raise ValueError(
            f"got a mask of {width}x{height} pixels, want one of the picture's {wide}x{high} or of the crop's "
            f"{size}x{size}; wire the mask of the very picture, or scale it to that"
        )
    return mask.clamp(0, 1), in_crop and not (in_picture and (height != size or high == size))


def in_pictures(mask: Tensor, image: Tensor) -> Tensor:
    """Of checked(), (B or 1, 1, h, w) -> (P, 1, H, W), at the pictures' size; ValueError for another number."""
    if len(mask) not in (1, len(image)):
        raise ValueError(f"got {len(mask)} masks for {len(image)} pictures, want one each, or one for all")
    mask = F.interpolate(mask, size=image.shape[1:3], mode="bilinear", align_corners=False)
    return mask.expand(len(image), -1, -1, -1)


def in_crops(mask: Tensor, faces: int, size: int) -> Tensor:
    """Of checked(), (B or 1, 1, kS, kS) -> (N, 1, S, S), 0 or 1; ValueError for another number."""
    if len(mask) not in (1, faces):
        raise ValueError(
            f"got {len(mask)} masks of the crop's size for {faces} faces, want one each, or one for all; masks of the "
            "picture's size are one for each picture"
        )
    mask = (F.interpolate(mask, size=(size, size), mode="area") > 0.5).float()
    if (mask.flatten(1).sum(1) == 0).any():
        raise ValueError("a mask of the crop's size covers nothing; paint over its face, or leave the mask off")
    return mask.expand(faces, -1, -1, -1)


def grown(mask: Tensor, pixels: int) -> Tensor:
    """Masks (N, 1, S, S) of 0 and 1 wider by so many pixels on all sides, or narrower where pixels < 0."""
    if not pixels:
        return mask
    reach = abs(pixels)
    near = pixel_centres(2 * reach + 1, 2 * reach + 1, mask) - (reach + 0.5)
    disc = (near.square().sum(-1) <= (reach + 0.5) ** 2).to(mask)[None, None]
    kept = F.pad(mask if pixels > 0 else 1 - mask, [reach] * 4, value=0.0 if pixels > 0 else 1.0)
    wider = (F.conv2d(kept, disc) > 0.5).to(mask)
    found = wider if pixels > 0 else 1 - wider
    if (found.flatten(1).sum(1) == 0).any():
        raise ValueError(f"nothing is left of a mask that is made narrower by {reach} pixels; take a grow nearer to 0")
    return found


def picture_masks(scene: Scene) -> Tensor:
    """MASK (P, H, W), what is painted anew in each picture; 0 where there is no face."""
    # numpy's zeros take no memory before they are written: a video's masks take that of its faces
    masks = torch.from_numpy(numpy.zeros(scene.image.shape[:3], numpy.float32))
    for i, mask, matrix in zip(scene.index.tolist(), scene.mask, scene.matrix, strict=True):
        rows, columns, values = spread(mask, matrix, scene.image.shape[1:3])
        torch.maximum(masks[i, rows, columns], values, out=masks[i, rows, columns])
    return masks
