"""What stands beside a result in the tables: each method draws the same row. `python cli.py evaluate --beside ...`

appearance 0  the painted face alone, without the photo's own pixels: the method as published, from the same noise
warp          the photo's pixels alone, without the painter: what a live preview shows
classical     the photo's face on the scene's landmarks (piecewise affine), its gradients solved into the scene by
              OpenCV's seamlessClone (Perez et al. 2003). The expression wanted is no part of it
a folder      pictures that something else has made of the same rows, by the names of results
"""

import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.appearance.finish import Wish
from ...models.appearance.photos import Appearance
from ...models.appearance.warp import warp
from ...models.codes import Background, Expression, Identity
from ...models.compositing import paste_faces
from ...models.frames import crop
from ...models.masks import face_mask
from ...models.pictures import read_picture
from ...models.pipeline import DiffSFSR, Painting
from ...models.poisson import seamless
from ...training.data.photos import SUFFIXES

RESULT, UNCHANGED, RANDOM = "result", "unchanged", "random"
BESIDE = {"painter": "appearance 0", "warp": "warp", "classical": "classical"}  # as they are asked for: their columns
SIDE = 512  # of the classical crop, pixels
SHAPE = 0.02  # by which a given picture may be wider or narrower than the background


def draw(
    model: DiffSFSR,
    columns: Sequence[str],
    who: Identity,
    what: Expression,
    background: Background,
    wish: Wish,
    seed: int,
    paint: bool = True,
) -> Iterator[tuple[str, Tensor, float]]:
    """One row by every one of some columns, RESULT or values of BESIDE.

    paint    else RESULT is a preview without the painter
    yields   column, picture (3, H, W) in [-1, 1], processor seconds that it takes alone
    """
    given, sees = (who, what, background), "selfie" in model.config.planes

    @cache
    def painting(shown: bool) -> tuple[Tensor, float]:
        """With the photo shown or without it; and seconds."""
        began = time.process_time()
        return model.paint(*given, Painting(seed=seed), wish=wish if shown else None), time.process_time() - began

    for column in columns:
        began, before = time.process_time(), 0.0
        if column == BESIDE["classical"]:
            crops = classical(who.appearances[0], background)
        elif column == BESIDE["warp"] or not paint:
            crops = model.preview(*given, wish)
        else:
            crops, before = painting(sees and column == RESULT)
            began = time.process_time()
            crops = crops if column != RESULT else model.finish(crops, *given, wish)
        picture = paste_faces(crops.cpu(), background)[0]
        yield column, picture, before + time.process_time() - began


@torch.inference_mode()
def classical(own: Appearance, background: Background, size: int = SIDE) -> Tensor:
    """(1, 3, size, size) in [-1, 1]: the first photo's face in place of the background's, whose expression it takes."""
    detail = size / background.mask.shape[-1]
    points = detail * background.points[:1]
    scene = crop(background.pictures[:1], detail * background.matrix[:1], size)
    face = warp(own.photos[:1], own.points[:1], points, size)
    inside = (face_mask(points, size, 0, 0, 0) > 0) & (face.cover > 0.5)
    inside[..., [0, -1], :], inside[..., [0, -1]] = False, False
    return seamless(torch.where(inside, face.picture, scene)[0], scene[0], inside[0])[None]


def read_given(folder: Path, name: str, background: Background) -> Tensor | None:
    """A row's picture that something else has made, in the background's size; None where the folder has none.

    name: of the row's result, without its suffix; ValueError for pictures of another shape than the background's
    """
    found = next((path for end in SUFFIXES if (path := folder / f"{name}{end}").is_file()), None)
    if found is None:
        return None
    picture, size = read_picture(found), background.pictures.shape[-2:]
    if picture.shape[-2:] == size:
        return picture
    shape, wanted = (width / height for height, width in (picture.shape[-2:], size))
    if abs(shape / wanted - 1) > SHAPE:
        raise ValueError(
            f"{found} has {picture.shape[2]}x{picture.shape[1]} pixels, want the whole scene, {size[1]}x{size[0]}, or "
            "one of that shape"
        )
    return F.interpolate(picture[None], size=size, mode="bicubic", antialias=True)[0].clamp(-1, 1)
