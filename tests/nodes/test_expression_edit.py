"""Expression by Text and Edit, Mix and Travel Expressions in a real host."""

from itertools import pairwise

import pytest
import torch
from diffsfsr.models.expression.edit import SLIDERS
from diffsfsr.models.expression.file import from_values
from diffsfsr.models.faces.mesh import BLENDSHAPES

pytestmark = pytest.mark.host

SETTINGS = dict(seed=3, steps=2, sampler_name="euler", scheduler="simple", identity_scale=2.0, expression_scale=1.5)
AT_REST = dict.fromkeys((*SLIDERS, "asymmetry"), 0.0) | {"intensity": 1.0}


@pytest.fixture(scope="module")
def label(run, diffsfsr):
    def label(word, intensity=1.0):
        return run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label=word, variant=0, intensity=intensity)[0]

    return label


@pytest.fixture(scope="module")
def edit(run):
    def edit(expression=None, **sliders):
        return run("DiffSFSREditExpression", expression=expression, **AT_REST | sliders)[0]

    return edit


def test_words_of_ones_own_are_a_label_and_a_strength(run, diffsfsr, label):
    def text(words, intensity=1.0):
        return run("DiffSFSRExpressionByText", diffsfsr=diffsfsr, text=words, variant=0, intensity=intensity)[:2]

    expression, understood = text("joy")
    assert understood == "joy" and torch.equal(expression.code, label("joy").code)
    weak, understood = text("slightly joyful")
    assert understood == "joy" and 0 < weak.code.norm() < expression.code.norm()
    assert (text("joy", 0.0)[0].code == 0).all()
    strongest, _ = text("utterly joyful", 1.5)
    torch.testing.assert_close(strongest.code, label("joy", 1.5).code)
    with pytest.raises(ValueError, match="no word is known"):
        text("xyzzyqqq")


def test_lines_of_words_are_a_batch_of_emotions_and_actions(run, diffsfsr, label):
    asked = dict(text="joy\n\nangry but smiling\nlooking left\n", variant=0, intensity=1.0)
    expression, understood, shown = run("DiffSFSRExpressionByText", diffsfsr=diffsfsr, **asked)
    assert expression.code.shape == (3, 51) and understood.split("\n") == ["joy", "anger, smile", "looking left"]
    torch.testing.assert_close(expression.code[:1], label("joy").code)
    assert shown.shape == (4, 160, 160, 3)  # two heads each for joy and anger


def test_an_action_alone_says_what_cannot_be_shown(host, diffsfsr):
    node = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRExpressionByText"]
    shown = node.execute(diffsfsr=diffsfsr, text="tongue out", variant=0, intensity=1.0)
    assert "tongue cannot be painted" in shown.ui["text"][0] and shown.args[0].code.any()


