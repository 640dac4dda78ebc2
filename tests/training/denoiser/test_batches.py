import dataclasses

import pytest
import torch
from diffsfsr.training.data.dataset import join
from diffsfsr.training.denoiser import batches
from diffsfsr.training.denoiser.batches import SWAP_FROM, SWAP_TO, Batch, Sampler, own_share
from diffsfsr.training.denoiser.settings import Training

STEADY = {"drop_both": 0, "drop_expression": 0, "drop_identity": 0, "drop_pose": 0, "code_noise": 0, "other_photo": 0}
SCALE = 0.5


def drawn(data, training, step=0, swap=0.0, own=slice(None), neutral=torch.zeros(51)) -> Batch:  # noqa: B008
    return Sampler(data, training, neutral, SCALE).draw(step, swap, own)


def rows_of(batch, data) -> torch.Tensor:
    """Which picture each sample is: no two have the same pose."""
    return torch.cat([(data.pose == pose).all(1).nonzero()[0] for pose in batch.pose])


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(value, vars(b)[name]) for name, value in vars(a).items())


@pytest.fixture(scope="module")
def mixed(made_up):
    """The eight photos and eight rendered pictures of three more people."""
    rendered = dataclasses.replace(
        made_up, pose=made_up.pose + 1, style=torch.ones(8, dtype=torch.long),
        person=torch.tensor([0, 0, 0, 0, 1, 1, 1, 2]) + 100,
    )  # fmt: skip
    return join([made_up, rendered])


def test_a_batch_is_a_function_of_seed_and_position(made_up):
    training = Training(batch=6, seed=3)
    wanted = drawn(made_up, training, 7)
    torch.manual_seed(99)
    drawn(made_up, training, 6)
    assert same(drawn(made_up, training, 7), wanted)
    for other in (drawn(made_up, training, 8), drawn(made_up, dataclasses.replace(training, seed=4), 7)):
        assert not torch.equal(other.noise, wanted.noise) and not torch.equal(other.t, wanted.t)


@pytest.mark.parametrize("processes", (2, 3))
def test_the_shares_of_all_processes_are_the_joint_batch(mixed, processes):
    training = Training(batch=12)
    joint = drawn(mixed, training, 5, swap=0.5)
    shares = [drawn(mixed, training, 5, 0.5, own_share(12, process, processes)) for process in range(processes)]
    assert joint.swapped.any() and joint.style.unique().tolist() == [0, 1]
    for name, value in vars(joint).items():
        assert torch.equal(torch.cat([getattr(share, name) for share in shares]), value), name


def test_a_sample_does_not_depend_on_how_many_others_there_are(made_up):
    few, many = (drawn(made_up, Training(batch=count)) for count in (4, 9))
    for name in ("z0", "noise", "t", "identity", "expression", "keep"):
        assert torch.equal(getattr(few, name), getattr(many, name)[:4]), name


def test_a_sample_is_known_by_its_number_whatever_the_batch(made_up):
    """So a run goes on with another batch as it would have gone on with the old one."""
    eight, three = (drawn(made_up, Training(batch=count), position) for count, position in ((8, 40), (3, 43)))
    for name in ("z0", "noise", "t", "identity", "keep"):
        assert torch.equal(getattr(eight, name)[3:6], getattr(three, name)), name


def test_a_process_seeds_its_own_share_alone(made_up, monkeypatch):
    seeded = []
    generator = batches.np.random.default_rng
    monkeypatch.setattr(batches.np.random, "default_rng", lambda key: seeded.append(key[1]) or generator(key))
    drawn(made_up, Training(batch=64), 128, own=own_share(64, 1, 4))
    assert seeded == list(range(128 + 16, 128 + 32))


def test_batches_that_cannot_be_split_are_refused():
    with pytest.raises(ValueError, match="batch of 32 for 3 processes"):
        own_share(32, 0, 3)


