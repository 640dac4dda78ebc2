"""The retoucher's training: resumed as if uninterrupted, its eye stays, and it learns."""

import math
from dataclasses import replace

import pytest
import torch
from diffsfsr.models.appearance.composed import PLANES
from diffsfsr.models.appearance.retouch import Retoucher
from diffsfsr.training.retoucher.adversary import Adversaries, Seen
from diffsfsr.training.retoucher.examples import Example, Examples
from diffsfsr.training.retoucher.portraits import SIDE
from diffsfsr.training.retoucher.readings import Readings
from diffsfsr.training.retoucher.settings import RetoucherTraining
from diffsfsr.training.retoucher.swaps import Swaps
from diffsfsr.training.retoucher.train import draw, train, whole_faces

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
    return Retoucher((8, 12, 16)), Adversaries(), Seen()


def copied(value):
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return value.clone() if isinstance(value, torch.Tensor) else value


def of_windows(examples, position):
    batch = draw(examples, None, SHORT, position)
    return batch.planes, batch.truth


def test_windows_lie_in_the_picture_and_follow_the_seed(examples):
    planes, truth = of_windows(examples, 0)
    assert planes.shape == (2, PLANES, 64, 64) and truth.shape == (2, 3, 64, 64)
    torch.testing.assert_close(truth - planes[:, :3], torch.full_like(truth, 50 / 127.5))  # of the same place
    again, other = of_windows(examples, 0), of_windows(examples, 2)
    assert torch.equal(truth, again[1]) and not torch.equal(truth, other[1])


def test_resumed_is_uninterrupted(examples):
    whole = [step.value for step in train(SHORT, *fresh(), examples)]
    state = next(copied(step.state()) for step in train(SHORT, *fresh(), examples) if step.pictures == 4)
    assert [step.value for step in train(SHORT, *fresh(), examples, state=state)] == whole[2:]


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


def test_with_whole_faces_it_is_resumed_as_uninterrupted(examples, swaps, model):
    faces = Swaps(swaps), Readings(model.encoders.mesh, model.encoders.recognisers)
    settings = replace(SHORT, faces=1)
    steps, states = [], []
    for step in train(settings, *fresh(), examples, *faces):
        steps.append(step.value)
        states.append(copied(step.state()))
    resumed = [step for step in train(settings, *fresh(), examples, *faces, states[1])]
    assert [step.value for step in resumed] == steps[2:]
    last = resumed[-1].state()
    assert all(torch.equal(value, states[-1]["model"][key]) for key, value in last["model"].items())


def test_what_is_known_of_whole_faces_is_learned(examples, swaps, model):
    readings = Readings(model.encoders.mesh, model.encoders.recognisers)
    settings = replace(SHORT, steps=12, alone=12, faces=1, rate=2e-2, likeness=50.0, acting=0.0, staying=0.0)
    network, adversaries, see = fresh()
    batch = draw(examples, Swaps(swaps), settings, 0)
    before = whole_faces(network, batch, readings, see, settings, 0).loss.item()
    for step in train(settings, network, adversaries, see, examples, Swaps(swaps), readings):
        assert math.isfinite(step.value)
    assert whole_faces(network, batch, readings, see, settings, 0).loss.item() < 0.9 * before
