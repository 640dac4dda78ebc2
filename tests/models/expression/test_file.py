import json

import pytest
import torch
from diffsfsr.models.codes import Expression
from diffsfsr.models.expression.file import from_json, from_values, load_expression, own_name, save_expression
from diffsfsr.models.faces.mesh import BLENDSHAPES
from safetensors.torch import save_file


@pytest.fixture
def expression(generator):
    return Expression(torch.rand(2, 51, generator=generator) * 2 - 1, "one \u00e9 two")


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
    with pytest.raises(ValueError, match=r'want "code" float32 \(n, 51\); save the expression'):
        load_expression(tmp_path / "other.safetensors")
    shuffled = json.dumps(BLENDSHAPES[::-1])
    save_file({"code": code}, tmp_path / "order.safetensors", metadata=kind | {"blendshapes": shuffled})
    with pytest.raises(ValueError, match="has other blendshapes than this pack reads"):
        load_expression(tmp_path / "order.safetensors")


def test_names_and_values_give_an_expression():
    made = from_values({"jawOpen": 0.4, "mouthSmile": 0.5, "browDownLeft": -0.2}, "mine")
    assert made.code.shape == (1, 51) and made.name == "mine"
    assert channel(made, "mouthSmileLeft") == channel(made, "mouthSmileRight") == 0.5
    assert channel(made, "jawOpen") == pytest.approx(0.4) and made.code.count_nonzero() == 4 and made.unknown == ()
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
        ('{"jawOpen": 0.1, "jaw_open": 0.1}', 'got "jawOpen" in mine twice, with the second time as "jaw_open"'),
        ('{"jawOpen": ' + "9" * 400 + "}", 'got inf for "jawOpen"'),
        ('{"jawOpen": {"a": ' * 50_000, "nested too deep"),
        ('{"' + "x" * 500_000 + '": 0.1}', 'got blendshape "xxx.*xxx[.]{3}" in mine'),
        (" " * 2_000_000, "got 2,000,000 characters in mine"),
    ],
)
def test_mistakes_in_names_and_values_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        from_json(text, "mine")


@pytest.mark.parametrize("name, own", [
    ("eyeBlinkLeft", "eyeBlinkLeft"), ("eye_blink_left", "eyeBlinkLeft"), ("EyeBlink_L", "eyeBlinkLeft"),
    ("EYEBLINKLEFT", "eyeBlinkLeft"), ("blendShape1.eyeBlink_r", "eyeBlinkRight"), ("brow_inner_up", "browInnerUp"),
    ("eye-blink", "eyeBlink"), ("tongueOut", None), ("_neutral", None), ("", None), ("jaw" * 100, None),
])  # fmt: skip
def test_names_of_other_tools_are_folded_to_ours(name, own):
    assert own_name(name) == own


def test_other_tools_files_are_read_and_what_they_know_besides_is_listed():
    """MediaPipe's own 52, ARKit's 52."""
    for extra in ("_neutral", "tongueOut"):
        read = from_values({extra: 0.3} | dict.fromkeys(BLENDSHAPES, 0.25))
        assert read.unknown == (extra,) and torch.equal(read.code, torch.full((1, 51), 0.25))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_in_other_encodings_are_read(tmp_path, encoding):
    (tmp_path / "wide.json").write_text('{"jawOpen": 0.4}', encoding=encoding)
    assert channel(load_expression(tmp_path / "wide.json"), "jawOpen") == pytest.approx(0.4)
    assert channel(from_json("\ufeff" + '{"jawOpen": 0.4}'), "jawOpen") == pytest.approx(0.4)


def test_numbers_that_no_face_has_are_refused_when_read_and_when_written(tmp_path, expression):
    with pytest.raises(ValueError, match="got numbers up to 100 in the expression, want .* -2 to 2"):
        save_expression(tmp_path / "a.safetensors", Expression(torch.full((1, 51), 100.0)))
    kind = {"format": "diffsfsr-expression-1", "blendshapes": json.dumps(BLENDSHAPES)}
    for value, message in ((-3.0, "got numbers up to 3 in b"), (torch.inf, "NaN or infinite")):
        save_file({"code": torch.full((1, 51), value)}, tmp_path / "b.safetensors", metadata=kind)
        with pytest.raises(ValueError, match=message):
            load_expression(tmp_path / "b.safetensors")
