"""Examples of one person in another one's picture, and what is read of them."""

from dataclasses import replace

import pytest
import torch
from diffsfsr.models.appearance.composed import PLANES
from diffsfsr.models.pixels import from_bytes
from diffsfsr.training.data.photos import Photos
from diffsfsr.training.retoucher.portraits import SIDE, read_portrait
from diffsfsr.training.retoucher.readings import Readings, moved
from diffsfsr.training.retoucher.swaps import Swaps, make_swap, write_swaps


@pytest.fixture(scope="module")
def swap(portraits, model):
    """P001 in the picture of P002, doing what another photo of P001 does."""
    names = "P002/0.png", "P001/0.png", "P001/1.png"
    found = [read_portrait(Photos(portraits), name, model) for name in names]
    return found, make_swap(*found, model, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def readings(model) -> Readings:
    return Readings(model.encoders.mesh, model.encoders.recognisers)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_only_the_face_differs_from_the_scene(swap):
    _, found = swap
    assert found.planes.shape == (PLANES, SIDE, SIDE) and found.scene.shape == (3, SIDE, SIDE)
    apart = (from_bytes(found.planes[:3]) - from_bytes(found.scene)).abs().mean(0)
    edge = from_bytes(found.planes[11])
    assert apart[edge > 0.9].mean() > 0.02 and apart[:8].max() < 0.02


def test_nobody_is_put_where_a_face_is_turned_too_far(swap, model):
    (scene, *others), _ = swap
    aside = replace(scene, face=replace(scene.face, pose=torch.tensor([75.0, 0, 0])))
    assert make_swap(aside, *others, model, generator()) is None


def test_it_reads_as_the_person_and_as_what_is_wanted(swap, readings):
    (scene, person, _), found = swap
    composed, points = from_bytes(found.planes[None, :3]), found.points[None]
    cut = (640 - SIDE) // 2
    before = scene.picture[None, :, cut:-cut, cut:-cut], scene.face.points[None, :, :2] - cut
    own = person.picture[None], person.face.points[None, :, :2]
    unlike = [
        readings.unlike(*each, found.identity[None], generator()).item() for each in ((composed, points), before, own)
    ]
    assert unlike[2] < 0.1 < unlike[0] < 0.6 < unlike[1]
    acting = [readings.acting(*each, found.wanted[None], generator()).item() for each in ((composed, points), before)]
    assert acting[0] < 0.07 and acting[0] < acting[1]


def test_readings_have_gradients_and_a_change_of_place_is_small(swap, readings):
    _, found = swap
    x = from_bytes(found.planes[None, :3]).requires_grad_()
    loss = readings.unlike(x, found.points[None], found.identity[None], generator())
    (loss + readings.acting(x, found.points[None], found.wanted[None], generator())).backward()
    assert x.grad.abs().sum() > 0 and all(not weight.requires_grad for weight in readings.parameters())
    matrix = torch.tensor([[[2.0, 0, 5], [0, 2, -7]]])
    middle = torch.tensor([[(56 - 5) / 2, (56 + 7) / 2, 1.0]])  # what lies in the middle of a crop of 112 pixels
    there = (moved(matrix, 112, generator()) @ middle[..., None])[0, :, 0]
    assert 0 < (there - 56).abs().max() <= 0.025 * 112


def test_some_are_drawn_as_the_generator_says_and_those_that_are_there_stay(swaps, portraits, model):
    found = Swaps(swaps)
    first, again = (found.draw(3, generator()) for _ in range(2))
    assert first.planes.shape == (3, PLANES, SIDE, SIDE) and first.wanted.shape == (3, 51)
    assert torch.equal(first.identity, again.identity)
    before = {path: path.stat().st_mtime_ns for path in swaps.iterdir()}
    assert 1 <= len(before) <= 4  # people are not put into their own pictures
    (lost, *_) = before
    lost.unlink()
    for _ in write_swaps([portraits], swaps, model, 4):
        pass
    after = {path: path.stat().st_mtime_ns for path in swaps.iterdir()}
    assert before.keys() == after.keys() and [path for path in before if before[path] != after[path]] == [lost]


def test_one_person_alone_is_refused(photos, model, tmp_path):
    (tmp_path / "in" / "P001").mkdir(parents=True)
    (tmp_path / "in" / "P001" / "0.jpg").write_bytes((photos / "P001" / "0.jpg").read_bytes())
    with pytest.raises(ValueError, match="want two people or more"):
        next(write_swaps([tmp_path / "in"], tmp_path / "out", model, 3))
    with pytest.raises(ValueError, match="got no portraits"):
        Swaps(tmp_path)
