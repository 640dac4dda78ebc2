"""A face shown at once: what the finished preview would show, and the photo itself where nothing is to move."""

import pytest
import torch
from diffsfsr.models.appearance.finish import Finisher, Wish
from diffsfsr.models.appearance.live import FRAME, HANDLES, Live
from diffsfsr.models.appearance.mouth import Mouth
from diffsfsr.models.appearance.photos import photograph
from diffsfsr.models.appearance.retouch import Retoucher
from diffsfsr.models.appearance.shape import ShapeModel
from diffsfsr.models.codes import Expression, Identity
from diffsfsr.models.cutting import cut_out
from diffsfsr.models.faces.mesh import BLENDSHAPES


@pytest.fixture(scope="module")
def finisher(face_mesh) -> Finisher:
    return Finisher(face_mesh, ShapeModel.load(), torch.full((51,), 0.05), Mouth.load(), Retoucher.load())


@pytest.fixture(scope="module")
def picture(acted):
    return ((acted("P003", 0) + 1) * 127.5).round() / 127.5 - 1  # of whole levels, as a file's


@pytest.fixture(scope="module")
def face(face_mesh, picture):
    return face_mesh.find(picture, limit=1)[0]


@pytest.fixture(scope="module")
def live(finisher, picture, face):
    return Live(finisher, picture, face)


def smiling(code: torch.Tensor, much: float = 0.5) -> torch.Tensor:
    return code + much * torch.tensor([float(name.startswith("mouthSmile")) for name in BLENDSHAPES])


def test_a_face_with_its_own_expression_is_the_photo(live, finisher, face):
    shown, photo = live.show(face.blendshapes - finisher.neutral, 2), live.untouched(2)
    assert (shown.picture - photo.picture).abs().max() < 1 / 255  # half a step of 8 bits
    assert shown.handles.keys() == photo.handles.keys() == HANDLES.keys()
    for name, at in photo.handles.items():
        assert shown.handles[name] == pytest.approx(at, abs=1e-3), name
        assert all(0 < x < 1 for x in at)


def test_it_shows_what_the_finished_preview_shows(live, finisher, picture, face):
    code = smiling(face.blendshapes - finisher.neutral)
    given = (
        None,
        cut_out(picture[None].__getitem__, [[face]], FRAME),
        picture[None].__getitem__,
        None,
        Expression(code[None]),
        Wish(detail=2),
    )
    (finished,) = finisher(*given)
    shown = live.show(code, 2).picture
    assert (shown - finished).abs().mean() < 0.01
    assert (shown - live.untouched(2).picture).abs().mean() > 0.01


def test_someone_elses_face_is_the_finished_preview_bit_for_bit(finisher, face_mesh, picture, face, acted):
    other = acted("P001", 0)
    own = photograph([other], face_mesh.find(other, limit=1))
    code = torch.zeros(51)
    (finished,) = finisher(
        None, cut_out(picture[None].__getitem__, [[face]], FRAME), picture[None].__getitem__,
        Identity(torch.ones(1, 4), ("small",), appearances=(own,)), Expression(code[None]), Wish(detail=1),
    )  # fmt: skip
    assert torch.equal(Live(finisher, picture, face, own).show(code, 1).picture, finished)


def test_handles_go_where_the_face_goes(live, finisher, face):
    code = face.blendshapes - finisher.neutral
    before, after = live.show(code, 1).handles, live.show(smiling(code), 1).handles
    assert after["mouth_left"][0] < before["mouth_left"][0] - 0.005  # the corner goes out and up
    assert after["mouth_right"][0] > before["mouth_right"][0] + 0.005
    assert after["brow_left"] == pytest.approx(before["brow_left"], abs=0.02)
