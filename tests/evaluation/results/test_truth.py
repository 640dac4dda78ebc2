"""Made expressions against real ones: what is compared, and that the made one is nearer than none."""

import dataclasses
import math

import pytest
import torch
from diffsfsr.evaluation.results import truth
from diffsfsr.models import DiffSFSR
from diffsfsr.models.frames import crop


@pytest.fixture(scope="module")
def photos(cell):
    """One person neutral and smiling."""
    return [truth.Photo("P001", *cell("P001", name)) for name in ("Neutral", "Happy")]


def test_exposure_is_no_difference_but_a_shift_is(photos):
    picture, inside = photos[0].picture, truth.laid_over(photos[1], photos[0])[1]
    darker = picture * torch.tensor([0.5, 0.6, 0.7])[:, None, None] - 0.2
    assert truth.difference(darker, picture, inside) < 0.01
    assert truth.difference(picture.roll(3, -1), picture, inside) > 2


def test_a_photo_is_laid_over_another_by_what_no_expression_moves(photos):
    (first, _), angle = photos, math.radians(8)
    turned = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) * 0.9
    matrix = torch.cat([turned, torch.tensor([[30.0], [-4.0]])], 1)
    points = first.face.points.clone()
    points[:, :2] = points[:, :2] @ turned.T + matrix[:, 2]
    moved = crop(first.picture[None], matrix[None], first.picture.shape[-1])[0]
    second = truth.Photo("P001", moved, dataclasses.replace(first.face, points=points))
    again, inside = truth.laid_over(second, first)
    assert ((again - first.picture).abs() * inside).sum() / inside.sum() / 3 < 0.02
    assert 0.05 < inside.mean() < 0.5


def test_a_made_smile_is_nearer_to_the_real_one_than_none(photos):
    found = truth.measure(DiffSFSR.load("mini"), *photos, None)
    assert set(found) == {"unchanged", *truth.WISHES}
    assert found["result"]["correlation"] > 0.8 > 0.3 > found["unchanged"]["correlation"]
    assert found["result"]["error"] < found["unchanged"]["error"]
    assert found["result"]["judge_distance"] is None


def test_only_test_people_with_two_photos_are_taken(prepared_people):
    model = DiffSFSR.load("mini")
    people = list(truth.photos_of_test_people(prepared_people.parent / "photos", model))
    assert [[photo.person for photo in photos] for photos in people] == [["P004", "P004"]]
