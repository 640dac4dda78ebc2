"""Faces any way up, in any light: who it is and what the face does is read as if it stood upright in daylight."""

import math

import pytest
import torch
from diffsfsr.evaluation.people import find_people
from diffsfsr.evaluation.results.cases import shrink
from diffsfsr.evaluation.results.spoiling import CLOTH, masked, rolled
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.faces.choice import NoFace
from diffsfsr.models.faces.exposure import LIGHT, brighten
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.frames import crop
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.models.pictures import read_picture
from torch import Tensor

NEUTRAL, HAPPY, SURPRISED, SHOCKED = 0, 1, 4, 13  # cells of the sheets
BLACK = (30, 30, 34)  # cloth


def turned(picture: Tensor, degrees: float) -> Tensor:
    """(3, S, S) clockwise, on a canvas that holds all of it."""
    size, angle = picture.shape[-1], math.radians(degrees)
    side = round(size * math.sqrt(2))
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    shift = side / 2 - turn @ torch.full((2,), size / 2)
    return crop(picture[None], torch.cat([turn, shift[:, None]], 1)[None], side)[0]


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders.load(ASSETS / "mini.safetensors", find_task_file([]))


@pytest.mark.parametrize("person", ["P001", "P004"])
def test_a_face_is_the_same_person_any_way_up(encoders, acted, person):
    photo = acted(person, HAPPY, 300)
    (upright,) = encoders.mesh.find(photo)
    code = encoders.identity([photo])[0].code
    for degrees in (45, 110, 135, 180, 225, 255, 315):
        picture = turned(photo, degrees)
        (face,) = encoders.mesh.find(picture)
        away = (face.pose[2] - upright.pose[2] - degrees + 180) % 360 - 180
        assert abs(away) < 8, degrees
        same = torch.cosine_similarity(encoders.identity([picture], known=lambda i, face=face: [face])[0].code, code)
        assert same > 0.95, degrees
        assert (face.blendshapes - upright.blendshapes).abs().mean() < 0.035, degrees


@pytest.mark.parametrize("person, name, cloth, ways", [
    ("P001", "studio_portrait", CLOTH, (0, 180)), ("P001", "studio_portrait", BLACK, (0,)),
    ("P007", "studio_portrait", BLACK, (0, 180)), ("P003", "amateur_selfie", BLACK, (0,)),
])  # fmt: skip
def test_a_mask_does_not_turn_a_face_upside_down(face_mesh, person, name, cloth, ways):
    """The detector is unsure which way up these are, and the mesh is sure both ways."""
    photo = shrink(read_picture(find_people() / person / "assets" / f"{name}.jpg"), 600)
    covered = masked(photo, face_mesh.find(photo)[0].points[:, :2], cloth)
    for degrees in ways:
        (face,) = face_mesh.find(rolled(covered, degrees))
        assert abs((face.pose[2] - degrees + 180) % 360 - 180) < 10, degrees


def test_only_faces_the_wrong_way_up_are_unlike_a_face(face_mesh, acted):
    """Whatever they do, from whichever side, near or far."""
    for person in ("P001", "P005", "P009"):
        points = torch.stack(
            [face_mesh.find(acted(person, cell))[0].points for cell in (NEUTRAL, HAPPY, SURPRISED, SHOCKED)]
        )
        unlike = face_mesh.unlikeness(points)
        assert unlike.max() < 0.09
        turn = torch.tensor([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1.0]])
        torch.testing.assert_close(face_mesh.unlikeness(3 * points @ turn + 5), unlike, atol=1e-4, rtol=0)
    assert face_mesh.unlikeness(face_mesh.mean_face[None]) < 1e-4
    assert face_mesh.unlikeness(face_mesh.mean_face[None] * torch.tensor([1, -1, 1.0])) > 0.2


@pytest.mark.parametrize("light", [0.15, 0.1])
def test_dark_selfies_are_the_same_person(encoders, acted, light):
    photo = acted("P002", NEUTRAL, 300)
    dark = ((photo + 1) * light * 127.5).round() / 127.5 - 1  # as a file has it
    identities = [encoders.identity([picture])[0].code for picture in (photo, dark)]
    assert torch.cosine_similarity(*identities) > 0.98
    read = [encoders.mesh.find(picture)[0].blendshapes for picture in (photo, dark)]
    assert (read[0] - read[1]).abs().mean() < 0.03


def test_only_dark_pictures_are_brightened(acted):
    pictures = torch.stack([acted("P003", NEUTRAL, 100), (acted("P003", NEUTRAL, 100) + 1) * 0.2 - 1])
    light, dark = brighten(pictures)
    assert torch.equal(light, pictures[0])
    assert LIGHT < float(dark.mean(0).flatten().quantile(0.95)) / 2 + 0.5 < 0.8
    assert dark.min() >= -1 and dark.max() <= 1


@pytest.mark.parametrize("width, smallest", [(800, 40), (1920, 58), (2048, 40), (8192, 61)])
def test_the_message_says_how_large_a_face_has_to_be(encoders, width, smallest):
    with pytest.raises(NoFace, match=f"at least about {smallest} px wide"):
        encoders.faces(torch.zeros(3, 20, width), "largest", "photo", found=[])


def test_a_small_face_is_found_in_a_large_photo(face_mesh, acted):
    """40 pixels of 2048: the third closer look finds it."""
    picture = torch.full((3, 1024, 2048), 0.2)
    picture[:, 500:580, 1200:1280] = acted("P001", NEUTRAL, 80)
    (face,) = face_mesh.find(picture)
    assert (face.points[:, :2].mean(0) - torch.tensor([1240.0, 545])).norm() < 20
    low, high = face.points[:, :2].aminmax(dim=0)
    assert (high - low).max() < 50
