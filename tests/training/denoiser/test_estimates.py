import dataclasses

import pytest
import torch
from diffsfsr.models.network.schedule import Schedule
from diffsfsr.training.denoiser.estimates import RANGES, measure_weights, reconstruction, squared_errors
from diffsfsr.training.denoiser.train import new_model


class Known(torch.nn.Module):
    """Answers with the true v, plus an error that depends on the timestep's range."""

    def __init__(self, model, error):
        super().__init__()
        self.config, self.conditioner, self.error = model.config, model.conditioner, error

    def forward(self, z, t, batch):
        answer = Schedule().target(batch.z0, batch.noise, t, "v_prediction")
        return answer + self.error(t).view(-1, 1, 1, 1)


@pytest.fixture(scope="module")
def model(tiny, made_up):
    return new_model(tiny, made_up)


def rows_for(model, made_up, error, seed=0):
    return measure_weights(Known(model, error), made_up, (16,), seed, "x", 0, "raw")


def test_a_perfect_model_has_no_error(model, made_up):
    rows = rows_for(model, made_up, lambda t: torch.zeros(len(t)))
    assert [(row.t_from, row.t_to) for row in rows] == list(RANGES) and rows[0].t_from == 0 and rows[-1].t_to == 1000
    assert max(max(row.one_step, row.midpoint, row.improved) for row in rows) < 1e-9


def test_errors_are_those_of_the_answers(model, made_up):
    """An error of 1 in v is one of s_t in z_0; the second look, with a smaller s, has the smaller share of it."""
    rows = rows_for(model, made_up, lambda t: torch.ones(len(t)))
    for row in rows:
        s2 = 1 - Schedule().alphas[row.t_from : row.t_to]
        assert s2.min() <= row.one_step <= s2.max()
    assert rows == rows_for(model, made_up, lambda t: torch.ones(len(t)))
    assert rows != rows_for(model, made_up, lambda t: torch.ones(len(t)), seed=1)


def test_only_what_lies_in_the_mask_and_in_the_photo_counts(model, made_up):
    half = made_up.inside.clone()
    half[..., :4] = 0
    for data, cells in (
        (made_up, 20),
        (dataclasses.replace(made_up, inside=half), 10),
        (dataclasses.replace(made_up, mask=torch.ones_like(made_up.mask)), 64),
    ):
        batch = reconstruction(data, torch.full((8,), 500), model, (16,), torch.Generator())
        assert squared_errors(Known(model, lambda t: torch.zeros(len(t))), batch)[1] == 8 * cells * 4
