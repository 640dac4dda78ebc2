import json

import pytest
import torch
from diffsfsr.models.codes import Expression
from diffsfsr.models.expression.file import (
    from_json,
    from_landmarks,
    from_values,
    load_expression,
    save_expression,
    to_values,
)
from diffsfsr.models.faces.mesh import BLENDSHAPES
from safetensors.torch import save_file


@pytest.fixture
def expression(generator):
    return Expression(torch.rand(2, 51, generator=generator) * 2 - 1, "one \u00e9 two")


def face(left=0.0, right=100.0, **values):
    """A face of ComfyUI core's FACE_LANDMARKS, its other fields left out."""
    shapes = dict.fromkeys(("_neutral", *BLENDSHAPES), 0.1) | values
    return {"bbox_xyxy": [left, 0.0, right, 100.0], "blendshapes": shapes, "score": 0.9}


def channel(expression, name, row=0):
    return float(expression.code[row, BLENDSHAPES.index(name)])


def test_a_file_gives_back_what_was_saved_bit_for_bit(tmp_path, expression):
    save_expression(tmp_path / "a.safetensors", expression)
    loaded = load_expression(tmp_path / "a.safetensors")
    assert torch.equal(loaded.code, expression.code) and loaded.name == expression.name


def test_foreign_and_broken_files_are_refused(tmp_path, expression):
    with pytest.raises(FileNotFoundError, match="no expression file"):
        load_expression(tmp_path / "missing.safetensors")
    with pytest.raises(FileNotFoundError, match="no folder"):
        save_expression(tmp_path / "no" / "a.safetensors", expression)
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"cannot read the expression broken\.safetensors"):
        load_expression(tmp_path / "broken.safetensors")
    code, kind = expression.code.contiguous(), {"format": "diffsfsr-expression-1"}
    save_file({"code": code}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match=r'foreign\.safetensors is no expression of this pack \(format "None"'):
        load_expression(tmp_path / "foreign.safetensors")
    save_file({"other": code}, tmp_path / "other.safetensors", metadata=kind)
    with pytest.raises(ValueError, match='want one float32 tensor "code"'):
        load_expression(tmp_path / "other.safetensors")
    shuffled = json.dumps(BLENDSHAPES[::-1])
    save_file({"code": code}, tmp_path / "order.safetensors", metadata=kind | {"blendshapes": shuffled})
    with pytest.raises(ValueError, match="has other blendshapes than this pack reads"):
        load_expression(tmp_path / "order.safetensors")


def test_names_and_values_give_an_expression_and_come_back():
    made = from_values({"jawOpen": 0.4, "mouthSmile": 0.5, "browDownLeft": -0.2}, "mine")
    assert made.code.shape == (1, 51) and made.name == "mine"
    assert channel(made, "mouthSmileLeft") == channel(made, "mouthSmileRight") == 0.5
    values = to_values(made)
    assert values == {"jawOpen": 0.4, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "browDownLeft": -0.2}
    assert torch.equal(from_values(values).code, made.code)
    assert torch.equal(from_values({}).code, torch.zeros(1, 51))


def test_a_json_file_is_an_expression_too(tmp_path):
    (tmp_path / "wink.json").write_text('{"eyeBlinkLeft": 0.5}')
    wink = load_expression(tmp_path / "wink.json")
    assert channel(wink, "eyeBlinkLeft") == 0.5 and wink.name == "wink"


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "cannot read mine as JSON"),
        ("[0.4]", "got list in mine, want an object of blendshapes"),
        ('{"jawOpn": 0.4}', 'got blendshape "jawOpn" in mine, .* such as jawOpen'),
        ('{"jawOpen": "wide"}', "got 'wide' for \"jawOpen\""),
        ('{"jawOpen": 1.4}', r"got jawOpen 1.4 in mine, want differences from neutral, -1 to 1"),
        ('{"jawOpen": NaN}', 'got nan for "jawOpen"'),
        ('{"mouthSmile": 0.1, "mouthSmileLeft": 0.1}', "twice"),
    ],
)
def test_mistakes_in_names_and_values_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        from_json(text, "mine")


def test_a_row_that_is_not_there_is_refused(expression):
    with pytest.raises(ValueError, match="got row 2 of 2 expressions, want 0 to 1"):
        to_values(expression, 2)


def test_landmarks_give_one_row_a_frame_that_of_the_largest_face():
    neutral = torch.full((51,), 0.1)
    frames = [[face(jawOpen=0.2), face(right=300.0, jawOpen=0.7)], [face()]]
    read = from_landmarks({"frames": frames, "image_size": (480, 640)}, neutral)
    assert read.code.shape == (2, 51)
    assert channel(read, "jawOpen", 0) == pytest.approx(0.6)
    assert torch.equal(read.code[1], torch.zeros(51))


def test_landmarks_are_corrected_by_the_persons_own_neutral():
    own = from_landmarks({"frames": [[face(mouthSmileLeft=0.6)]]}, torch.zeros(51)).code[0]
    read = from_landmarks({"frames": [[face(mouthSmileLeft=0.8)]]}, own)
    assert channel(read, "mouthSmileLeft") == pytest.approx(0.2)
    assert read.code.count_nonzero() == 1


@pytest.mark.parametrize(
    "landmarks, message",
    [
        ({}, "got no face landmarks"),
        ({"frames": []}, "got no face landmarks"),
        ({"frames": [[face()], []]}, "no face in frame 1 of 2 of the face landmarks; lower the confidence"),
        ({"frames": [[{"bbox_xyxy": [0, 0, 1, 1]}]]}, "frame 0 have no blendshapes"),
        ({"frames": [[face() | {"blendshapes": {"jawOpen": 0.1}}]]}, "frame 0 lack 50 blendshapes, such as browDown"),
        ({"frames": [[face(jawOpen=float("nan"))]]}, "got jawOpen nan in frame 0 of the face landmarks"),
        ({"frames": [[face(jawOpen=1.2)]]}, "got jawOpen 1.2 in frame 0 of the face landmarks"),
    ],
)
def test_landmarks_that_cannot_be_used_are_refused(landmarks, message):
    with pytest.raises(ValueError, match=message):
        from_landmarks(landmarks, torch.zeros(51))
