import dataclasses

import pytest
import torch
from diffsfsr.models.schedule import Schedule
from diffsfsr.training.train import (
    SWAP_FROM,
    SWAP_TO,
    Batch,
    Model,
    Training,
    denoising_loss,
    draw,
    expression_statistics,
    partners,
    train,
)

STEADY = {"drop_both": 0, "drop_expression": 0, "drop_identity": 0, "drop_pose": 0, "code_noise": 0, "other_photo": 0}


def batch_of(data, tiny, training=Training(batch=6), step=0) -> Batch:  # noqa: B008
    return draw(data, partners(data), tiny, training, torch.zeros(51), step)


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
    whole = [(step.loss, step.state()) for step in train(tiny, training, made_up)]
    steps = train(tiny, training, made_up)
    for _ in range(5):
        half = next(steps)
    torch.save(half.state(), tmp_path / "state.pt")
    steps.close()
    torch.manual_seed(123)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    rest = [(step.loss, step.state()) for step in train(tiny, training, made_up, state)]
    assert [loss for loss, _ in rest] == [loss for loss, _ in whole[5:]]
    assert rest[-1][1]["index"] == 10 and same(rest[-1][1], whole[-1][1])


def test_training_moves_no_one_elses_random_numbers(made_up, tiny):
    state = torch.get_rng_state()
    next(train(tiny, Training(steps=1, batch=2), made_up))
    assert torch.equal(state, torch.get_rng_state())


def test_a_tiny_model_learns_eight_pictures_by_heart(made_up, tiny):
    training = Training(steps=110, batch=16, rate=4e-3, **STEADY)
    losses = [step.loss for step in train(tiny, training, made_up)]
    first, final = sum(losses[:10]) / 10, sum(losses[-10:]) / 10
    assert final < 0.6 * first


def test_averaged_weights_follow_the_raw_ones(made_up, tiny):
    *_, last = train(tiny, Training(steps=4, batch=2), made_up)
    fresh = next(train(tiny, Training(steps=4, batch=2, rate=0.0), made_up)).model
    for raw, mean, start in zip(last.model.parameters(), last.averaged.shadow_params, fresh.parameters(), strict=True):
        assert (mean - start).norm() <= (raw - start).norm() * 1.01 + 1e-6


def test_a_batch_is_a_function_of_seed_and_step(made_up, tiny):
    training = Training(batch=6, seed=3)
    wanted = vars(batch_of(made_up, tiny, training, step=7))
    torch.manual_seed(99)
    batch_of(made_up, tiny, training, step=6)
    assert same(vars(batch_of(made_up, tiny, training, step=7)), wanted)
    for other in (
        batch_of(made_up, tiny, training, 8),
        batch_of(made_up, tiny, dataclasses.replace(training, seed=4), 7),
    ):
        assert not torch.equal(other.noise, wanted["noise"]) and not torch.equal(other.t, wanted["t"])


def test_latents_have_unit_scale_and_expressions_start_from_neutral(made_up, tiny):
    neutral = torch.full((51,), 0.25)
    one = draw(made_up, {}, tiny, Training(batch=50, **STEADY), neutral, 0)
    rows = [(made_up.pose == pose).all(1).nonzero().item() for pose in one.pose]
    assert set(rows) == set(range(8))
    assert torch.equal(one.z0, made_up.latents[rows].float() * tiny.latent_scale)
    assert torch.equal(one.background, made_up.background[rows].float() * tiny.latent_scale)
    assert torch.equal(one.expression, made_up.blendshapes[rows] - neutral)
    torch.testing.assert_close(one.identity, made_up.identity[rows])


