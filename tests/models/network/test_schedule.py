import pytest
import torch
from diffsfsr.models.network.schedule import STEPS, Schedule
from diffusers import DDIMScheduler

SCHEDULE = Schedule()
PREDICTIONS = ("v_prediction", "epsilon")


def pair(generator):
    return torch.randn(4, 2, 3, 3, generator=generator), torch.randn(4, 2, 3, 3, generator=generator)


def test_table_is_float64_and_falls_strictly_from_nearly_one_to_nearly_zero():
    assert SCHEDULE.alphas.dtype == torch.float64 and SCHEDULE.alphas.shape == (STEPS,)
    assert (SCHEDULE.alphas.diff() < 0).all()
    assert 0.999 < SCHEDULE.alphas[0] < 1 and 0 < SCHEDULE.alphas[-1] < 0.005


def test_table_is_stable_diffusions():
    theirs = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod
    torch.testing.assert_close(SCHEDULE.alphas, theirs.double(), atol=1e-6, rtol=0)


def test_at_minus_one_there_is_no_noise(generator):
    z0, noise = pair(generator)
    assert torch.equal(SCHEDULE.noisy(z0, noise, torch.full((4,), -1)), z0)


def test_variance_is_preserved():
    a, s = SCHEDULE.at(torch.arange(STEPS), torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(a.square() + s.square(), torch.ones_like(a), atol=1e-12, rtol=0)


def test_each_picture_has_its_own_time(generator):
    z0, noise = pair(generator)
    t = torch.tensor([0, 10, 500, 999])
    together = SCHEDULE.noisy(z0, noise, t)
    for i in range(4):
        assert torch.equal(together[i : i + 1], SCHEDULE.noisy(z0[i : i + 1], noise[i : i + 1], t[i : i + 1]))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_perfect_answer_gives_back_picture_and_noise(prediction, generator):
    z0, noise = pair(generator)
    t = torch.tensor([0, 100, 500, 900])
    answer = SCHEDULE.target(z0, noise, t, prediction)
    found = SCHEDULE.clean_and_noise(answer, SCHEDULE.noisy(z0, noise, t), t, prediction)
    torch.testing.assert_close(found, (z0, noise), atol=2e-5, rtol=0)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_both_readings_of_any_answer_make_up_z_t(prediction, generator):
    answer, z = pair(generator)
    t = torch.tensor([0, 100, 500, 900])
    z0, noise = SCHEDULE.clean_and_noise(answer, z, t, prediction)
    torch.testing.assert_close(SCHEDULE.noisy(z0, noise, t), z, atol=1e-5, rtol=0)
    torch.testing.assert_close(SCHEDULE.target(z0, noise, t, prediction), answer, atol=1e-4, rtol=0)
