"""Portraits that the retoucher is trained on: whose they are, and what a face in one looks like cut out (ours)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ...models.appearance.finish import DETAIL
from ...models.appearance.photos import PORTRAIT
from ...models.appearance.retouch import SIDE
from ...models.codes import CutOut
from ...models.cutting import cut_out as cut_faces
from ...models.faces.mesh import Face
from ...models.pictures import decode_picture
from ...models.pipeline import DiffSFSR
from ..data.photos import Photos, person_of
from ..data.split import is_test_person

BORDER = (PORTRAIT.size - SIDE) // 2  # around an example


@dataclass(frozen=True)
class Kept:
    """Tensors that lie in a file of their own, by the names of the fields."""

    def save(self, path: Path) -> None:
        """The file is there as a whole or not at all."""
        unfinished = path.with_suffix(".unfinished")
        save_file({key: value.contiguous() for key, value in vars(self).items()}, unfinished)
        unfinished.replace(path)


@dataclass(frozen=True)
class Portrait:
    name: str
    picture: Tensor  # (3, 640, 640) in [-1, 1], cut in PORTRAIT
    face: Face


def photos_of(sources: list[Path]) -> list[tuple[Photos, str]]:
    """All photos of folders or .zip files, one folder a person, and where they are; test people are left out."""
    photos = [(source, name) for source in map(Photos, sources) for name in source.names]
    return [(source, name) for source, name in photos if not is_test_person(person_of(name))]


def read_portrait(source: Photos, name: str, model: DiffSFSR) -> Portrait | None:
    """None where no face is found; ValueError for a picture of another size."""
    picture = decode_picture(source.read(name), name)
    if picture.shape[-1] != PORTRAIT.size:
        raise ValueError(f"{name} has {picture.shape[-1]} pixels on a side, want {PORTRAIT.size}, cut in PORTRAIT")
    faces = model.encoders.mesh.find(picture, limit=1)
    return Portrait(name, picture, faces[0]) if faces else None


def cut_out(portrait: Portrait, model: DiffSFSR) -> CutOut:
    """The portrait's inner part is the generation frame, pixel for pixel DETAIL times as large."""
    border = BORDER / DETAIL
    matrix = torch.tensor([[[1 / DETAIL, 0, -border], [0, 1 / DETAIL, -border]]])
    frame, margins = model.encoders.frame, model.config.mask_margins
    return cut_faces(portrait.picture[None].__getitem__, [[portrait.face]], frame, margins, matrix=matrix)