def test_conditions_are_dropped_as_often_as_asked(made_up, tiny):
    training = Training(batch=4000, drop_both=0.1, drop_expression=0.15, drop_identity=0.05, drop_pose=0.2)
    identity, expression, pose = batch_of(made_up, tiny, training).keep.unbind(-1)

    def share(rows):
        return rows.float().mean().item()

    assert share(~identity & ~expression) == pytest.approx(0.1, abs=0.02)
    assert share(identity & ~expression) == pytest.approx(0.15, abs=0.02)
    assert share(~identity & expression) == pytest.approx(0.05, abs=0.015)
    assert share(~pose) == pytest.approx(0.2, abs=0.03)
    assert share(~pose & identity) == pytest.approx(0.2 * 0.85, abs=0.03)  # independent of the others


def test_identity_may_come_from_another_photo_of_the_same_person(made_up, tiny):
    one = batch_of(made_up, tiny, Training(batch=200, **STEADY | {"other_photo": 1.0}))
    moved = 0
    for identity, pose in zip(one.identity, one.pose, strict=True):
        row = (made_up.pose == pose).all(1).nonzero().item()
        source = (made_up.identity - identity).norm(dim=1).argmin().item()
        assert made_up.person[source] == made_up.person[row]
        moved += source != row
    assert 20 < moved < 80  # half of the draws of the half of the pictures that have a partner


def test_mirror_images_are_no_other_photos(made_up):
    mirrored = dataclasses.replace(made_up, mirrored=torch.tensor([False, True] * 4))
    assert partners(mirrored) == {} and {k: v.tolist() for k, v in partners(made_up).items()} == {0: [0, 1], 1: [2, 3]}


def test_noisy_codes_keep_their_length(made_up, tiny):
    """That of two recognisers' unit vectors side by side is the root of 2."""
    double = dataclasses.replace(made_up, identity=torch.cat([made_up.identity] * 2, dim=-1))
    training = Training(batch=50, **STEADY | {"code_noise": 0.3})
    two = dataclasses.replace(tiny, recognisers=("a", "b"), identity_size=32)
    noisy, clean = (batch_of(double, two, t).identity for t in (training, dataclasses.replace(training, code_noise=0)))
    torch.testing.assert_close(noisy.norm(dim=-1), torch.full((50,), 2**0.5))
    cosine = torch.nn.functional.cosine_similarity(noisy, clean)
    assert 0.9 < cosine.mean() < 0.999


def answering(value):
    return lambda z, t, batch: torch.full_like(z, value)


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
def test_perfect_answers_cost_nothing_and_others_do(made_up, tiny, prediction):
    config, schedule = dataclasses.replace(tiny, prediction=prediction), Schedule()
    batch = batch_of(made_up, config)
    target = schedule.target(batch.z0, batch.noise, batch.t, prediction)
    assert denoising_loss(lambda z, t, batch: target, batch, config, Training(), schedule) == 0
    assert denoising_loss(answering(0.0), batch, config, Training(), schedule) > 0.05


def test_pixels_beyond_the_photo_can_count_nothing(made_up, tiny):
    inside = torch.ones(8, 1, 8, 8)
    inside[..., :3] = 0
    data = dataclasses.replace(made_up, inside=inside)
    batch = batch_of(data, tiny)

    def loss(where):
        noise = batch.noise + where * 3
        return denoising_loss(
            answering(0.0), dataclasses.replace(batch, noise=noise), tiny, Training(beyond=0.0), Schedule()
        ).item()

    assert loss(1 - batch.inside) == pytest.approx(loss(0 * batch.inside), rel=1e-6)
    assert loss(batch.inside) > 2 * loss(0 * batch.inside)


def test_the_given_background_counts_little(made_up, tiny):
    batch, training = batch_of(made_up, tiny), Training(outside=0.1)

    def loss(place, training=training):
        noise = batch.noise + place * 100
        return denoising_loss(
            answering(0.0), dataclasses.replace(batch, noise=noise), tiny, training, Schedule()
        ).item()

    masked, given = loss(batch.mask), loss(1 - batch.mask)
    areas = (batch.mask.sum() / (1 - batch.mask).sum()).item()
    assert given * areas / masked == pytest.approx(0.1, rel=0.1)
    assert loss(1 - batch.mask, Training(outside=0.0)) == pytest.approx(loss(0 * batch.mask, Training(outside=0.0)))


