"""The anchors of the expression library: how 15 acted expressions of five synthetic people read (ours).

The people are openpeople's. Each has a sheet with one neutral and 15 acted faces; an anchor is the mesh's reading of an
acted face minus that person's own neutral, averaged over the five. The other five people are for testing only.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..models.faces.mesh import BLENDSHAPES, FaceMesh

ANCHOR_PEOPLE = ("P001", "P003", "P005", "P007", "P009")
TEST_PEOPLE = ("P002", "P004", "P006", "P008", "P010")
CELLS = (  # of a sheet, row by row
    "neutral", "happy", "sad", "angry", "surprised", "disgusted", "scared", "confused",
    "smug", "flirty", "thoughtful", "pensive", "exhausted", "shocked", "playful", "determined",
)  # fmt: skip
SMALLEST = 0.02  # what is below this in an anchor is left out


def read_sheet(mesh: FaceMesh, sheet: Path) -> Tensor:
    """Blendshapes (16, 51) of the faces in a 4x4 sheet, in the order of CELLS."""
    with Image.open(sheet) as picture:
        pixels = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1) / 127.5 - 1
    height, width = pixels.shape[1] // 4, pixels.shape[2] // 4
    rows = []
    for number, name in enumerate(CELLS):
        top, left = number // 4 * height, number % 4 * width
        faces = mesh.find(pixels[:, top : top + height, left : left + width], limit=1)
        if not faces:
            raise ValueError(f'found no face in cell "{name}" of {sheet}, want a sheet of 4x4 portraits')
        rows.append(faces[0].blendshapes.cpu())
    return torch.stack(rows)


def measure(mesh: FaceMesh, people: Path, names: Sequence[str] = ANCHOR_PEOPLE) -> dict[str, dict]:
    """The parts "neutral" and "anchors" of the table, rounded to 0.01.

    people: openpeople's folder of people, data/curated
    returns {"neutral": mean reading of the neutral faces, "anchors": {cell: mean difference from neutral}}
    """
    sheets = torch.stack([read_sheet(mesh, people / name / "assets" / "emotions_sheet.jpg") for name in names])
    neutral = sheets[:, 0].mean(dim=0)
    anchors = (sheets[:, 1:] - sheets[:, :1]).mean(dim=0)
    return {"neutral": _named(neutral), "anchors": dict(zip(CELLS[1:], map(_named, anchors), strict=True))}


def _named(values: Tensor) -> dict[str, float]:
    return {
        name: round(value, 2)
        for name, value in zip(BLENDSHAPES, values.tolist(), strict=True)
        if abs(round(value, 2)) >= SMALLEST
    }
