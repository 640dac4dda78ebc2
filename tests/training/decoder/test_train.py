import dataclasses
from types import SimpleNamespace

import pytest
import torch
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.training.decoder.adversary import Adversary, balance, fooling_loss, telling_loss
from diffsfsr.training.decoder.settings import DecoderTraining
from diffsfsr.training.decoder.train import between, refine_decoder

SHORT = DecoderTraining(steps=4, batch=2, alone=1)


def crops():
    return torch.randint(0, 256, (6, 3, 128, 128), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def fresh(pictures=None):
    """Autoencoder, adversary, crops, and what the decoder gets of them."""
    torch.manual_seed(0)
    model, recogniser = build_autoencoder((32, 32, 32, 32), 1, 4, 1.0), Recogniser((8, 8, 8, 8), (1, 1, 1), 16)
    pictures = crops() if pictures is None else pictures

    def encoded(rows, generator):
        with torch.no_grad():
            return model.encode(pictures[rows].float() / 127.5 - 1).latent_dist.mode()

    return model, Adversary(recogniser), pictures, encoded


def copied(value):
    """A state that the loop no longer changes."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return value.clone() if isinstance(value, torch.Tensor) else value


@pytest.fixture(scope="module")
def short():
    """A run: model and adversary after it, their weights before it, each step's value and state."""
    model, adversary, *rest = fresh()
    before = copied(model.state_dict()), [copied(part.state_dict()) for part in adversary.seen]
    steps = [(step.value, copied(step.state())) for step in refine_decoder(SHORT, model, adversary, *rest)]
    return SimpleNamespace(model=model, adversary=adversary, before=before[0], seen_before=before[1], steps=steps)


def test_latents_stay_and_pictures_change(short):
    changed = {key for key, value in short.model.state_dict().items() if not torch.equal(value, short.before[key])}
    assert changed and all(key.startswith(("decoder.", "post_quant_conv.")) for key in changed)


def test_the_recogniser_that_the_adversary_looks_through_stays(short):
    parts = zip(short.adversary.seen, short.seen_before, strict=True)
    assert all(torch.equal(part.state_dict()[key], value) for part, old in parts for key, value in old.items())
    assert not any(key.startswith("seen") for key in short.steps[-1][1]["adversary"])


def test_resumed_is_uninterrupted(short):
    values = [step.value for step in refine_decoder(SHORT, *fresh(), copied(short.steps[1][1]))]
    assert values == [value for value, _ in short.steps[2:]]


def test_nothing_is_learned_beyond_the_photo():
    """Two sets of crops that differ beyond the border only give the same decoder."""

    def refined(fill):
        model, adversary, pictures, encoded = fresh()
        inside = torch.ones(6, 1, 128, 128, dtype=torch.uint8)
        inside[..., 112:, :] = 0  # below what the recogniser sees
        shown, alone = torch.where(inside > 0, pictures, fill), dataclasses.replace(SHORT, steps=2, adversary=0.0)
        for _ in refine_decoder(alone, model, adversary, shown, encoded, inside=inside):
            pass
        return model.state_dict()

    black, white = refined(0), refined(255)
    assert all(torch.equal(black[key], white[key]) for key in black)


def test_it_learns():
    config = dataclasses.replace(SHORT, steps=20, batch=1, rate=3e-3, adversary=0.0)
    psnr = [step.value for step in refine_decoder(config, *fresh(crops()[:2] // 8 + 100))]
    assert sum(psnr[-5:]) / 5 > sum(psnr[:5]) / 5 + 3


def test_the_adversary_learns_to_tell_blurred_pictures():
    torch.manual_seed(0)
    adversary = Adversary(Recogniser((8, 8, 8, 8), (1, 1, 1), 16))
    sharp = torch.rand(4, 3, 128, 128) * 2 - 1
    blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1)
    optimiser = torch.optim.AdamW(adversary.parameters(), lr=2e-3)

    def found(x):
        return adversary(x, adversary.features(x))

    first = telling_loss(found(sharp), found(blurred)).item()
    for _ in range(15):
        loss = telling_loss(found(sharp), found(blurred))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.7 * first
    assert fooling_loss(found(sharp)) < fooling_loss(found(blurred))  # who looks like a photo has less to do


def test_balance_makes_both_losses_pull_alike():
    y = torch.zeros(1, 3, 4, 4, requires_grad=True)
    factor = balance(6.0 * y.sum(), 2.0 * y.sum(), y)
    assert factor.item() == pytest.approx(3.0, rel=1e-4) and not factor.requires_grad


def test_a_share_of_the_way_changes_neither_end(short):
    model, begun, now = short.model, short.before, copied(short.model.state_dict())
    half = between(model, begun, 0.5).state_dict()
    for key, value in half.items():
        torch.testing.assert_close(value, (begun[key] + now[key]) / 2, msg=key)
    assert all(torch.equal(value, now[key]) for key, value in model.state_dict().items())
    assert all(torch.equal(value, begun[key]) for key, value in between(model, begun, 0).state_dict().items())
