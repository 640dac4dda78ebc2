import dataclasses

import pytest
import torch
from diffsfsr.training.reader import LatentReader, ReaderTraining, train_reader


@pytest.fixture(scope="module")
def data(made_up):
    generator = torch.Generator().manual_seed(0)
    return dataclasses.replace(made_up, latents=2 * torch.randn(8, 4, 16, 16, generator=generator).half())


def test_reads_unit_vectors_and_expressions_with_gradients():
    z = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    identity, expression = LatentReader(4, 16)(z)
    assert identity.shape == (2, 16) and expression.shape == (2, 51)
    torch.testing.assert_close(identity.norm(dim=-1), torch.ones(2))
    (identity[0, 0] + expression[1, 0]).backward()
    assert z.grad.abs().amax((1, 2, 3)).min() > 0


def test_learns_to_read(data):
    neutral, spread = torch.zeros(51), data.blendshapes.std(0)
    steps = [(step.cosine, step.error) for step in
             train_reader(ReaderTraining(steps=30, batch=16), data, 0.5, neutral, spread)]  # fmt: skip
    assert abs(steps[0][0]) < 0.3 and steps[-1][0] > 0.8
    assert steps[-1][1] < 0.6 * steps[0][1]