@pytest.mark.parametrize("t", (0, 300, 999))
def test_an_error_counts_alike_at_every_noise(made_up, tiny, t):
    batch, schedule = batch_of(made_up, tiny), Schedule()
    at = torch.full_like(batch.t, t)
    target = schedule.target(batch.z0, batch.noise, at, "v_prediction")
    batch = dataclasses.replace(batch, t=at)
    loss = denoising_loss(lambda z, t, batch: target + 1, batch, tiny, Training(), schedule)
    assert loss.item() == pytest.approx(1, rel=1e-4)


def test_swapped_pictures_get_the_codes_of_another(made_up, tiny):
    training = Training(batch=400, **STEADY)
    one = draw(made_up, {}, tiny, training, torch.zeros(51), 0, swap=0.25)
    usual = draw(made_up, {}, tiny, training, torch.zeros(51), 0)
    assert not usual.swapped.any() and one.swapped.float().mean() == pytest.approx(0.25, abs=0.06)
    for name in ("identity", "expression"):
        own, given = getattr(usual, name), getattr(one, name)
        assert torch.equal(given[~one.swapped], own[~one.swapped])
        assert torch.equal(given[one.swapped], own.roll(1, 0)[one.swapped])
    assert one.t[one.swapped].min() >= SWAP_FROM and one.t[one.swapped].max() < SWAP_TO
    assert torch.equal(one.pose, usual.pose) and torch.equal(one.z0, usual.z0)


def test_the_face_of_a_swapped_picture_has_no_known_answer(made_up, tiny):
    batch = dataclasses.replace(batch_of(made_up, tiny), swapped=torch.ones(6, dtype=torch.bool))

    def loss(place):
        noise = batch.noise + place * 3
        return denoising_loss(
            answering(0.0), dataclasses.replace(batch, noise=noise), tiny, Training(), Schedule()
        ).item()

    assert loss(batch.mask) == pytest.approx(loss(0 * batch.mask)) and loss(1 - batch.mask) > 2 * loss(batch.mask)


def test_a_readers_losses_want_the_codes_asked_for(made_up, tiny):
    """With a perfect answer, they are those of the picture itself: nothing if the codes are its own."""
    schedule, spread = Schedule(), torch.ones(51)
    batch = batch_of(made_up, tiny, Training(batch=6, **STEADY))
    target = schedule.target(batch.z0, batch.noise, batch.t, "v_prediction")
    other = dataclasses.replace(batch, identity=-batch.identity, expression=batch.expression + 1)

    def loss(batch, training):
        def reader(z0):
            torch.testing.assert_close(z0, batch.z0, atol=1e-4, rtol=1e-4)
            return own

        own = batch_of(made_up, tiny, Training(batch=6, **STEADY))
        own = own.identity, own.expression
        answer = lambda z, t, batch: target  # noqa: E731
        return denoising_loss(answer, batch, tiny, training, schedule, reader, spread).item()

    assert loss(batch, Training()) == pytest.approx(0, abs=1e-6)
    trust = schedule.alphas[batch.t].mean().item()
    assert loss(other, Training(identity_weight=1, expression_weight=0)) == pytest.approx(2 * trust, rel=1e-3)
    assert loss(other, Training(identity_weight=0, expression_weight=1)) == pytest.approx(trust, rel=1e-3)
    dropped = dataclasses.replace(other, keep=torch.zeros(6, 3, dtype=torch.bool))
    assert loss(dropped, Training()) == pytest.approx(0, abs=1e-6)  # what is not given is not asked for


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
    model = next(train(tiny, Training(steps=1, batch=2), made_up)).model
    neutral, spread = expression_statistics(made_up)
    assert torch.equal(model.conditioner.neutral, neutral) and torch.equal(model.conditioner.spread, spread)


def test_model_answers_like_its_latents(made_up, tiny):
    batch = batch_of(made_up, tiny)
    assert Model(tiny)(batch.z0, batch.t, batch).shape == batch.z0.shape
