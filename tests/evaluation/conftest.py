"""Shared by the tests of the judges: the judges themselves, and acted faces of synthetic people."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import torch.nn.functional as F
from diffsfsr.evaluation.judges.networks import Judges, find_judges
from diffsfsr.evaluation.people import find_people
from diffsfsr.models.faces.mesh import Face, FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.pictures import read_picture
from diffsfsr.training.data.prepare import prepare
from PIL import Image
from torch import Tensor

CELLS = ("Neutral", "Happy", "Sad", "Angry", "Surprised")  # the first of the 16


@pytest.fixture(scope="session")
def judges() -> Judges:
    found = find_judges()
    if found is None:
        pytest.skip("the judges are not installed; run `make judges` (it needs npm)")
    return found


@pytest.fixture(scope="session")
def cell() -> Callable[[str, str], tuple[Tensor, Face]]:
    """cell(person, one of CELLS): a picture (3, 300, 300) in [-1, 1] and the face in it."""
    folder = Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated"
    mesh, sheets, found = FaceMesh.load(find_task_file()), {}, {}

    def read(person: str, name: str) -> tuple[Tensor, Face]:
        if (person, name) not in found:
            if person not in sheets:
                sheets[person] = read_picture(folder / person / "assets" / "emotions_sheet.jpg")
            sheet, place = sheets[person], CELLS.index(name)
            height, width = sheet.shape[1] // 4, sheet.shape[2] // 4
            top, left = place // 4 * height, place % 4 * width + (width - height) // 2
            square = sheet[None, :, top : top + height, left : left + height]
            picture = F.interpolate(square, size=(300, 300), mode="bicubic", antialias=True)[0].clamp(-1, 1)
            found[person, name] = picture, mesh.find(picture)[0]
        return found[person, name]

    return read


@pytest.fixture(scope="session")
def prepared_people(tmp_path_factory) -> Path:
    """openpeople's people, prepared as for training: each one's portrait; P004, a test person, has two photos."""
    source, folder = find_people(), tmp_path_factory.mktemp("people")
    for person in sorted(path.name for path in source.iterdir() if path.is_dir()):
        (folder / "photos" / person).mkdir(parents=True)
        for name in ("studio_portrait.jpg", "amateur_selfie.jpg")[: 2 if person == "P004" else 1]:
            picture = Image.open(source / person / "assets" / name).convert("RGB")
            picture.thumbnail((512, 512))
            picture.save(folder / "photos" / person / name)
    list(prepare(folder / "photos", folder / "prepared", FaceMesh.load(find_task_file())))
    return folder / "prepared"
