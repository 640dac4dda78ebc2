"""Faces at every size: full-body pictures, small faces beside large ones, tilted heads; and no knees among them."""

import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.cutting import cut_out
from diffsfsr.models.faces.mesh import Face
from diffsfsr.models.frames import FRAMES, crop
from diffsfsr.models.pictures import read_picture
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

PEOPLE = sorted((Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated").glob("P*"))
NEUTRAL = 0  # cell of the sheets


def centres(faces: list[Face]) -> Tensor:
    return torch.stack([face.points[:, :2].mean(0) for face in faces])


def height(face: Face) -> float:
    return float(face.points[:, 1].amax() - face.points[:, 1].amin())


@pytest.mark.parametrize("person", PEOPLE, ids=lambda path: path.name)
def test_full_body_pictures_show_one_face(face_mesh, person):
    """Half their size: the faces are about 100 pixels high. mediapipe misses most of them; knees look like faces."""
    for name in ("amateur_posture", "studio_posture"):
        picture = F.avg_pool2d(read_picture(person / "assets" / f"{name}.jpg"), 2)
        (face,) = face_mesh.find(picture)
        assert 0.03 < height(face) / picture.shape[1] < 0.12 and centres([face])[0, 1] < picture.shape[1] / 3


@pytest.mark.parametrize("person", ["P001", "P006", "P008"])
def test_a_sheet_of_sixteen_has_sixteen_faces(face_mesh, person):
    """The first look finds none, or two of them."""
    (folder,) = (path for path in PEOPLE if path.name == person)
    sheet = F.avg_pool2d(read_picture(folder / "assets" / "emotions_sheet.jpg"), 2)  # 896 x 1200
    faces = face_mesh.find(sheet)
    assert len(faces) == 16
    rows, columns = centres(faces)[:, 1] // 224, centres(faces)[:, 0] // 300
    assert sorted((rows * 4 + columns).int().tolist()) == list(range(16))


def test_a_picture_of_25_people_has_25_faces(face_mesh, acted):
    """Nodes count the faces of a picture from 0 to 99."""
    cells = [acted("P001", cell % 16, 100) for cell in range(25)]
    rows = [torch.cat(cells[i : i + 5], dim=-1) for i in range(0, 25, 5)]
    assert len(face_mesh.find(torch.cat(rows, dim=-2))) == 25


@pytest.fixture(scope="module")
def crowd(acted) -> Tensor:
    """(3, 1200, 1600): a face 500 pixels high, and smaller ones down to 60, tilted by up to 45 degrees."""
    picture = torch.full((3, 1200, 1600), 0.2)
    picture[:, 100:1100, 100:1100] = acted("P001", NEUTRAL, 1000)
    for person, size, x, y, degrees in (
        ("P002", 300, 1350, 200, 45), ("P003", 200, 1300, 560, -45), ("P008", 140, 1500, 800, 30),
        ("P009", 120, 1250, 850, -20),
    ):  # fmt: skip
        angle = torch.tensor(degrees).deg2rad()
        turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
        shift = size / 2 - turn @ torch.tensor([size / 2, size / 2])
        tilted = crop(acted(person, NEUTRAL, size)[None], torch.cat([turn, shift[:, None]], 1)[None], size)[0]
        there = tilted > -0.99
        place = picture[:, y - size // 2 : y + size // 2, x - size // 2 : x + size // 2]
        place[there] = tilted[there]
    return picture


def test_small_and_tilted_faces_are_found_beside_a_large_one(face_mesh, crowd):
    faces = face_mesh.find(crowd)
    wanted = torch.tensor([[708.0, 751], [1350, 200], [1300, 560], [1500, 800], [1250, 850]])  # largest first
    assert len(faces) == 5
    assert (centres(faces) - wanted).norm(dim=1).max() < 60
    assert [round(face.pose[2].item() / 15) * 15 for face in faces] == [0, 45, -45, 30, -15]


def test_the_large_face_is_read_as_if_it_were_alone(face_mesh, crowd):
    alone = crowd.clone()
    alone[:, :, 1100:] = 0.2
    (one,), (first,) = face_mesh.find(alone), face_mesh.find(crowd, limit=1)
    assert (one.points - first.points).norm(dim=1).max() < 0.01 * height(
        one
    )  # the detector looks at all of the picture


def test_faces_too_small_to_be_of_use_are_not_looked_for_beside_others(face_mesh, acted):
    picture = torch.full((3, 600, 600), 0.2)
    picture[:, :400, :400] = acted("P001", NEUTRAL, 400)
    picture[:, 520:580, 500:560] = acted("P002", NEUTRAL, 60)  # about 30 pixels high
    assert len(face_mesh.find(picture)) == 1
    assert len(face_mesh.find(picture[:, 450:, 450:])) == 1  # but found where there is no other


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that was made, bytes; views of others are none."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        given = {each.untyped_storage().data_ptr() for each in tree_leaves((args, kwargs)) if torch.is_tensor(each)}
        for each in tree_leaves(made):
            if torch.is_tensor(each) and each.untyped_storage().data_ptr() not in given:
                self.bytes = max(self.bytes, each.untyped_storage().nbytes())
        return made


def test_a_large_picture_is_looked_at_without_a_copy(face_mesh, acted):
    picture = acted("P003", 0, 1600)
    picture = torch.nn.functional.pad(picture, (800, 800, 800, 800), mode="replicate")
    with Largest() as largest:
        (face,) = face_mesh.find(picture)
        cut_out(picture[None].__getitem__, [[face]], FRAMES["mini-128"])
    assert 0 < largest.bytes < picture.numel() * 4 / 3
