"""The retoucher's training: resumed as if uninterrupted, its eye stays, and it learns."""

import pytest
import torch
from diffsfsr.models.appearance.composed import PLANES
from diffsfsr.models.appearance.retouch import Retoucher
from diffsfsr.training.retoucher.adversary import Adversary, Seen
from diffsfsr.training.retoucher.examples import SIDE, Example, Examples
from diffsfsr.training.retoucher.settings import RetoucherTraining
from diffsfsr.training.retoucher.train import draw, train

SHORT = RetoucherTraining(steps=4, batch=2, alone=2, side=64)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Examples:
    """Two faces of noise, whose composed form is darker than the truth."""
    folder, generator = tmp_path_factory.mktemp("examples"), torch.Generator().manual_seed(0)
    for number in range(2):
        truth = torch.randint(60, 256, (3, SIDE, SIDE), generator=generator).to(torch.uint8)
        planes = torch.zeros((PLANES, SIDE, SIDE), dtype=torch.uint8)
        planes[:3], planes[11] = truth - 50, 255  # all of it face, nothing believed, no mouth
        points = torch.full((478, 2), SIDE / 2) + 40 * torch.randn((478, 2), generator=generator)
        Example(planes, truth, points).save(folder / f"{number}.safetensors")
    return Examples(folder)


def fresh():
    torch.manual_seed(0)
    return Retoucher((8, 12, 16)), Adversary(), Seen()


def copied(value):
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return value.clone() if isinstance(value, torch.Tensor) else value


def test_windows_lie_in_the_picture_and_follow_the_seed(examples):
    planes, truth = draw(examples, SHORT, 0)
    assert planes.shape == (2, PLANES, 64, 64) and truth.shape == (2, 3, 64, 64)
    torch.testing.assert_close(truth - planes[:, :3], torch.full_like(truth, 50 / 127.5))  # of the same place
    again, other = draw(examples, SHORT, 0), draw(examples, SHORT, 2)
    assert torch.equal(truth, again[1]) and not torch.equal(truth, other[1])


def test_resumed_is_uninterrupted(examples):
    whole = [step.value for step in train(SHORT, *fresh(), examples)]
    state = next(copied(step.state()) for step in train(SHORT, *fresh(), examples) if step.pictures == 4)
    assert [step.value for step in train(SHORT, *fresh(), examples, state)] == whole[2:]


def test_the_network_that_it_is_compared_by_stays(examples):
    model, adversary, see = fresh()
    before = copied(see.state_dict())
    *_, last = train(SHORT, model, adversary, see, examples)
    assert all(torch.equal(value, see.state_dict()[key]) for key, value in before.items())
    assert last.state().keys() == {"pictures", "model", "averaged", "adversary", "optimiser", "adversary_optimiser"}


def test_it_learns(examples):
    settings = RetoucherTraining(steps=40, batch=2, alone=40, side=64, rate=3e-3)
    values = [step.value for step in train(settings, *fresh(), examples)]
    assert values[-1] > values[0] + 6  # dB