def test_samples_are_drawn_evenly_and_independently(made_up):
    batch = drawn(made_up, Training(batch=4000))
    shares = rows_of(batch, made_up).bincount(minlength=8) / 4000
    torch.testing.assert_close(shares, torch.full((8,), 1 / 8), atol=0.03, rtol=0)
    assert batch.t.float().mean().item() == pytest.approx(499.5, abs=15) and len(batch.t.unique()) > 950
    assert batch.noise.mean().item() == pytest.approx(0, abs=0.01)
    assert batch.noise.std().item() == pytest.approx(1, abs=0.02)
    between = torch.corrcoef(torch.stack([batch.t.float(), batch.noise[:, 0, 0, 0], batch.keep[:, 0].float()]))
    assert (between - torch.eye(3)).abs().max() < 0.06
    assert torch.corrcoef(batch.noise[:50].flatten(1)).fill_diagonal_(0).abs().max() < 0.4


def test_latents_have_unit_scale_and_expressions_start_from_neutral(made_up):
    neutral = torch.full((51,), 0.25)
    batch = drawn(made_up, Training(batch=50, **STEADY), neutral=neutral)
    rows = rows_of(batch, made_up)
    assert set(rows.tolist()) == set(range(8))
    assert torch.equal(batch.z0, made_up.latents[rows].float() * SCALE)
    assert torch.equal(batch.background, made_up.background[rows].float() * SCALE)
    assert torch.equal(batch.expression, made_up.blendshapes[rows] - neutral)
    torch.testing.assert_close(batch.identity, made_up.identity[rows])


def test_people_are_shown_as_often_as_asked_and_never_where_another_face_is_wanted(made_up):
    training = Training(batch=2000, drop_selfie=0.3, **STEADY)
    batch = drawn(made_up, training, swap=0.25)
    shown = batch.selfie.flatten(1).any(1)
    assert torch.equal(shown, batch.trust.flatten(1).any(1)) and not shown[batch.swapped].any()
    assert shown[~batch.swapped].float().mean() == pytest.approx(0.7, abs=0.04)
    rows = rows_of(batch, made_up)
    assert torch.equal(batch.selfie[shown], made_up.selfie[rows[shown]].float() * SCALE)


def test_conditions_are_dropped_as_often_as_asked(made_up):
    training = Training(batch=4000, drop_both=0.1, drop_expression=0.15, drop_identity=0.05, drop_pose=0.2)
    identity, expression, pose = drawn(made_up, training).keep.unbind(-1)

    def share(rows):
        return rows.float().mean().item()

    assert share(~identity & ~expression) == pytest.approx(0.1, abs=0.02)
    assert share(identity & ~expression) == pytest.approx(0.15, abs=0.02)
    assert share(~identity & expression) == pytest.approx(0.05, abs=0.015)
    assert share(~pose) == pytest.approx(0.2, abs=0.03)
    assert share(~pose & identity) == pytest.approx(0.2 * 0.85, abs=0.03)  # independent of the others


def sources_of(batch, data) -> torch.Tensor:
    """Which picture the identity of each sample was read from."""
    return torch.cdist(batch.identity, data.identity).argmin(1)


def test_identity_may_come_from_another_photo_of_the_same_person(made_up):
    batch = drawn(made_up, Training(batch=400, **STEADY | {"other_photo": 0.5}))
    rows, source = rows_of(batch, made_up), sources_of(batch, made_up)
    assert torch.equal(made_up.person[source], made_up.person[rows])
    paired = rows < 4
    assert torch.equal(source[~paired], rows[~paired])
    assert (source != rows)[paired].float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_a_mirrored_photo_takes_the_identity_of_photos_that_are_not(made_up):
    mirrored = dataclasses.replace(made_up, copy=torch.tensor([False, True] * 4))
    training = Training(batch=100, **STEADY | {"other_photo": 1.0})
    batch = drawn(mirrored, training)
    assert torch.equal(sources_of(batch, mirrored), rows_of(batch, mirrored))  # one true photo each is no other photo
    three = dataclasses.replace(mirrored, person=torch.tensor([0, 0, 0, 1, 1, 1, 2, 3]))
    batch = drawn(three, training)
    rows, source = rows_of(batch, three), sources_of(batch, three)
    assert source[rows == 0].unique().tolist() == [2] and source[rows == 1].unique().tolist() == [0, 2]


