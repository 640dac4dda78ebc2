"""The mouth's training: what it draws of portraits, resumed as if uninterrupted, and it learns."""

import io
from dataclasses import replace

import pytest
import torch
from diffsfsr.models.appearance.mouth import SIDE, Mouth, opened
from diffsfsr.training.decoder.adversary import Critic
from diffsfsr.training.mouth.examples import APART, Examples, write_mouths
from diffsfsr.training.mouth.settings import MouthTraining
from diffsfsr.training.mouth.train import train
from diffsfsr.training.retoucher.adversary import CHANNELS, IN_WINDOWS, Seen
from safetensors.torch import load_file

SHORT = MouthTraining(steps=4, batch=2, alone=2)


@pytest.fixture(scope="module")
def kept(portraits, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("mouths") / "mouths.safetensors"
    *_, last = write_mouths([portraits], path, model)
    assert last == (4, 4)
    return path


@pytest.fixture(scope="module")
def examples(kept) -> Examples:
    return Examples(kept)


def fresh():
    torch.manual_seed(0)
    return Mouth((8, 12, 16)), Critic([CHANNELS[i] for i in IN_WINDOWS]), Seen()


def test_only_portraits_whose_lips_are_apart_are_kept(kept):
    found = load_file(kept)
    assert 2 <= len(found["points"]) == len(found["pictures"]) <= 6
    as_they_are, wide = found["points"][::2], found["points"][1::2]
    assert (opened(wide) > opened(as_they_are)).all()
    assert (opened(found["points"]) > APART).all()


def test_drawn_holes_lie_between_the_lips_and_the_light_is_another(examples):
    drawn, again = (examples.draw(6, torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(vars(drawn).values(), vars(again).values(), strict=True))
    assert drawn.truth.shape == (6, 3, SIDE, SIDE) and drawn.truth.abs().max() <= 1
    reach = torch.nn.functional.max_pool2d(drawn.inside, 13, 1, 6)  # the lips' edge, too
    assert ((drawn.hole > 0.02) <= (reach > 0.02)).all() and (drawn.hole.amax((1, 2, 3)) > 0.9).any()
    assert drawn.truth.mean((1, 2, 3)).std() > 0.05
    assert ((drawn.nose > 0) & (drawn.nose < SIDE)).all()


def test_resumed_is_uninterrupted(examples):
    whole = [step.value for step in train(SHORT, *fresh(), examples)]
    for step in train(SHORT, *fresh(), examples):
        if step.pictures == 4:
            state = torch.load(_kept(step.state()), weights_only=True)
            break
    assert [step.value for step in train(SHORT, *fresh(), examples, state=state)] == whole[2:]


def _kept(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


def test_it_learns(kept):
    """That mouths are as bright as what surrounds them, where all are."""
    examples = Examples(kept)
    examples.cuts = replace(examples.cuts, pictures=torch.full_like(examples.cuts.pictures, 190))
    model, *others = fresh()
    drawn = examples.draw(8, torch.Generator().manual_seed(9))

    def error() -> float:
        filled = model.fill(drawn.given, drawn.hole, drawn.inside, drawn.nose, drawn.chart)
        return ((filled - drawn.truth) * drawn.hole).square().mean().item()

    before = error()
    for _ in train(MouthTraining(steps=60, batch=2, alone=60, rate=2e-3), model, *others, examples):
        pass
    assert error() < 0.7 * before
