"""Examples for the retoucher: what is composed of a photo that the portrait's own pixels are not in."""

import pytest
import torch
from diffsfsr.models.appearance.composed import PLANES
from diffsfsr.training.data.elsewhere import as_taken_elsewhere
from diffsfsr.training.data.photos import Photos
from diffsfsr.training.retoucher.examples import Examples, write_examples
from diffsfsr.training.retoucher.portraits import SIDE, read_portrait


@pytest.fixture(scope="module")
def written(portraits, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("examples")
    *_, last = write_examples([portraits], out, model)
    assert last == (6, 6)
    return out


def test_each_photo_is_an_example_and_each_pair_of_a_person(written):
    assert len(Examples(written)) == 5  # P001: two alone and two pairs; P002; nobody


def test_what_is_composed_is_near_the_truth_and_not_the_truth(written):
    examples = Examples(written)
    for row in range(len(examples)):
        planes, truth = examples.window(row, 0, 0, SIDE)
        assert planes.shape == (PLANES, SIDE, SIDE) and truth.shape == (3, SIDE, SIDE)
        edge = (planes[11] + 1) / 2
        inside = edge > 0.9
        apart = (planes[:3] - truth).abs()[:, inside].mean()
        assert 0.005 < apart < 0.15
        assert (planes[:3] - truth)[:, edge == 0].abs().max() < 0.35  # beside the face it is the portrait's


def test_examples_that_are_there_stay(written, portraits, model):
    before = {path: path.stat().st_mtime_ns for path in written.iterdir()}
    (lost, *_) = before
    lost.unlink()
    *_, last = write_examples([portraits], written, model)
    after = {path: path.stat().st_mtime_ns for path in written.iterdir()}
    assert last == (6, 6) and before.keys() == after.keys()
    assert [path for path in before if before[path] != after[path]] == [lost]


def test_portraits_have_the_right_size(photos, model):
    with pytest.raises(ValueError, match="want 640, cut in PORTRAIT"):
        read_portrait(Photos(photos), "P001/0.jpg", model)


def test_another_light_is_drawn_by_the_generator():
    photo = torch.full((1, 3, 64, 64), 0.2)
    first, again, other = (as_taken_elsewhere(photo, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other) and first.abs().max() <= 1
