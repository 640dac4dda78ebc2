import pytest
import torch
from diffsfsr.models.identity.recogniser import Recogniser
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def small() -> Recogniser:
    """Random weights, with running statistics of a few batches."""
    torch.manual_seed(0)
    model = Recogniser(widths=(8, 8, 16, 16), blocks=(1, 2, 1), size=12).train()
    with torch.no_grad():
        for _ in range(5):
            model(torch.randn(4, 3, 112, 112))
    return model.eval().requires_grad_(False)


@pytest.fixture
def faces(generator):
    return torch.rand(3, 3, 112, 112, generator=generator) * 2 - 1


def test_codes_are_unit_vectors(small, faces):
    code = small(faces)
    assert code.shape == (3, 12)
    torch.testing.assert_close(code.norm(dim=-1), torch.ones(3))


def test_a_batch_is_its_single_faces(small, faces):
    torch.testing.assert_close(small(faces), torch.cat([small(face[None]) for face in faces]))


def test_gradient_reaches_the_pixels(small, faces):
    x = faces.clone().requires_grad_()
    code = small(x)
    (code[0] @ code[1]).backward()
    assert x.grad[:2].abs().amax((1, 2, 3)).min() > 0 and not x.grad[2].any()


def test_saved_and_loaded_it_says_the_same(small, faces, tmp_path):
    path = tmp_path / "small.safetensors"
    small.save(path)
    again = Recogniser.load(path)
    assert again.config == small.config
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    assert (again(faces) * small(faces)).sum(-1).min() > 0.999  # the file is in half precision


def test_broken_files_are_refused(small, tmp_path):
    path = tmp_path / "small.safetensors"
    small.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cannot read the recogniser .*small.safetensors"):
        Recogniser.load(path)
    with pytest.raises(FileNotFoundError, match="no recogniser file .*none.safetensors"):
        Recogniser.load(tmp_path / "none.safetensors")


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match='no recogniser of this pack .format "None", want "diffsfsr-recogniser-1"'):
        Recogniser.load(path)


def test_weights_that_do_not_fit_are_refused(small, tmp_path):
    path = tmp_path / "small.safetensors"
    metadata = {
        "format": "diffsfsr-recogniser-1",
        "config": '{"widths": [8, 8, 16, 16], "blocks": [1, 2, 1], "size": 13}',
    }
    save_file(small.state_dict(), path, metadata=metadata)
    with pytest.raises(ValueError, match="weights of the recogniser small.safetensors do not fit.*vector.1.bias"):
        Recogniser.load(path)
