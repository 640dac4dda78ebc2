import json

import pytest
import torch
from diffsfsr.models.codes import Expression
from diffsfsr.models.expression.edit import SLIDERS, add, edit, edit_all, mix, scale, travel
from diffsfsr.models.expression.library import STILL, ExpressionLibrary
from diffsfsr.models.faces.mesh import BLENDSHAPES
from diffsfsr.models.network.checkpoint import ASSETS


@pytest.fixture(scope="module")
def library():
    return ExpressionLibrary.load(ASSETS / "expressions.json")


@pytest.fixture
def neutral():
    return Expression(torch.zeros(1, 51), "neutral")


@pytest.fixture
def joy(library):
    return Expression(library.code("joy")[None], "joy")


@pytest.fixture
def fear(library):
    return Expression(library.code("fear")[None], "fear")


def channel(expression, name, row=0):
    return float(expression.code[row, BLENDSHAPES.index(name)])


def test_sliders_at_zero_change_nothing(joy):
    assert torch.equal(edit(joy, {}).code, joy.code)
    assert torch.equal(edit(joy, dict.fromkeys(SLIDERS, 0.0)).code, joy.code)


@pytest.mark.parametrize("name", SLIDERS)
def test_a_slider_is_linear_moves_only_what_the_mesh_sees_and_is_seen(neutral, name):
    for value in (1.0, SLIDERS[name].lowest):
        if value:
            full, half = edit(neutral, {name: value}).code, edit(neutral, {name: value / 2}).code
            torch.testing.assert_close(half * 2, full)
            moved = {BLENDSHAPES[i] for i in full[0].nonzero().flatten().tolist()}
            assert not moved & STILL
            assert full.norm() > 0.4


