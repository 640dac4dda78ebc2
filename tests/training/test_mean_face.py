"""The mean face that poses are measured from: assets/mean_face.safetensors and how it is made."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from diffsfsr.models.faces.mesh import MEAN_FACE
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.training.mean_face import mean_face, meshes
from PIL import Image
from safetensors.torch import load_file

PEOPLE = Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated"


@pytest.fixture(scope="module")
def bundled():
    return load_file(MEAN_FACE)["points"]


def asymmetry(face):
    """The farthest that a mirrored point lies from the nearest point."""
    face = face.double()
    return torch.cdist(face * face.new_tensor([-1.0, 1.0, 1.0]), face).amin(dim=1).max().item()


def test_the_bundled_face_is_frontal_and_symmetric(bundled):
    assert bundled.shape == (478, 3) and bundled.dtype == torch.float32
    assert bundled.mean(dim=0).abs().max() < 1e-6 and bundled.norm().item() == pytest.approx(1)
    assert asymmetry(bundled) < 1e-6
    nose, brow, chin, right_eye, left_eye = bundled[[1, 10, 152, 33, 263]]
    assert brow[1] < right_eye[1] < nose[1] < chin[1]  # y down
    assert right_eye[0] < 0 < left_eye[0]  # the person's right eye is left in the picture
    assert nose[2] < right_eye[2] < bundled[234, 2]  # z away: nose, eye, cheek beside the ear


def test_position_size_and_rotation_are_averaged_out(bundled):
    generator = torch.Generator().manual_seed(0)
    faces = []
    for _ in range(40):
        turn = torch.linalg.matrix_exp(
            torch.cross(torch.eye(3), 0.2 * torch.randn(3, generator=generator).expand(3, 3), 1)
        )
        points = bundled + 1e-4 * torch.randn(478, 3, generator=generator)
        faces.append(
            points @ turn * (50 + 100 * torch.rand(1, generator=generator)) + torch.randn(3, generator=generator)
        )
    result = mean_face(faces)
    assert asymmetry(result) < 1e-6
    pitch_free = (torch.pdist(result) - torch.pdist(bundled)).abs().max()
    assert pitch_free < 1e-3  # the same shape, whatever the mean rotation of the copies


def test_test_people_take_no_part(tmp_path):
    for person in ("P001", "P002", "P004"):  # the last is a test person
        sheet = Image.open(PEOPLE / person / "assets" / "emotions_sheet.jpg").convert("RGB")
        (tmp_path / person).mkdir()
        Image.fromarray(np.asarray(sheet)[:448, :600]).save(tmp_path / person / "photo.png")
    assert len(list(meshes(find_task_file(), tmp_path, 100))) == 2
