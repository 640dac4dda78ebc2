"""What cannot be mended is said: faces from the side, and photos of several people as one identity."""

import dataclasses

import pytest
import torch
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.faces.choice import FURTHEST, NoFace, turned_away, within
from diffsfsr.models.faces.mesh import Face
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.identity.recognisers import odd_photos
from diffsfsr.models.network.checkpoint import ASSETS

NEUTRAL, HAPPY, SURPRISED = 0, 1, 4  # cells of the sheets


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders.load(ASSETS / "mini.safetensors", find_task_file([]))


def face(yaw: float) -> Face:
    return Face(torch.rand(478, 3) * 100, torch.zeros(51), torch.tensor([yaw, 5.0, 0.0]), 1.0)


def test_the_first_face_from_the_side_is_named_with_its_angle():
    assert turned_away([[face(30)], [], [face(-44)]], "photo") == ""
    said = turned_away([[face(30)], [], [face(-51.2)], [face(48), face(3)]], "background picture")
    assert "the face in the background picture 3 of 4 is turned by 51 degrees" in said and "in 1 more" in said


def test_profiles_are_no_faces_to_be_painted():
    front, profile = face(FURTHEST - 1), face(-FURTHEST - 3)
    assert within([front, profile], FURTHEST, "photo") == [front]
    with pytest.raises(NoFace, match="the face in the photo is turned by 63 degrees to the side, or more; beyond 60"):
        within([profile], FURTHEST, "photo")


def test_backgrounds_stop_or_go_on_at_profiles_as_without_face_says(encoders, acted):
    picture = acted("P001", NEUTRAL, 128)
    (front,) = encoders.mesh.find(picture)
    found = [[front], [dataclasses.replace(front, pose=torch.tensor([70.0, 0, 0]))], [front]]
    said: list[str] = []
    options = {"known": found.__getitem__, "follow": True, "furthest": FURTHEST, "say": said.append}
    with pytest.raises(NoFace, match="background picture 2 of 3 is turned by 70 degrees"):
        encoders.find(lambda i: picture, 3, "largest", "background picture", **options)
    passed = encoders.find(lambda i: picture, 3, "largest", "background picture", "pass through", **options)
    assert [len(faces) for faces in passed] == [1, 0, 1] and not said


def test_the_photo_of_somebody_else_is_named(encoders, acted):
    said: list[str] = []
    own = [acted("P001", cell, 200) for cell in (NEUTRAL, HAPPY, SURPRISED)]
    encoders.identity(own, say=said.append)
    assert said == []
    encoders.identity([*own[:2], acted("P004", NEUTRAL, 200), own[2]], say=said.append)
    assert len(said) == 1 and "identity photo 3 of 4 shows somebody else" in said[0]
    encoders.identity([own[0], acted("P004", NEUTRAL, 200)], say=said.append)
    assert "the identity photos do not show one person" in said[1]


def test_one_photo_disagrees_with_nobody():
    one = torch.nn.functional.normalize(torch.randn(1, 8), dim=1)
    assert odd_photos(one, [8]) == [] and odd_photos(torch.cat([one, one]), [8]) == []
    assert odd_photos(torch.cat([one, -one]), [8]) == [0, 1]
