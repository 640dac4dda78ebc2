import json
from pathlib import Path

import pytest
import torch
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.expression.references import FILE, PEOPLE, SIDE, References, save_references
from diffsfsr.models.network.checkpoint import ASSETS


@pytest.fixture(scope="module")
def references():
    return References.load(ASSETS / FILE)


@pytest.fixture
def small(tmp_path):
    """Two labels with one and two variants on two heads, each picture of another green."""
    path = tmp_path / FILE
    green = [[40 * i + 20 for i in (2 * row, 2 * row + 1)] for row in range(3)]
    pictures = [
        [torch.tensor([0.0, g / 127.5 - 1, 0.0])[:, None, None].expand(3, 200, 200) for g in row] for row in green
    ]
    codes = torch.linspace(-0.5, 0.5, 3 * 51).view(3, 51)
    tensors = {"meant": codes / 2, "acted": torch.tensor([[0.5, 0], [0, 1], [0, 0]]), "codes": codes,
               "read": torch.stack([codes, -codes], 1)}  # fmt: skip
    save_references(path, pictures, ["a", "b"], {"calm": 1, "joy": 2}, ["jawOpen", "mouthSmileLeft"], tensors)
    return path, codes


def test_what_is_written_is_read_back(small):
    path, codes = small
    references = References.load(path)
    assert references.heads == ("a", "b") and references.variants == {"calm": 1, "joy": 2}
    assert torch.equal(references.codes, codes) and references.read.shape == (3, 2, 51)
    assert references.rows("joy") == slice(1, 3)
    assert references.actions_of("calm") == {"jawOpen": 0.5} and references.actions_of("joy", 1) == {}
    for row, (label, variant) in enumerate([("calm", 0), ("joy", 0), ("joy", 1)]):
        pictures = references.pictures(label, variant)
        assert pictures.shape == (2, 3, SIDE, SIDE)
        green = (pictures[:, 1].mean((1, 2)) + 1) * 127.5
        assert green.tolist() == pytest.approx([80 * row + 20, 80 * row + 60], abs=4)


@pytest.mark.parametrize("label, variant, message", [("joy", 2, "want 0 to 1"), ("calm", -1, "want 0 to 0")])
def test_a_variant_that_is_not_there_is_refused(small, label, variant, message):
    with pytest.raises(ValueError, match=message):
        References.load(small[0]).pictures(label, variant)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no reference pictures"):
        References.load(tmp_path / FILE)
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot read the reference pictures"):
        References.load(tmp_path / FILE)
    with pytest.raises(ValueError, match="cannot read|is no reference pictures of this pack"):
        References.load(ASSETS / "mean_face.safetensors")


def test_the_bundled_ones_show_every_variant_of_every_label(references):
    table = json.loads((ASSETS / "expressions.json").read_text())["labels"]
    assert references.variants == {label: len(value["variants"]) for label, value in table.items()}
    assert len(references.heads) == 2 and references.read.shape[:2] == (sum(references.variants.values()), 2)
    assert (ASSETS / FILE).stat().st_size < 2e6
    pictures = references.pictures("joy", 1)
    assert pictures.shape == (2, 3, SIDE, SIDE) and pictures.std() > 0.2
    assert (pictures[0] - pictures[1]).abs().mean() > 0.05  # two people


def test_the_bundled_person_shows_every_variant_of_every_label_and_does_what_it_means(references):
    person = References.load(ASSETS / PEOPLE)
    assert person.variants == references.variants and len(person.heads) == 1
    assert (ASSETS / PEOPLE).stat().st_size < 2e6
    joy, grief = person.pictures("joy"), person.pictures("grief")
    assert joy.shape == (1, 3, SIDE, SIDE) and joy.std() > 0.2 and (joy - grief).abs().mean() > 0.02
    assert torch.nn.functional.cosine_similarity(person.read[:, 0], person.codes).mean() > 0.6


def test_the_library_takes_its_codes_from_what_was_read(references):
    library, meant = (
        make(ASSETS / "expressions.json") for make in (ExpressionLibrary.load, ExpressionLibrary.authored)
    )
    for label in ("terror", "anger", "longing"):
        assert torch.equal(library.code(label, 1), references.codes[references.rows(label)][1].clamp(-1, 1))
        assert 0.02 < (library.code(label) - meant.code(label)).norm() < 0.6


def test_a_label_that_was_changed_since_it_was_rendered_is_refused(tmp_path: Path):
    table = json.loads((ASSETS / "expressions.json").read_text())
    table["labels"]["joy"]["variants"][0]["actions"] = {"jawOpen": 0.9}
    (tmp_path / "expressions.json").write_text(json.dumps(table))
    (tmp_path / FILE).symlink_to(ASSETS / FILE)
    with pytest.raises(ValueError, match='"joy" was changed since it was rendered; run `python cli.py library render`'):
        ExpressionLibrary.load(tmp_path / "expressions.json")
