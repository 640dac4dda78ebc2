"""Unfolding: what a mesh may not become, and that it is left alone otherwise."""

import pytest
import torch
from diffsfsr.models.appearance.shape import ShapeModel
from diffsfsr.models.appearance.topology import MOUTH
from diffsfsr.models.faces.mesh import BLENDSHAPES


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    return ShapeModel.load()


@pytest.fixture
def face(model) -> torch.Tensor:
    return model.mean[None]


def test_a_mesh_without_folds_stays_bit_for_bit(model, face):
    stretched = face * torch.tensor([1.1, 0.9, 1.0])
    assert torch.equal(model.unfold(stretched, face), stretched)


def test_the_tip_of_a_nose_pushed_past_the_cheek_comes_back(model, face):
    pushed = face.clone()
    pushed[0, 4, 0] += 0.02
    assert model.unfold.folds(pushed, face).any()
    found = model.unfold(pushed, face)
    assert not model.unfold.folds(found, face).any()
    assert found[0, 4, 0] > face[0, 4, 0]  # it is still on that side
    far = (face - face[:, 4:5]).norm(dim=-1)[0] > 0.04
    assert torch.equal(found[0, far], pushed[0, far])


def test_lips_pressed_through_each_other_meet(model, face):
    upper, lower = (list(edge[1:-1]) for edge in MOUTH)
    opened = face.clone()
    opened[0, lower, 1] += 0.004
    crossed = face.clone()
    crossed[0, upper, 1] += 0.003
    crossed[0, lower, 1] -= 0.003
    found = model.unfold(crossed, opened)
    gap = found[0, lower, 1] - found[0, upper, 1]
    assert gap.min() > -3e-4 and not model.unfold.folds(found, opened).any()


def test_random_motion_is_tamed_row_by_row(model, face):
    noise = 0.003 * torch.randn((4, 478, 3), generator=torch.Generator().manual_seed(0))
    together = model.unfold(face + noise, face.expand(4, -1, -1))
    assert model.unfold.folds(face + noise, face).any(dim=1).all()
    assert not model.unfold.folds(together, face).any()
    for i in range(4):
        assert torch.allclose(model.unfold((face + noise)[i : i + 1], face)[0], together[i], atol=1e-6)


def opened(model, source) -> torch.Tensor:
    wants = torch.zeros(1, 51)
    wants[0, BLENDSHAPES.index("jawOpen")] = 0.5
    return model.move(source, torch.zeros(1, 51), wants)


def test_a_triangle_seen_edge_on_holds_nothing_back(model, face):
    """Under a nose they are; which side they face is chance."""
    source, (a, b, c) = face.clone(), (2, 370, 326)
    source[0, c, :2] = source[0, a, :2].lerp(source[0, b, :2], 0.5)
    moved = opened(model, source)
    moved[0, c, :2] = moved[0, a, :2].lerp(moved[0, b, :2], 0.5)
    for push in (-2e-5, 2e-5):
        pushed = moved.clone()
        pushed[0, c, :2] += push
        found = model.unfold(pushed, source)
        assert (found - pushed).norm() < 0.1 * (pushed - source).norm()
        assert not model.unfold.folds(found, source).any()


def test_a_fold_that_nothing_mends_holds_back_its_neighbours_alone(model, face):
    moved = opened(model, face)
    assert not model.unfold.folds(moved, face).any()
    folded = moved.clone()
    folded[0, 151] = folded[0, 8]  # a point of the forehead between the brows
    assert model.unfold.folds(folded, face).any()
    found = model.unfold._back(folded, face, face)
    assert not model.unfold.folds(found, face).any()
    lips = list(MOUTH[1])
    assert torch.equal(found[0, lips], moved[0, lips])
