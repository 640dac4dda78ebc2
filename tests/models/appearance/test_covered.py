import pytest
import torch
from diffsfsr.evaluation.results.spoiling import masked
from diffsfsr.models.appearance.covered import covered, uncover, warning
from diffsfsr.models.appearance.photos import photograph
from diffsfsr.models.appearance.topology import MOUTH

PEOPLE = "P001", "P003", "P005", "P009"  # pale and dark skin, a beard


@pytest.fixture(scope="module")
def photos(face_mesh, acted):
    """Person -> picture and its face."""
    pictures = {person: acted(person, 0) for person in PEOPLE}
    return {person: (picture, face_mesh.find(picture, limit=1)[0]) for person, picture in pictures.items()}


@pytest.mark.parametrize("cloth", [(120, 168, 205), (235, 235, 235), (30, 30, 34)], ids=["blue", "white", "black"])
def test_a_mask_is_seen_and_not_carried(photos, cloth):
    for picture, face in photos.values():
        own = photograph([masked(picture, face.points[:, :2], cloth)], [face])
        assert own.covered.all() and own.to("cpu") is own
        found, shown = uncover(own.photos, own.points, own.covered)
        assert not shown[0, [4, *MOUTH[0], 152]].any() and shown[0, [468, 473, 151, 10]].all()
        assert not covered(found, own.points).any()
    assert "mouth and nose seem covered in the identity photo" in warning(torch.tensor([True]))


def test_no_face_without_a_mask_is_taken_to_wear_one(photos):
    for picture, face in photos.values():
        grey = picture.mean(0, keepdim=True).expand(3, -1, -1)
        own = photograph([picture, grey, picture * 0.6 - 0.4], [face] * 3)
        assert not own.covered.any()
        assert uncover(own.photos, own.points, own.covered)[1] is None
