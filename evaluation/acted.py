"""The acted faces of openpeople's synthetic people: which of them, and how they read (ours).

Each person has a sheet with one neutral and 15 acted faces. An anchor of the expression library is the reading of an
acted face minus that person's own neutral, averaged over five people; the other five are for testing only.
"""

from pathlib import Path

import torch
from torch import Tensor

from ..models.faces.mesh import FaceMesh
from ..models.pictures import read_picture

ANCHOR_PEOPLE = ("P001", "P003", "P005", "P007", "P009")
TEST_PEOPLE = ("P002", "P004", "P006", "P008", "P010")
CELLS = (  # of a sheet, row by row
    "neutral", "happy", "sad", "angry", "surprised", "disgusted", "scared", "confused",
    "smug", "flirty", "thoughtful", "pensive", "exhausted", "shocked", "playful", "determined",
)  # fmt: skip


def acted_faces(folder: Path) -> dict[str, Tensor]:
    """The acted faces by CELLS, (3, h, w) each in [-1, 1]; folder: one of openpeople's people"""
    rows = read_picture(folder / "assets" / "emotions_sheet.jpg").chunk(4, dim=1)
    return dict(zip(CELLS, (cell for row in rows for cell in row.chunk(4, dim=2)), strict=True))


def read_acted(mesh: FaceMesh, folder: Path) -> Tensor:
    """Blendshapes (16, 51) of these faces, in the order of CELLS."""
    rows = []
    for name, picture in acted_faces(folder).items():
        faces = mesh.find(picture, limit=1)
        if not faces:
            raise ValueError(f'found no face in cell "{name}" of {folder}, want a sheet of 4x4 portraits')
        rows.append(faces[0].blendshapes.cpu())
    return torch.stack(rows)
