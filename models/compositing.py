"""Generated faces back into their pictures (paper: resized and pasted with a feathered border; details ours)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .blending import feather, match_colour, paste
from .codes import Background, repeat_background
from .geometry import inside

FEATHER = 0.05  # width of the soft border of a pasted face, as a share of the frame


def paste_faces(crops: Tensor, background: Background) -> Tensor:
    """Put generated faces back: colours matched to the surroundings, feathered, everything else untouched.

    crops    (B, 3, kS, kS) in [-1, 1], k >= 1; one for each of the background's N faces, or any number if it has one
    returns  (R, 3, H, W) in [-1, 1]: with N > 1 one result a picture, holding all its faces; else one result a crop
    """
    several = len(background.index) > 1
    background = repeat_background(background, len(crops))
    results: dict[int, Tensor] = {}
    for i, crop in enumerate(crops):
        picture = int(background.index[i])
        size, mask = crop.shape[-1], background.mask[i : i + 1]
        around = F.interpolate(background.crop[i : i + 1], size=(size, size), mode="bicubic", align_corners=False)
        valid = inside(background.pictures.shape[-2:], background.matrix[i : i + 1], mask.shape[-1])
        places = (F.interpolate(place, size=(size, size)) for place in (mask, valid))
        crop = match_colour(crop[None], around, *places)[0]
        key = picture if several else i
        canvas = results.get(key, background.pictures[picture])
        results[key] = paste(canvas, crop, background.matrix[i], feather(mask, FEATHER * mask.shape[-1])[0])
    return torch.stack(list(results.values()))
