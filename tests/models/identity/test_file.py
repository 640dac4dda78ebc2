"""Identity files: what is written is read again, and nothing else is."""

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.codes import Identity
from diffsfsr.models.identity.file import load_identity, save_identity
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
        (GOOD | {"format": "diffsfsr-1"}, {}, 'format "diffsfsr-1", want "diffsfsr-identity-1"'),
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
