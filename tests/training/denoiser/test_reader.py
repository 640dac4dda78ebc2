import dataclasses

import pytest
import torch
from diffsfsr.models.readers.latent import LatentReader
from diffsfsr.training.denoiser.reader import ReaderTraining, is_reader_of, load_reader, train_reader


@pytest.fixture(scope="module")
def data(made_up):
    generator = torch.Generator().manual_seed(0)
    return dataclasses.replace(made_up, latents=2 * torch.randn(8, 4, 16, 16, generator=generator).half())


@pytest.mark.parametrize("side", (8, 16, 32, 64))
def test_reads_a_unit_vector_of_every_recogniser_and_expressions_with_gradients(side):
    z = torch.randn(2, 4, side, side, generator=torch.Generator().manual_seed(0)).requires_grad_()
    identity, expression = LatentReader(4, (16, 8), side)(z)
    assert identity.shape == (2, 24) and expression.shape == (2, 51)
    for part in identity.split((16, 8), dim=-1):
        torch.testing.assert_close(part.norm(dim=-1), torch.ones(2))
    (identity[0, 0] + expression[1, 0]).backward()
    assert z.grad.abs().amax((1, 2, 3)).min() > 0


def test_latents_that_cannot_be_halved_to_four_are_refused():
    with pytest.raises(ValueError, match="24 x 24"):
        LatentReader(4, (16,), 24)


def test_a_reader_of_other_pictures_is_told_apart(tmp_path):
    path, model = tmp_path / "reader.pt", LatentReader(4, (16,), 8)
    assert not is_reader_of(path, {"shards": "1"})
    torch.save({"made_from": {"shards": "1"}, "weights": model.state_dict()}, path)
    assert is_reader_of(path, {"shards": "1"}) and not is_reader_of(path, {"shards": "2"})
    z = torch.randn(1, 4, 8, 8)
    assert torch.equal(load_reader(path, (4, 8), (16,))(z)[0], model(z)[0])


def test_learns_to_read(data):
    neutral, spread = torch.zeros(51), data.blendshapes.std(0)
    settings = ReaderTraining(steps=30, batch=16)
    steps = [(step.cosine, step.error) for step in train_reader(settings, data, 0.5, neutral, spread, (16,))]
    assert abs(steps[0][0]) < 0.3 and steps[-1][0] > 0.8
    assert steps[-1][1] < 0.6 * steps[0][1]
