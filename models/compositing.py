"""Generated faces back into their pictures (paper: resized and pasted with a feathered border; details ours)."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from .codes import Background, CutOut, repeat_background
from .frames import inside
from .masks import feather, match_colour, paste

FEATHER = 0.05  # width of the soft border of a pasted face, as a share of the frame


def paste_faces(crops: Tensor, background: Background) -> Tensor:
    """Put generated faces back: colours matched to the surroundings, feathered, everything else untouched.

    crops    (B, 3, kS, kS) in [-1, 1], k >= 1; one for each of the background's N faces, or any number if it has one
    returns  (R, 3, H, W) in [-1, 1]: with N > 1 one result a picture, holding all its faces; else one result a crop
    """
    repeat_background(background, len(crops))  # says so where they are too many or too few
    pictures = paste_each(crops, background, background.pictures.__getitem__)
    return torch.stack([picture for _, picture in pictures])


def paste_each(
    crops: Iterable[Tensor], faces: CutOut, picture_at: Callable[[int], Tensor]
) -> Iterator[tuple[int, Tensor]]:
    """paste_faces, a picture at a time, so that the frames of a video need not all be held at once.

    crops       each (3, kS, kS) in [-1, 1], as many as paste_faces wants
    picture_at  a picture's number -> (3, H, W) in [-1, 1]
    yields      a picture's number and the picture with its faces
    """
    numbers = faces.index.tolist()
    several = len(numbers) > 1
    for _, group in groupby(enumerate(crops), lambda pair: numbers[pair[0]] if several else pair[0]):
        canvas = None
        for i, crop in group:
            face = i if several else 0
            canvas = picture_at(numbers[face]) if canvas is None else canvas
            canvas = _paste_one(canvas, crop, faces, face)
        yield numbers[face], canvas


def _paste_one(picture: Tensor, crop: Tensor, faces: CutOut, i: int) -> Tensor:
    size, mask, matrix = crop.shape[-1], faces.mask[i : i + 1], faces.matrix[i : i + 1]
    around = F.interpolate(faces.crop[i : i + 1], size=(size, size), mode="bicubic", align_corners=False)
    valid = inside(picture.shape[-2:], matrix, mask.shape[-1])
    places = (F.interpolate(place, size=(size, size)) for place in (mask, valid))
    crop = match_colour(crop[None], around, *places)[0]
    return paste(picture, crop, matrix[0], feather(mask, FEATHER * mask.shape[-1])[0])