@pytest.mark.parametrize(
    "sliders, strong",
    [
        ({"smile": 1}, {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7}),
        ({"smile": -1}, {"mouthFrownLeft": 0.4}),
        ({"frown": 1}, {"mouthFrownLeft": 0.4}),
        ({"brows": 1}, {"browInnerUp": 0.4, "browOuterUpRight": 0.4}),
        ({"brows": -1}, {"browDownLeft": 0.5}),
        ({"sad_brows": 1}, {"browInnerUp": 0.5}),
        ({"lids": -1}, {"eyeBlinkLeft": 0.4, "eyeLookDownLeft": 0.3}),
        ({"squint": 1}, {"eyeSquintLeft": 0.3}),
        ({"jaw": 1}, {"jawOpen": 0.5}),
        ({"pucker": 1}, {"mouthPucker": 0.7}),
        ({"gaze_x": 1}, {"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5}),  # the person's left is the picture's right
        ({"gaze_x": -1}, {"eyeLookInLeft": 0.5, "eyeLookOutRight": 0.5}),
        ({"gaze_y": 1}, {"eyeLookUpLeft": 0.4}),
        ({"gaze_y": -1}, {"eyeLookDownRight": 0.5}),
    ],
)
def test_sliders_do_what_they_are_called(neutral, sliders, strong):
    edited = edit(neutral, sliders)
    for name, least in strong.items():
        assert channel(edited, name) > least


def test_every_slider_has_a_case_above():
    assert set(SLIDERS) == {
        "smile", "frown", "brows", "sad_brows", "lids", "squint", "jaw", "pucker", "gaze_x", "gaze_y",
    }  # fmt: skip


def test_sliders_add_to_an_expression_and_stop_at_one(joy):
    assert channel(edit(joy, {"jaw": 0.5}), "jawOpen") == pytest.approx(channel(joy, "jawOpen") + 0.3)
    assert channel(edit(joy, {"smile": 1}), "mouthSmileLeft") == 1


@pytest.mark.parametrize("sliders", [{"pucker": 1.0}, {"frown": 1.0}, {"smile": -1.0}])
def test_a_slider_takes_away_what_stands_against_it(joy, neutral, sliders):
    """A smile goes when the lips do something else, wherever it comes from, and as far as they do it."""
    half = {name: value / 2 for name, value in sliders.items()}
    smile = channel(joy, "mouthSmileLeft")
    added = channel(edit(neutral, sliders), "mouthSmileLeft")
    assert channel(edit(joy, sliders), "mouthSmileLeft") == pytest.approx(added)
    assert channel(edit(joy, half), "mouthSmileLeft") == pytest.approx((smile + added) / 2)
    assert channel(edit(joy, sliders), "cheekSquintLeft") == channel(joy, "cheekSquintLeft")
    photo = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}  # as the face editor keeps what a photo shows
    assert channel(add(edit(neutral, sliders), photo, sliders), "mouthSmileLeft") == pytest.approx(added)
    assert channel(edit_all(neutral, 1.0, sliders, 0.0, json.dumps(photo)), "mouthSmileRight") == pytest.approx(added)


def test_a_slider_of_one_side_leaves_the_other(joy):
    edited = add(joy, {"frown_left": 1.0, "mouthSmileRight": 0.05})
    assert channel(edited, "mouthSmileLeft") < 0
    assert channel(edited, "mouthSmileRight") == pytest.approx(channel(joy, "mouthSmileRight") + 0.05)


def test_asymmetry_takes_one_side_away_but_not_the_gaze(neutral):
    both = {"smile": 1.0, "gaze_x": 1.0}
    right = edit(neutral, both, asymmetry=1.0)
    assert channel(right, "mouthSmileRight") == 0 and channel(right, "mouthSmileLeft") == pytest.approx(0.8)
    assert channel(right, "eyeLookInRight") == pytest.approx(0.6)
    left = edit(neutral, both, asymmetry=-0.5)
    assert channel(left, "mouthSmileLeft") == pytest.approx(0.4) and channel(left, "mouthSmileRight") > 0.79
    assert not edit(neutral, {}, asymmetry=1.0).code.any()


def test_intensity_zero_is_exactly_neutral_and_one_changes_nothing(joy):
    nothing = scale(joy, 0)
    assert torch.equal(nothing.code, torch.zeros(1, 51)) and not nothing.code.signbit().any()
    assert torch.equal(scale(joy, 1).code, joy.code)
    torch.testing.assert_close(scale(joy, 0.4).code, joy.code * 0.4)
    assert scale(joy, 1.5).code.max() == 1


def test_a_mix_is_exact_at_both_ends_and_straight_between(joy, fear):
    assert torch.equal(mix(joy, fear, 0.0).code, joy.code)
    assert torch.equal(mix(joy, fear, 1.0).code, fear.code)
    torch.testing.assert_close(mix(joy, fear, 0.25).code, 0.75 * joy.code + 0.25 * fear.code)
    assert mix(joy, fear, 0.25).name == "75% joy, 25% fear"


def test_a_mix_repeats_a_single_expression_for_a_batch(joy, fear):
    batch = Expression(torch.cat([joy.code, fear.code, joy.code * 0]))
    assert torch.equal(mix(batch, fear, 0.5).code[1], fear.code[0])
    assert mix(fear, batch, 0.5).code.shape == (3, 51)
    with pytest.raises(ValueError, match="batch sizes differ: .*'first': 3.*'second': 2"):
        mix(batch, Expression(batch.code[:2]), 0.5)


def test_a_journey_begins_and_ends_exactly_and_goes_in_equal_steps(joy, fear):
    way = travel(joy, fear, 5)
    assert way.code.shape == (5, 51)
    assert torch.equal(way.code[0], joy.code[0]) and torch.equal(way.code[-1], fear.code[0])
    step = way.code[1:] - way.code[:-1]
    torch.testing.assert_close(step, ((fear.code - joy.code) / 4).expand(4, -1))
    assert way.name == "joy to fear"


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda joy: edit(joy, {"smlie": 1}), 'got slider "smlie", want one of smile'),
        (lambda joy: edit(joy, {"frown": -0.5}), 'got -0.5 for slider "frown", want 0 to 1'),
        (lambda joy: edit(joy, {"brows": 1.5}), 'got 1.5 for slider "brows", want -1 to 1'),
        (lambda joy: edit(joy, {"brows": float("nan")}), "got nan"),
        (lambda joy: edit(joy, {}, asymmetry=2), "got 2 for asymmetry, want -1 to 1"),
        (lambda joy: scale(joy, 1.6), "got 1.6 for intensity, want 0 to 1.5"),
        (lambda joy: mix(joy, joy, -0.1), "got -0.1 for weight, want 0 to 1"),
        (lambda joy: travel(joy, joy, 1), r"got 1 steps, want 2 \(the two ends\) to 1000"),
        (lambda joy: travel(joy, Expression(joy.code.repeat(2, 1)), 3), "got 2 second expressions, want one"),
    ],
)
def test_what_is_out_of_range_is_refused(joy, call, message):
    with pytest.raises(ValueError, match=message):
        call(joy)