def test_a_label_that_is_none_is_refused_by_what_it_means(host):
    node = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRExpressionByLabel"]
    assert node.validate_inputs(label="joy") is True and node.validate_inputs() is True
    said = node.validate_inputs(label="happy")
    assert '"happy" means happiness' in said and "Expression by Text" in said
    for variant in (node, host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRExpressionByText"]):
        assert variant.INPUT_TYPES()["required"]["variant"][1]["max"] == 1


def test_what_a_label_looks_like_is_shown(host, diffsfsr):
    """The preview of the node, a person, and its IMAGE, two heads; the words that were understood are still told."""
    node = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRExpressionByText"]
    shown = node.execute(diffsfsr=diffsfsr, text="joy", variant=1, intensity=1.0)
    assert shown.args[2].shape == (2, 160, 160, 3)
    assert len(shown.ui["images"]) == 1 and shown.ui["text"] == ("joy, intensity 1.00",)  # a person does it, once


def test_each_slider_moves_the_face_and_none_leaves_it(host, edit, label):
    joy = label("joy")
    assert torch.equal(edit(joy).code, joy.code)
    assert (edit().code == 0).all() and edit().code.shape == (1, 51)
    assert edit(smile=0.5, gaze_x=-0.3).code.norm() > 0.1
    moved = [edit(joy, **{name: 0.5}).code for name in SLIDERS]
    assert all(not torch.equal(code, joy.code) for code in moved)
    info = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSREditExpression"].INPUT_TYPES()["required"]
    assert list(info) == ["intensity", *SLIDERS, "asymmetry"]
    assert {name: info[name][1]["min"] for name in SLIDERS} == {name: each.lowest for name, each in SLIDERS.items()}


def test_intensity_and_asymmetry(edit, label):
    joy = label("joy")
    assert (edit(joy, intensity=0.0).code == 0).all()
    torch.testing.assert_close(edit(joy, intensity=0.5).code, joy.code / 2)
    assert not torch.equal(edit(joy, asymmetry=1.0).code, edit(joy, asymmetry=-1.0).code)
    with pytest.raises(ValueError, match='2.0 for slider "smile"'):
        edit(joy, smile=2.0)


def test_values_add_what_sliders_cannot_say_and_strength_scales_the_sum(edit, label):
    joy = label("joy")
    assert torch.equal(edit(joy, values="", strength=1.0).code, joy.code)
    assert torch.equal(edit(joy, values=" {} ").code, joy.code)
    sides = [edit(values=f'{{"smile_{side}": 0.5}}').code for side in ("left", "right")]
    torch.testing.assert_close(sides[0] + sides[1], edit(smile=0.5).code)
    left = [name.endswith("Left") for name in BLENDSHAPES].index(True)
    assert not torch.equal(*sides) and sides[1][0, left] == 0
    pressed = edit(values='{"press": 0.5, "press_left": 0.5}').code - edit(values='{"press": 0.5}').code
    assert (
        pressed[0, BLENDSHAPES.index("mouthPressLeft")] > 0.2 == pressed[0, BLENDSHAPES.index("mouthPressRight")] + 0.2
    )
    cheeks = edit(values='{"cheekSquint": 0.4, "jawOpen": -0.1}', smile=0.2)
    torch.testing.assert_close(
        cheeks.code - edit(smile=0.2).code, from_values({"cheekSquint": 0.4, "jawOpen": -0.1}).code
    )
    torch.testing.assert_close(edit(joy, values='{"jawOpen": 0.2}', strength=0.5).code,
                               edit(joy, values='{"jawOpen": 0.2}').code / 2)  # fmt: skip
    assert (edit(joy, smile=1.0, strength=0.0).code == 0).all()
    for text, said in (("[1]", "want an object"), ('{"smile_left": 2}', "2 for"), ("{", "as JSON"), ('{"x": 1}', "x")):
        with pytest.raises(ValueError, match=said):
            edit(values=text)


def test_mix_and_travel_reach_both_ends(run, label):
    joy, anger = label("joy"), label("anger")
    for weight, end in ((0.0, joy), (1.0, anger)):
        assert torch.equal(run("DiffSFSRMixExpressions", first=joy, second=anger, weight=weight)[0].code, end.code)
    (way,) = run("DiffSFSRTravelExpressions", first=joy, second=anger, steps=5)
    assert way.code.shape == (5, 51)
    assert torch.equal(way.code[:1], joy.code) and torch.equal(way.code[-1:], anger.code)
    (half,) = run("DiffSFSRMixExpressions", first=joy, second=anger, weight=0.5)
    torch.testing.assert_close(way.code[2:3], half.code)


def test_a_travel_is_a_batch_of_pictures(run, diffsfsr, label, people):
    background, *_ = run("DiffSFSRExtractBackground", diffsfsr=diffsfsr, image=people(2), face="largest", face_number=0)
    (way,) = run("DiffSFSRTravelExpressions", first=label("joy"), second=label("anger"), steps=3)
    pictures, _ = run(
        "DiffSFSRSampler",
        diffsfsr=diffsfsr,
        background=background,
        expression=way,
        shared_noise=True,
        detail=1,
        **SETTINGS,
    )
    assert len(pictures) == 3
    steps = [(one - other).abs().mean() for one, other in pairwise(pictures)]
    assert min(steps) > 0 and (pictures[0] - pictures[2]).abs().mean() > max(steps) / 2
