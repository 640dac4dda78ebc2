"""Geometry of rendered heads."""

import numpy as np
import pytest
from diffsfsr.rendering.casting import draw_person
from diffsfsr.rendering.hair import ALONG, AROUND, Hair, HairDresser, grid_triangles
from diffsfsr.rendering.head_basis import EYE, LASH, SKIN, HeadBasis
from diffsfsr.rendering.heads import EYE_DISTANCE, EYES, Heads
from diffsfsr.rendering.portraits import PORTRAITS

HAIRLINE = (8.0, 8.0, 7.95, 7.6, 7.2, 7.4, 7.3, 7.0, 6.75, 6.65)


@pytest.fixture(scope="module")
def heads() -> Heads:
    return Heads(HeadBasis.load())


@pytest.fixture(scope="module")
def person():
    return PORTRAITS["anders"][0]


@pytest.fixture(scope="module")
def neutral(heads, person):
    return heads.neutral(person)


def moved(heads, neutral, **actions) -> np.ndarray:
    return heads.act(neutral, actions) - neutral


def test_the_basis_comes_the_same_from_the_cache(heads):
    again = HeadBasis.load()
    assert np.array_equal(again.deltas, heads.basis.deltas) and list(again.names) == list(heads.basis.names)


def test_there_are_52_actions_and_they_know_their_sides(heads):
    assert len(heads.actions) == 52 and {"jawOpen", "browDownLeft", "tongueOut"} <= set(heads.actions)


def test_eyes_lie_in_the_same_place_in_every_head(heads):
    for person, _ in PORTRAITS.values():
        eyes = heads.neutral(person)[heads.basis.part == EYE]
        left, right = eyes[eyes[:, 0] > 0].mean(0), eyes[eyes[:, 0] < 0].mean(0)
        assert np.allclose((left + right) / 2, EYES, atol=1e-3)
        assert np.linalg.norm(left - right) == pytest.approx(EYE_DISTANCE, abs=1e-3)


def test_actions_of_zero_change_nothing_and_half_an_action_moves_half_as_far(heads, neutral):
    assert np.array_equal(heads.act(neutral, {"jawOpen": 0.0}), neutral)
    assert np.allclose(moved(heads, neutral, jawOpen=0.5), moved(heads, neutral, jawOpen=1.0) / 2, atol=1e-5)


def test_actions_move_what_they_are_named_after(heads, neutral):
    jaw = moved(heads, neutral, jawOpen=1.0)
    assert jaw[:, 1].min() < -0.2 and np.abs(jaw[heads.basis.base[:, 1] > 7.6]).max() < 0.02
    brow = moved(heads, neutral, browDownLeft=1.0)
    x, drop = neutral[:, 0], brow[:, 1]
    assert drop[x > 0.1].min() < -0.05 and abs(drop[x < -0.1]).max() < 0.02  # the person's own left is at x > 0


def test_an_unknown_action_is_named(heads, neutral):
    with pytest.raises(ValueError, match="smile.*mouthSmileLeft"):
        heads.act(neutral, {"smile": 1.0})


def test_normals_have_unit_length_and_seams_of_the_texture_do_not_show(heads, neutral):
    normals = heads.normals(neutral)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-3)
    first = {}
    for i, vertex in enumerate(heads.basis.vertex.tolist()):
        assert np.array_equal(normals[i], normals[first.setdefault(vertex, i)])


def test_skin_is_drawn_first_and_lashes_last(heads):
    parts = heads.basis.part[heads.basis.triangles[:, 0]]
    assert parts[0] == SKIN and parts[-1] == LASH and (np.diff(parts.astype(int)) >= 0).all()


def test_people_are_drawn_from_the_generator_and_differ(heads):
    first, same, other = (draw_person(np.random.default_rng(seed), heads.effects, 0.3) for seed in (1, 1, 2))
    a, b, c = (heads.neutral(person) for person in (first, same, other))
    assert np.array_equal(a, b)
    assert np.linalg.norm(a - c, axis=1)[heads.facial > 0.5].max() > 0.05


def test_the_face_is_the_persons_and_the_skull_is_not(heads):
    x, y, z = heads.basis.base.T
    face = heads.facial
    assert face[(y > 6.5) & (y < 7.5) & (z > 1.3)].min() == 1
    assert face[(heads.basis.part == SKIN) & (z < 0.3) & (y > 7.2)].max() == 0


def test_hair_lies_around_the_head_and_ends_at_the_hairline(heads, neutral):
    hair = Hair((0.1, 0.1, 0.1), HAIRLINE, volume=0.2)
    grown = HairDresser(heads.basis).grow(hair, neutral, seed=0)
    assert grown["position"].shape == (hair.layers * AROUND * ALONG, 3)
    assert grid_triangles(hair.layers).max() == len(grown["position"]) - 1
    front = (grown["position"][:, 2] > 1.0) & (abs(grown["position"][:, 0]) < 0.2)
    assert grown["position"][front, 1].min() > 7.7
    assert grown["position"][:, 1].min() > 6.3


def test_long_hair_hangs_down_to_where_it_should(heads, neutral):
    hair = Hair((0.1, 0.1, 0.1), HAIRLINE, volume=0.2, hang_from=70, hang_to=5.5)
    lowest = HairDresser(heads.basis).grow(hair, neutral, seed=0)["position"][:, 1].min()
    assert lowest == pytest.approx(5.5, abs=0.3)
