import dataclasses

import pytest
import torch
from diffsfsr.models.network.precision import CPU_QUERIES
from diffsfsr.training.denoiser.batches import Sampler
from diffsfsr.training.denoiser.settings import Training
from diffsfsr.training.denoiser.train import Model, expression_statistics, new_model, train

STEADY = {"drop_both": 0, "drop_expression": 0, "drop_identity": 0, "drop_pose": 0, "code_noise": 0, "other_photo": 0}


def same(a, b) -> bool:
    """Tensors, and containers of them, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(made_up, tiny, tmp_path):
    training = Training(steps=10, batch=4)
    whole = [(step.value, step.state()) for step in train(new_model(tiny, made_up), training, made_up)]
    steps = train(new_model(tiny, made_up), training, made_up)
    for _ in range(5):
        half = next(steps)
    torch.save(half.state(), tmp_path / "state.pt")
    steps.close()
    torch.manual_seed(123)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    rest = [(step.value, step.state()) for step in train(new_model(tiny, made_up), training, made_up, state)]
    assert [loss for loss, _ in rest] == [loss for loss, _ in whole[5:]]
    assert rest[-1][1]["pictures"] == 40 and same(rest[-1][1], whole[-1][1])


def test_training_moves_no_one_elses_random_numbers(made_up, tiny):
    state = torch.get_rng_state()
    next(train(new_model(tiny, made_up), Training(steps=1, batch=2), made_up))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("fast, dtype", [(False, torch.float32), (True, torch.bfloat16)])
def test_steps_are_computed_in_what_the_machine_is_fast_in(made_up, tiny, monkeypatch, fast, dtype):
    for query in CPU_QUERIES:
        monkeypatch.setattr(torch.cpu, query, lambda: fast, raising=False)
    model, seen = new_model(tiny, made_up), []
    model.denoiser.unet.conv_in.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    step = next(train(model, Training(steps=1, batch=2), made_up))
    assert set(seen) == {dtype} and {weight.dtype for weight in step.model.parameters()} == {torch.float32}


def test_a_tiny_model_learns_eight_pictures_by_heart(made_up, tiny):
    training = Training(steps=80, batch=8, rate=6e-3, **STEADY)
    losses = [step.value for step in train(new_model(tiny, made_up), training, made_up)]
    first, final = sum(losses[:10]) / 10, sum(losses[-10:]) / 10
    assert final < 0.6 * first


def test_averaged_weights_follow_the_raw_ones(made_up, tiny):
    *_, last = train(new_model(tiny, made_up), Training(steps=4, batch=2), made_up)
    fresh = next(train(new_model(tiny, made_up), Training(steps=4, batch=2, rate=0.0), made_up)).model
    for raw, mean, start in zip(
        last.model.parameters(), last.parts["averaged"].shadow_params, fresh.parameters(), strict=True
    ):
        assert (mean - start).norm() <= (raw - start).norm() * 1.01 + 1e-6


def test_neutral_is_read_from_the_stillest_faces(made_up):
    generator = torch.Generator().manual_seed(0)
    rest = torch.linspace(0, 0.5, 51)
    acted = rest + torch.rand(160, 51, generator=generator) * 0.5
    still = rest + torch.rand(40, 51, generator=generator) * 0.01
    blendshapes = torch.cat([acted, still])
    blendshapes[:, 7] = 0.0
    neutral, spread = expression_statistics(dataclasses.replace(
        made_up.subset(torch.zeros(200, dtype=torch.long)), blendshapes=blendshapes
    ))  # fmt: skip
    others = [i for i in range(51) if i != 7]
    assert (neutral - rest)[others].abs().max() < 0.02 and neutral[7] == 0
    assert spread[7] == pytest.approx(0.03)  # a channel that never moves divides by no zero
    torch.testing.assert_close(spread[others], blendshapes.std(0)[others])


def test_statistics_of_the_data_are_in_the_model(made_up, tiny):
    model = new_model(tiny, made_up)
    neutral, spread = expression_statistics(made_up)
    assert torch.equal(model.conditioner.neutral, neutral) and torch.equal(model.conditioner.spread, spread)


def test_model_answers_like_its_latents(made_up, tiny):
    batch = Sampler(made_up, Training(batch=3), torch.zeros(51), 1.0).draw(0)
    assert Model(tiny)(batch.z0, batch.t, batch).shape == batch.z0.shape
