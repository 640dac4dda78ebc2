import dataclasses

import pytest
import torch
from diffsfsr.models.network.sampling import ESTIMATES
from diffsfsr.models.network.schedule import Schedule
from diffsfsr.training.denoiser.batches import Batch, Sampler
from diffsfsr.training.denoiser.losses import denoising_loss
from diffsfsr.training.denoiser.settings import Training

STEADY = {"drop_both": 0, "drop_expression": 0, "drop_identity": 0, "drop_pose": 0, "code_noise": 0, "other_photo": 0}


def batch_of(data, tiny, training=Training(batch=6), swap=0.0) -> Batch:  # noqa: B008
    return Sampler(data, training, torch.zeros(51), tiny.latent_scale).draw(0, swap)


def answering(value):
    return lambda z, t, batch: torch.full_like(z, value)


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
def test_perfect_answers_cost_nothing_and_others_do(made_up, tiny, prediction):
    config, schedule = dataclasses.replace(tiny, prediction=prediction), Schedule()
    batch = batch_of(made_up, config)
    target = schedule.target(batch.z0, batch.noise, batch.t, prediction)
    assert denoising_loss(lambda z, t, batch: target, batch, config, Training(), schedule) == 0
    assert denoising_loss(answering(0.0), batch, config, Training(), schedule) > 0.05


def cost_of(place, batch, config) -> float:
    """What an error of 3 in every noise number of these cells costs beyond what there was."""
    training, schedule = Training(), Schedule()
    target = schedule.target(batch.z0, batch.noise, batch.t, config.prediction)
    return denoising_loss(lambda z, t, batch: target + 3 * place, batch, config, training, schedule).item()


def test_pixels_beyond_the_photo_can_count_nothing(made_up, tiny):
    inside = torch.ones(8, 1, 8, 8)
    inside[..., :3] = 0
    batch = batch_of(dataclasses.replace(made_up, inside=inside), tiny, Training(batch=6, beyond=0.0))
    assert cost_of(1 - inside[:6], batch, tiny) == 0 and cost_of(inside[:6], batch, tiny) == pytest.approx(9)


def test_the_given_background_counts_little(made_up, tiny):
    batch = batch_of(made_up, tiny, Training(batch=6, outside=0.1))
    masked, given = cost_of(batch.mask, batch, tiny), cost_of(1 - batch.mask, batch, tiny)
    areas = (batch.mask.sum() / (1 - batch.mask).sum()).item()
    assert given * areas / masked == pytest.approx(0.1, rel=0.01) and given + masked == pytest.approx(9)


@pytest.mark.parametrize("t", (0, 300, 999))
def test_an_error_counts_alike_at_every_noise(made_up, tiny, t):
    batch, schedule = batch_of(made_up, tiny), Schedule()
    at = torch.full_like(batch.t, t)
    target = schedule.target(batch.z0, batch.noise, at, "v_prediction")
    batch = dataclasses.replace(batch, t=at)
    loss = denoising_loss(lambda z, t, batch: target + 1, batch, tiny, Training(), schedule)
    assert loss.item() == pytest.approx(1, rel=1e-4)


def test_the_face_of_a_swapped_picture_has_no_known_answer(made_up, tiny):
    batch = batch_of(made_up, tiny, swap=1.0)
    assert batch.swapped.all() and cost_of(batch.mask, batch, tiny) == 0
    assert cost_of(1 - batch.mask, batch, tiny) == pytest.approx(9)


def test_a_readers_losses_want_the_codes_asked_for(made_up, tiny):
    """With a perfect answer, they are those of the picture itself: nothing if the codes are its own."""
    schedule, spread = Schedule(), torch.ones(51)
    batch = batch_of(made_up, tiny, Training(batch=6, **STEADY))

    def perfect(z, t, batch):
        return schedule.target(batch.z0, batch.noise, t, "v_prediction")

    other = dataclasses.replace(batch, identity=-batch.identity, expression=batch.expression + 1)

    def loss(batch, training):
        def reader(z0):
            torch.testing.assert_close(z0, batch.z0, atol=1e-4, rtol=1e-4)
            return own

        own = batch_of(made_up, tiny, Training(batch=6, **STEADY))
        own = own.identity, own.expression
        return denoising_loss(perfect, batch, tiny, training, schedule, reader, spread).item()

    assert loss(batch, Training()) == pytest.approx(0, abs=1e-6)
    trust = schedule.alphas[batch.t].mean().item()
    assert loss(other, Training(identity_weight=1, expression_weight=0)) == pytest.approx(2 * trust, rel=1e-3)
    assert loss(other, Training(identity_weight=0, expression_weight=1)) == pytest.approx(trust, rel=1e-3)
    dropped = dataclasses.replace(other, keep=torch.zeros(6, 3, dtype=torch.bool))
    assert loss(dropped, Training()) == pytest.approx(0, abs=1e-6)  # what is not given is not asked for


def test_each_recogniser_counts_alike(made_up, tiny):
    """A code of two vectors, of which one is read right and the other the wrong way round."""
    two = dataclasses.replace(tiny, recognisers=("a", "b"))
    data = dataclasses.replace(made_up, identity=made_up.identity.roll(3, 1))
    batch = Sampler(data, Training(batch=6, **STEADY), torch.zeros(51), 0.5, (4, 12)).draw(0)
    schedule, training = Schedule(), Training(identity_weight=1, expression_weight=0, estimate="one-step")
    read = torch.cat([batch.identity[:, :4], -batch.identity[:, 4:]], dim=-1)
    target = schedule.target(batch.z0, batch.noise, batch.t, "v_prediction")
    loss = denoising_loss(
        lambda z, t, batch: target, batch, two, training, schedule, lambda z: (read, batch.expression), torch.ones(51)
    )
    assert loss.item() == pytest.approx(schedule.alphas[batch.t].mean().item(), rel=1e-4)


@pytest.mark.parametrize("method", ESTIMATES)
def test_every_estimate_gives_gradients_through_all_it_asked(made_up, tiny, method):
    asked, batch = [], batch_of(made_up, tiny)
    weight = torch.ones((), requires_grad=True)

    def model(z, t, batch):
        asked.append(t)
        return weight * z

    def reader(z):
        return z.flatten(1)[:, :16], z.flatten(1)[:, :51]

    loss = denoising_loss(model, batch, tiny, Training(estimate=method), Schedule(), reader, torch.ones(51))
    loss.backward()
    assert len(asked) == (1 if method == "one-step" else 2) and weight.grad != 0
