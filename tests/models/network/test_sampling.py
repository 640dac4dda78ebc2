import pytest
import torch
from diffsfsr.models.network.sampling import ESTIMATES, ddim, estimate, guide, noise_for, timesteps
from diffsfsr.models.network.schedule import STEPS, Schedule
from diffusers import DDIMScheduler

SCHEDULE = Schedule()
MEAN, SPREAD = 0.7, 0.4


def gaussian(z, t):
    """The best predictor where every number of z_0 is drawn from N(MEAN, SPREAD^2)."""
    a, s = SCHEDULE.at(t, z)
    noise = s * (z - a * MEAN) / (a.square() * SPREAD**2 + s.square())
    return (z - s * noise) / a, noise


def one_point(z, t):
    """The best predictor where z_0 is MEAN everywhere."""
    a, s = SCHEDULE.at(t, z)
    return torch.full_like(z, MEAN), (z - a * MEAN) / s


def wrong(z, t):
    """A predictor that knows nothing, with its own answer at each time."""
    return SCHEDULE.clean_and_noise(torch.sin(3 * z + t.view(-1, 1, 1, 1)), z, t, "v_prediction")


def last(steps):
    *_, step = steps
    return step


def test_ddim_draws_the_gaussian_that_it_is_told_of():
    z = noise_for([0], (1, 8, 8)).double()
    a, s = SCHEDULE.at(torch.tensor([STEPS - 1]), z)
    wanted = MEAN + SPREAD * (z - a * MEAN) / (a.square() * SPREAD**2 + s.square()).sqrt()
    errors = [(last(ddim(gaussian, z, SCHEDULE, n)).z - wanted).abs().max().item() for n in (5, 25, 125, 1000)]
    for fewer, more in zip(errors, errors[1:], strict=False):
        assert more < fewer / 2
    assert errors[-1] < 0.01


def test_ddim_finds_the_only_point_in_one_step():
    step = last(ddim(one_point, noise_for([0], (1, 8, 8)), SCHEDULE, 1))
    torch.testing.assert_close(step.z, torch.full_like(step.z, MEAN))


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
@pytest.mark.parametrize("steps", [1, 2, 5, 20, 50])
def test_every_step_is_that_of_diffusers(steps, prediction):
    theirs = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction,
        timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True,
    )  # fmt: skip
    theirs.set_timesteps(steps)

    def answer(z, t):
        return torch.sin(2 * z) + t / STEPS

    def predict(z, t):
        return SCHEDULE.clean_and_noise(answer(z, t.view(-1, 1, 1, 1)), z, t, prediction)

    z = noise_for([0, 1], (2, 4, 4))
    ours = ddim(predict, z, SCHEDULE, steps)
    assert timesteps(steps) == theirs.timesteps.tolist()
    for t, step in zip(theirs.timesteps, ours, strict=True):
        got = theirs.step(answer(z, t), t, z)
        where = f"step {step.index} of {steps}, t = {t}"
        scale = got.prev_sample.abs().max().item()  # with "epsilon" a first estimate of z_0 is large
        for name, mine, other in (("z", step.z, got.prev_sample), ("z0", step.z0, got.pred_original_sample)):
            away = (mine - other).abs().max().item()
            assert away < 1e-4 * max(1, scale, other.abs().max().item()), f"{name} is {away} off at {where}"
        z = got.prev_sample


@pytest.mark.parametrize("steps", [3, 7, 30, 999, 1000])
def test_timesteps_fall_from_the_noisiest(steps):
    path = timesteps(steps)
    assert path[0] == STEPS - 1 and len(path) == steps and path[-1] >= 0
    assert all(later < earlier for earlier, later in zip(path, path[1:], strict=False))


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_a_number_of_steps_that_cannot_be_is_refused(steps):
    with pytest.raises(ValueError, match=f"got {steps} sampling steps, want 1 to 1000"):
        timesteps(steps)


def test_noise_of_a_seed_is_the_same_in_any_batch():
    together = noise_for([5, 6, 7], (4, 8, 8))
    assert torch.equal(together[1:2], noise_for([6], (4, 8, 8)))
    assert not torch.equal(together[0], together[1])
    state = torch.get_rng_state()
    noise_for([5], (4, 8, 8))
    assert torch.equal(state, torch.get_rng_state())  # no one else's random numbers move


def test_guidance_by_name_of_its_scales(generator):
    null, identity, full = torch.randn(3, 2, 4, 4, 4, generator=generator)
    torch.testing.assert_close(guide(null, identity, full, 1, 1), full)
    torch.testing.assert_close(guide(null, identity, full, 0, 0), null)
    torch.testing.assert_close(guide(null, identity, full, 1, 0), identity)
    torch.testing.assert_close(guide(null, identity, full, 2.5, 2.5), null + 2.5 * (full - null))  # plain guidance
    more = guide(null, identity, full, 2.0, 1.5) - guide(null, identity, full, 2.0, 0.5)
    torch.testing.assert_close(more, full - identity)  # expression's scale moves along expression alone


@pytest.mark.parametrize("method", ESTIMATES)
def test_every_estimate_is_exact_where_there_is_one_point(method):
    z0 = torch.full((3, 1, 4, 4), MEAN, dtype=torch.float64)
    t = torch.tensor([1, 400, 999])
    z = SCHEDULE.noisy(z0, noise_for([0, 1, 2], (1, 4, 4)).double(), t)
    torch.testing.assert_close(estimate(one_point, z, t, SCHEDULE, method), z0)


def test_improved_is_the_mean_of_one_step_and_midpoint():
    z, t = noise_for([0, 1], (1, 4, 4)), torch.tensor([300, 700])
    one, middle, improved = (estimate(wrong, z, t, SCHEDULE, method) for method in ESTIMATES)
    assert (one - middle).abs().max() > 0.1
    torch.testing.assert_close(improved, (one + middle) / 2)


def test_midpoint_is_read_at_half_the_time_after_a_ddim_step():
    z, t = noise_for([0], (1, 4, 4)), torch.tensor([700])
    halfway = SCHEDULE.noisy(*wrong(z, t), torch.tensor([350]))
    torch.testing.assert_close(estimate(wrong, z, t, SCHEDULE, "midpoint"), wrong(halfway, torch.tensor([350]))[0])


@pytest.mark.parametrize("method", ESTIMATES)
def test_gradients_reach_every_call_of_the_network(method):
    weight = torch.ones((), requires_grad=True)
    calls = []

    def predict(z, t):
        output = weight * torch.sin(z)
        output.retain_grad()
        calls.append(output)
        return SCHEDULE.clean_and_noise(output, z, t, "v_prediction")

    estimate(predict, noise_for([0], (1, 4, 4)), torch.tensor([500]), SCHEDULE, method).sum().backward()
    assert len(calls) == (1 if method == "one-step" else 2)
    assert all(output.grad.abs().sum() > 0 for output in calls) and weight.grad.abs() > 0


def test_unknown_estimate_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match='got estimate "euler", want one of one-step, midpoint, improved'):
        estimate(one_point, torch.zeros(1, 1, 2, 2), torch.tensor([5]), SCHEDULE, "euler")
