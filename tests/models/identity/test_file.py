"""Identity files: what is written is read again, and nothing else is."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.appearance.photos import PORTRAIT, Appearance
from diffsfsr.models.codes import Identity
from diffsfsr.models.identity.file import PHOTOS, load_identity, save_identity
from safetensors import safe_open
from safetensors.torch import save_file


@pytest.fixture
def identity():
    vectors = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(1))
    return Identity(F.normalize(vectors, dim=-1).flatten(1), ("first", "second"), 3)


def test_identity_comes_back_bit_for_bit(tmp_path, identity):
    path = tmp_path / "anna.safetensors"
    save_identity(path, identity)
    again = load_identity(path)
    assert torch.equal(again.code, identity.code)
    assert (again.recognisers, again.photos) == (("first", "second"), 3)
    save_identity(path, Identity(identity.code[:1, :3], ("other",)))
    assert load_identity(path).recognisers == ("other",)


@pytest.fixture
def photographed(identity):
    """Two people, of one and of three photos."""
    draw = torch.Generator().manual_seed(2)
    appearances = tuple(
        Appearance(
            torch.randint(256, (n, 3, PORTRAIT.size, PORTRAIT.size), generator=draw, dtype=torch.uint8),
            PORTRAIT.size * torch.rand(n, 478, 3, generator=draw),
            torch.rand(n, 51, generator=draw),
        )
        for n in (1, 3)
    )
    return replace(identity, appearances=appearances)


def test_photos_come_back_bit_for_bit_with_their_people(tmp_path, photographed):
    path = tmp_path / "both.safetensors"
    save_identity(path, photographed)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["format"] == "diffsfsr-identity-2"
    again = load_identity(path)
    assert torch.equal(again.code, photographed.code) and [len(own.points) for own in again.appearances] == [1, 3]
    for own, wanted in zip(again.appearances, photographed.appearances, strict=True):
        assert all(torch.equal(getattr(own, name), getattr(wanted, name)) for name in PHOTOS)


def test_without_photos_the_file_is_what_it_was_before_there_were_any(tmp_path, identity):
    """Which older versions of the pack read."""
    path = tmp_path / "anna.safetensors"
    save_identity(path, identity)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["format"] == "diffsfsr-identity-1" and set(file.keys()) == {"code"}
    assert load_identity(path).appearances == ()


@pytest.mark.parametrize(
    ("metadata", "tensors", "said"),
    [
        ({"photos_of_each": "[2, 2]"}, {"code": torch.ones(1, 1)}, "got [2, 2] as the photos of each person"),
        ({"photos_of_each": "[1]"}, {}, "want 2 numbers from 1 to 8, 4 in all"),
        ({"photos_of_each": "[0, 4]"}, {}, "got [0, 4] as"),
        ({"photos_of_each": "[1, 2]"}, {}, "got [1, 2] as"),
        ({"photos_of_each": "[true, 3]"}, {}, "got [True, 3] as"),
        ({"photos_of_each": "few"}, {}, "cannot read the photos of each person in both.safetensors"),
        ({}, {"points": torch.full((4, 478, 3), torch.nan)}, "NaN"),
        ({}, {"points": torch.full((4, 478, 3), 1e6)}, "that no photo of a face has"),
        ({}, {"blendshapes": torch.full((4, 51), 2.0)}, "that no photo of a face has"),
        ({}, {"blendshapes": torch.zeros(3, 51)}, '"blendshapes" float32 (3, 51)'),
        ({}, {"pictures": torch.zeros(4, 3, 64, 64, dtype=torch.uint8)}, '"pictures" uint8 (4, 3, 64, 64)'),
        ({}, {"pictures": torch.zeros(4, 3, 640, 640)}, '"pictures" float32 (4, 3, 640, 640)'),
    ],
)
def test_broken_photos_are_refused(tmp_path, photographed, metadata, tensors, said):
    path = tmp_path / "both.safetensors"
    save_identity(path, photographed)
    with safe_open(path, framework="pt") as file:
        whole, had = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    if "code" in tensors:
        had["recognisers"] = '["first"]'
    save_file(whole | tensors, path, metadata=had | metadata)
    with pytest.raises(ValueError) as error:
        load_identity(path)
    assert said in str(error.value)


def test_there_must_be_a_folder_and_a_file(tmp_path, identity):
    with pytest.raises(FileNotFoundError, match="no folder"):
        save_identity(tmp_path / "nowhere" / "anna.safetensors", identity)
    with pytest.raises(FileNotFoundError, match="no identity file"):
        load_identity(tmp_path / "anna.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a file of this kind", b"\x10\0\0\0\0\0\0\0{broken"])
def test_broken_files_are_named(tmp_path, content):
    path = tmp_path / "anna.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot read the identity anna.safetensors"):
        load_identity(path)


GOOD = {"format": "diffsfsr-identity-1", "recognisers": '["first"]', "photos": "1"}


@pytest.mark.parametrize(
    ("metadata", "tensors", "said"),
    [
        (GOOD | {"format": "diffsfsr-1"}, {}, 'format "diffsfsr-1", want "diffsfsr-identity-1 or diffsfsr-identity-2"'),
        (GOOD, {"other": torch.zeros(1, 6)}, 'got "code" float32 (1, 6), "other" float32 (1, 6) in the identity anna'),
        (GOOD, {"code": torch.zeros(1, 6).half()}, '"code" float16 (1, 6)'),
        (GOOD, {"code": torch.zeros(6)}, '"code" float32 (6)'),
        (GOOD, {"code": torch.zeros(0, 6)}, "empty identity code"),
        (GOOD, {"code": torch.zeros(1, 6)}, "0 to 0 times as long as they should be"),
        (GOOD, {"code": torch.full((1, 6), 1e30)}, "times as long as they should be"),
        (GOOD, {"code": torch.full((1, 6), torch.nan)}, "NaN"),
        ({"format": GOOD["format"], "photos": "1"}, {}, "does not say how it was made"),
        (GOOD | {"recognisers": "first"}, {}, "does not say how it was made"),
        (GOOD | {"recognisers": "[]"}, {}, "want a list of names"),
        (GOOD | {"photos": "some"}, {}, "does not say how it was made"),
        (GOOD | {"photos": "0"}, {}, "was made from 0 photos"),
        (GOOD | {"recognisers": "[" * 100_000}, {}, "nested too deep"),
    ],
)
def test_files_that_are_no_identity_are_refused(tmp_path, metadata, tensors, said):
    path = tmp_path / "anna.safetensors"
    save_file({"code": torch.zeros(1, 6)} | tensors, path, metadata=metadata)
    with pytest.raises(ValueError) as error:
        load_identity(path)
    assert said in str(error.value)
