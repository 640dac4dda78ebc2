"""The acted faces of openpeople's synthetic people: which of them, and how they read (ours).

Each person has a sheet with one neutral and 15 acted faces. An anchor of the expression library is the reading of an
acted face minus that person's own neutral, averaged over five people; the other five are for testing only.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..models.faces.mesh import FaceMesh
from ..models.pixels import from_bytes

ANCHOR_PEOPLE = ("P001", "P003", "P005", "P007", "P009")
TEST_PEOPLE = ("P002", "P004", "P006", "P008", "P010")
CELLS = (  # of a sheet, row by row
    "neutral", "happy", "sad", "angry", "surprised", "disgusted", "scared", "confused",
    "smug", "flirty", "thoughtful", "pensive", "exhausted", "shocked", "playful", "determined",
)  # fmt: skip


def read_sheet(mesh: FaceMesh, sheet: Path) -> Tensor:
    """Blendshapes (16, 51) of the faces in a 4x4 sheet, in the order of CELLS."""
    with Image.open(sheet) as picture:
        pixels = from_bytes(torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1))
    height, width = pixels.shape[1] // 4, pixels.shape[2] // 4
    rows = []
    for number, name in enumerate(CELLS):
        top, left = number // 4 * height, number % 4 * width
        faces = mesh.find(pixels[:, top : top + height, left : left + width], limit=1)
        if not faces:
            raise ValueError(f'found no face in cell "{name}" of {sheet}, want a sheet of 4x4 portraits')
        rows.append(faces[0].blendshapes.cpu())
    return torch.stack(rows)
