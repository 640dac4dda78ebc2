"""The host's IMAGE and MASK to and from what models/ works on."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.compositing import FEATHERED, paste_each
from ..models.files import all_finite
from .progress import reporting
from .wires import Scene

LINE = (1.0, 0.55, 0.0)
BRIGHTEST = 2.0  # mean of a picture; upscalers overshoot 1, and one in 0..255 is far above it


def colours(image: Tensor, what: str) -> Tensor:
    """An IMAGE (B, H, W, 1, 3 or 4) as (B, H, W, 3) float32; transparency is dropped, grey is repeated.

    what    the picture's role, for the message of a ValueError on an empty or broken one
    """
    if image.ndim == 4 and not len(image):
        raise ValueError(f"got no {what}: the batch is empty; check the node that it comes from")
    if image.ndim != 4 or 0 in image.shape or image.shape[-1] not in (1, 3, 4):
        raise ValueError(f"got a {what} of shape {tuple(image.shape)}, want (pictures, height, width, 1, 3 or 4)")
    if not all(map(all_finite, image)):
        raise ValueError(
            f"the {what} has pixels that are no numbers (NaN or infinite); check the node that it comes from"
        )
    if max(float(picture.float().mean()) for picture in image) > BRIGHTEST:
        raise ValueError(
            f"got a {what} with pixels up to {float(image.max()):.0f}, want 0 to 1; divide it by 255 where it is made"
        )
    return (image.expand(-1, -1, -1, 3) if image.shape[-1] == 1 else image[..., :3]).float()


def from_image(image: Tensor, what: str) -> Tensor:
    """An IMAGE (B, H, W, C) in [0, 1] -> (B, 3, H, W) in [-1, 1], the same bits however it lies in memory."""
    pixels = colours(image, what).movedim(-1, 1).clone(memory_format=torch.contiguous_format)
    return pixels.clamp_(0, 1).mul_(2).sub_(1).cpu()


def picture_at(image: Tensor, i: int, what: str = "picture") -> Tensor:
    """One picture of an IMAGE (P, H, W, C), (3, H, W) in [-1, 1]; a video is worked on picture by picture."""
    return from_image(image[i : i + 1], what)[0]


def to_image(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) in [-1, 1] -> IMAGE (B, H, W, 3) in [0, 1]."""
    return (pictures.movedim(1, -1).float().cpu() / 2 + 0.5).clamp(0, 1)


def outlined(crops: Tensor, mask: Tensor) -> Tensor:
    """Faces with a coloured line around what is painted anew.

    crops    (N, S, S, 3) IMAGE; mask (N, S, S) MASK
    """
    mask = mask[:, None]
    line = (F.max_pool2d(mask, 3, 1, 1) > mask).movedim(1, -1)
    return torch.where(line, crops.new_tensor(LINE), crops)


def check_crops(crops: Tensor, scene: Scene) -> None:
    """ValueError unless the crops (B, kS, kS, C) can be those of the scene's faces."""
    faces, size = len(scene.index), scene.crop.shape[-1]
    height, width = crops.shape[1:3]
    if height != width or width < size:
        raise ValueError(f"got a face crop of {width}x{height} pixels, want a square one of {size} or more")
    if (faces > 1 or len(scene.image) > 1) and len(crops) != faces:
        raise ValueError(f"got {len(crops)} face crops for a background with {faces} faces, want one for each")


def put_back(crops: Tensor, scene: Scene, blend: str = FEATHERED) -> Tensor:
    """Faces into their pictures; pixels that this leaves alone are those of the scene's IMAGE, bit for bit.

    crops    (B, kS, kS, 3) IMAGE
    blend    of compositing.BLENDS
    returns  IMAGE (R, H, W, 3), as models/compositing.py makes them; of several pictures each is there, in its order,
             with a face to be replaced or without
    """
    check_crops(crops, scene)
    faces, several = len(scene.index), len(scene.image) > 1
    cut = reporting(partial(picture_at, crops, what="face crop"), len(crops))
    each = map(cut, range(len(crops)))
    result = scene.image.clone() if several or faces > 1 else scene.image.repeat(len(crops), 1, 1, 1)
    for i, (number, picture) in enumerate(paste_each(each, scene, partial(picture_at, scene.image), blend)):
        touched = (picture != picture_at(scene.image, number)).movedim(0, -1)
        place = result[number if several else i]
        place.copy_(torch.where(touched, to_image(picture[None])[0], place))
    return result
