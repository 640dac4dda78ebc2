"""Which face is meant, and what becomes of pictures that do not show it."""

import dataclasses
from functools import partial

import pytest
import torch
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.faces.choice import NoFace, choose_faces
from diffsfsr.models.faces.mesh import Face
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.checkpoint import ASSETS

NEUTRAL, HAPPY, SURPRISED = 0, 1, 4  # cells of the sheets


def face(x: float, y: float, size: float) -> Face:
    square = torch.rand(478, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    return Face(square * size + torch.tensor([x, y, 0]), torch.zeros(51), torch.zeros(3), 1.0)


FOUND = [face(600, 100, 90), face(100, 300, 60), face(390, 310, 50), face(250, 80, 20)]  # largest first


@pytest.mark.parametrize("choice, places", [
    ("largest", [600]), ("centre", [390]), ("all", [100, 250, 390, 600]), ("0", [100]), ("1", [250]), ("3", [600]),
    ("0 by size", [600]), ("2 by size", [390]), ("3 by size", [250]),
])  # fmt: skip
def test_faces_are_counted_from_the_left_or_by_size(choice, places):
    chosen = choose_faces(FOUND, choice, (600, 800), "picture")
    assert [float(face.points[:, 0].mean()) for face in chosen] == pytest.approx(places, abs=3)


@pytest.mark.parametrize("choice", ["4", "4 by size", "12"])
def test_a_face_too_many_is_not_there(choice):
    with pytest.raises(NoFace, match=f"face {choice} of the picture was asked for, but it has 4, counted from 0"):
        choose_faces(FOUND, choice, (600, 800), "picture")
    with pytest.raises(NoFace, match=r"no face found in the photo \(800x600 px\)"):
        choose_faces([], choice, (600, 800), "photo")


@pytest.mark.parametrize("choice", ["left", "-1", "1.5", "by size", " by size", "largest by size", "all by size", ""])
@pytest.mark.parametrize("found", [[], FOUND])
def test_choices_that_mean_nothing_are_refused_whatever_is_found(choice, found):
    with pytest.raises(ValueError, match=f'got face choice "{choice}", want largest, centre, all or a number') as error:
        choose_faces(found, choice, (600, 800), "picture")
    assert not isinstance(error.value, NoFace)


@pytest.fixture(scope="module")
def encoders(tiny, face_mesh) -> Encoders:
    torch.manual_seed(0)
    config = dataclasses.replace(tiny, recognisers=("a",), identity_size=16)
    library = ExpressionLibrary.load(ASSETS / "expressions.json")
    recognisers = {"a": Recogniser((8, 8, 8, 8), (1, 1, 1), 16)}
    return Encoders(config, face_mesh, recognisers, library).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pictures(acted) -> torch.Tensor:
    """Nobody, one, nobody, two people (the larger to the right), nobody; too small for a closer look."""
    two = torch.zeros(3, 90, 90)
    two[:, 45:, :45], two[:, :54, 36:] = acted("P002", HAPPY, 45), acted("P003", SURPRISED, 54)
    wall = torch.zeros(3, 90, 90)
    return torch.stack([wall, acted("P001", NEUTRAL, 90), wall, two, wall])


def test_background_stops_skips_or_passes_through(encoders, pictures):
    with pytest.raises(NoFace, match="no face found in the background picture 1 of 5"):
        encoders.background(pictures)
    passed = encoders.background(pictures, without_face="pass through")
    assert passed.index.tolist() == [1, 3] and torch.equal(passed.pictures, pictures)
    skipped = encoders.background(pictures, without_face="skip")
    assert skipped.index.tolist() == [0, 1] and torch.equal(skipped.pictures, pictures[[1, 3]])
    assert torch.equal(skipped.crop, passed.crop)


def test_a_picture_with_too_few_faces_does_not_show_the_face(encoders, pictures):
    second = encoders.background(pictures, "1 by size", without_face="pass through")
    assert second.index.tolist() == [3]
    with pytest.raises(NoFace, match="face 1 by size of the background picture 2 of 2"):
        encoders.background(pictures[[3, 1]], "1 by size")


def test_masks_go_with_the_pictures_that_stay(encoders, pictures):
    mask = torch.zeros(5, 1, 90, 90)
    mask[1, :, 40:50, 40:50] = mask[3, :, :, 45:] = 1
    skipped = encoders.background(pictures, mask=mask, without_face="skip")
    assert torch.equal(skipped.mask, encoders.background(pictures, mask=mask, without_face="pass through").mask)


def test_where_no_picture_shows_a_face_it_is_an_error_whatever_the_policy(encoders, pictures):
    for policy in ("stop", "skip", "pass through"):
        with pytest.raises(NoFace, match="no face found in the background picture 1 of 2"):
            encoders.background(pictures[[0, 2]], without_face=policy)
    with pytest.raises(ValueError, match='got without_face "guess", want one of stop, skip, pass through'):
        encoders.background(pictures, without_face="guess")


def test_identity_leaves_out_photos_without_the_face(encoders, pictures):
    with pytest.raises(NoFace, match="no face found in the identity photo 1 of 4"):
        encoders.identity(list(pictures[:4]))
    identity, faces = encoders.identity(list(pictures[:4]), without_face="skip")
    assert identity.photos == len(faces) == 2
    assert torch.equal(identity.code, encoders.identity(list(pictures[[1, 3]]))[0].code)


def test_expressions_go_on_where_a_frame_shows_no_face(encoders, pictures):
    every = partial(encoders.expressions, pictures.__getitem__, 5)
    with pytest.raises(NoFace, match="no face found in the expression photo 1 of 5"):
        every()
    one, other = (encoders.expression(pictures[i]).code[0] for i in (1, 3))
    assert torch.equal(every(without_face="skip").code, torch.stack([one, other]))
    assert torch.equal(every(without_face="pass through").code, torch.stack([one, one, one, other, other]))
    stronger = every(without_face="skip", intensity=0.5, neutral=pictures[1])
    assert not stronger.code[0].any() and stronger.code[1].abs().max() > 0.1