def test_noisy_codes_have_unit_vectors_of_every_recogniser(made_up):
    double = dataclasses.replace(made_up, identity=torch.cat([made_up.identity, made_up.identity[:, :8]], dim=-1))
    noisy, clean = (
        Sampler(double, Training(batch=50, **STEADY | {"code_noise": noise}), torch.zeros(51), SCALE, (16, 8)).draw(0)
        for noise in (0.3, 0.0)
    )
    for part in (slice(0, 16), slice(16, 24)):
        a, b = noisy.identity[:, part], clean.identity[:, part]
        torch.testing.assert_close(a.norm(dim=-1), torch.ones(50))
        assert 0.9 < (a * b).sum(-1).mean() < 0.999
    with pytest.raises(ValueError, match="for a code of 24"):
        Sampler(double, Training(), torch.zeros(51), SCALE, (16, 16))


def test_swapped_pictures_get_the_codes_of_one_other_of_the_joint_batch(made_up):
    training = Training(batch=400, **STEADY)
    batch, usual = drawn(made_up, training, swap=0.25), drawn(made_up, training)
    swapped = batch.swapped
    assert not usual.swapped.any() and swapped.float().mean() == pytest.approx(0.25, abs=0.06)
    for name in ("identity", "expression"):
        assert torch.equal(getattr(batch, name)[~swapped], getattr(usual, name)[~swapped])
    who = sources_of(batch, made_up)
    what = torch.cdist(batch.expression, made_up.blendshapes).argmin(1)
    assert torch.equal(who, what) and set(who[swapped].tolist()) == set(range(8))
    assert batch.t[swapped].min() >= SWAP_FROM and batch.t[swapped].max() < SWAP_TO
    assert torch.equal(batch.pose, usual.pose) and torch.equal(batch.z0, usual.z0)


def test_rendered_pictures_take_their_share(mixed):
    batch = drawn(mixed, Training(batch=2000, rendered=0.25))
    assert batch.style.float().mean().item() == pytest.approx(0.25, abs=0.04)
    assert torch.equal(batch.style, mixed.style[rows_of(batch, mixed)])


def test_a_rendered_picture_takes_its_identity_from_another_and_is_never_swapped(mixed):
    different = dataclasses.replace(mixed, identity=torch.eye(16))  # each picture a code of its own
    batch = drawn(different, Training(batch=400, rendered=1.0, **STEADY), swap=0.5)
    rows, source = rows_of(batch, different), sources_of(batch, different)
    assert torch.equal(different.person[source], different.person[rows]) and not batch.swapped.any()
    alone = different.person[rows] == 102
    assert (source != rows)[~alone].all() and (source == rows)[alone].all()
    assert torch.equal(batch.expression, different.blendshapes[rows])  # the answer's own


def test_rendered_heads_stand_in_where_photos_seldom_reach(mixed):
    """Half of them come as photos, and count only in the two lowest rows, which five of eight photos do not show."""
    inside = mixed.inside.clone()
    inside[:5, :, 6:] = 0
    tight, training = dataclasses.replace(mixed, inside=inside), Training(batch=400, rendered=0.5, outside=1.0)
    batch = drawn(tight, training)
    rendered = mixed.style[rows_of(batch, mixed)] == 1
    stands_in = rendered & (batch.style == 0)
    assert stands_in.float().mean().item() == pytest.approx(0.25, abs=0.06) and not (batch.style[~rendered]).any()
    assert not batch.weight[stands_in][..., :6, :].any() and (batch.weight[stands_in][..., 6:, :] > 0).all()
    assert (batch.weight[rendered & ~stands_in] > 0).all()
    usual = drawn(tight, dataclasses.replace(training, stand_in=0))
    assert torch.equal(usual.z0, batch.z0) and torch.equal(usual.style.bool(), rendered)


def test_weights_are_nothing_where_scene_and_answer_disagree(made_up):
    agrees = torch.ones(8, 1, 8, 8)
    agrees[..., :2, :] = 0
    batch = drawn(dataclasses.replace(made_up, agrees=agrees), Training(batch=8, outside=0.5))
    assert not batch.weight[..., :2, :].any()
    masked, given = batch.weight[..., 2:7, 2:6], batch.weight[..., 7:, :]
    torch.testing.assert_close(masked.mean(), 2 * given.mean())
