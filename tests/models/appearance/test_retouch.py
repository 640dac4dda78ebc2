"""The network that goes over a composed face: where it may change something, and which files it is read from."""

import dataclasses

import pytest
import torch
from diffsfsr.models.appearance.bands import split
from diffsfsr.models.appearance.composed import PLANES, Composed
from diffsfsr.models.appearance.retouch import SIDE, Retoucher, bounded
from diffsfsr.models.files import write_tensors


@pytest.fixture
def awake(awaken) -> Retoucher:
    return awaken(Retoucher)


@pytest.fixture
def composed() -> Composed:
    torch.manual_seed(1)
    face, photo, painted, parts = torch.rand(4, 2, 3, 64, 64) - 0.5
    share, near, edge = torch.rand(3, 2, 1, 64, 64)
    edge[..., :20] = 0
    return Composed(face, photo, painted, share, near, edge, parts, torch.ones(2, 1, 1, 1))


def test_untrained_it_changes_nothing(composed):
    assert torch.equal(Retoucher()(composed.planes()), torch.zeros(2, 3, 64, 64))


def test_what_lies_far_from_the_face_is_not_looked_at(composed, awake):
    far = dataclasses.replace(composed, edge=torch.zeros(2, 1, 64, 64))
    far.edge[..., 40:42, 20:30] = 1
    other = dataclasses.replace(far, photo=far.photo.clone())
    other.photo[..., :16, :] = 1
    assert torch.equal(awake.retouch(far), awake.retouch(other))
    nowhere = dataclasses.replace(composed, edge=torch.zeros(2, 1, 64, 64))
    assert torch.equal(awake.retouch(nowhere), composed.face)


def test_fine_bands_are_the_photos_where_it_is_believed(composed, awake):
    sure = dataclasses.replace(composed, share=torch.ones(2, 1, 64, 64), near=torch.ones(2, 1, 64, 64))
    nothing, change = torch.zeros(2, 1, 64, 64), awake(sure.planes())
    sure = dataclasses.replace(sure, parts=torch.zeros(2, 3, 64, 64))
    bound, free = (bounded(change, dataclasses.replace(sure, share=share)) for share in (sure.share, nothing))
    fine = [split(each, 1)[0][0].abs().mean() for each in (bound, free)]
    assert fine[0] < 0.3 * fine[1]
    torch.testing.assert_close(free, change, rtol=1e-4, atol=1e-5)


def test_eyes_are_the_photos_where_they_are_believed(composed, awake):
    eyes = torch.zeros(2, 3, 64, 64)
    eyes[:, 1, 16:48, 16:48] = 1
    change = torch.ones(2, 3, 64, 64)
    for share, most in ((1.0, 0.01), (0.5, 0.51)):
        bound = bounded(change, dataclasses.replace(composed, parts=eyes, share=torch.full((2, 1, 64, 64), share)))
        assert most - 0.05 < bound[..., 28:36, 28:36].mean() < most
        assert bound[..., :6, :].mean() > 0.9


def test_a_mouth_stays_as_bright_as_it_was_painted(composed, awake):
    mouth = torch.zeros(2, 1, 64, 64)
    mouth[..., 16:48, 16:48] = 1
    parts = torch.cat([mouth, 0 * mouth, 0 * mouth], 1)
    bright = dataclasses.replace(composed, face=torch.full((2, 3, 64, 64), 0.4), parts=parts)
    even = bounded(torch.ones(2, 3, 64, 64), bright)
    assert even[..., 28:36, 28:36].abs().max() < 0.1 and (even[..., :8, :] > 0.9).all()
    lines = torch.linspace(0, 40, 64).sin().expand(2, 3, 64, 64)
    dark = dataclasses.replace(bright, face=bright.face - 1.3 * mouth)
    teeth, none = (bounded(lines, each)[..., 28:36, 28:36].abs().mean() for each in (bright, dark))
    assert none < 0.05 * teeth


def test_planes_are_what_they_were_made_of(composed):
    again = Composed.from_planes(composed.planes())
    for name, value in vars(composed).items():
        torch.testing.assert_close(getattr(again, name), value)


def test_a_large_face_is_changed_as_a_small_one_is(composed, awake):
    """Looked at in the size that the network was trained on: the change is that size's, but for what halving loses."""
    small = composed.resized(SIDE)
    large, change = small.resized(2 * SIDE), awake.retouch(small) - small.face
    found = awake.retouch(large) - large.face
    wanted = torch.nn.functional.interpolate(change, scale_factor=2, mode="bilinear", align_corners=False)
    assert found.shape[-1] == 2 * SIDE and wanted.abs().mean() > 1e-3
    away = (found - wanted).abs().mean() / wanted.abs().mean()
    itself = large.changed(bounded(awake(large.planes()), large)) - large.face  # as it would be, looked at as it is
    assert away < 0.25 and away < 0.3 * (itself - wanted).abs().mean() / wanted.abs().mean()


def test_the_surroundings_stay(composed, awake):
    changed = awake.retouch(composed)
    assert torch.equal(changed[..., :20], composed.face[..., :20])
    assert (changed - composed.face)[..., 20:].abs().mean() > 1e-3


def test_a_grey_scene_gets_no_colours(composed, awake):
    grey = dataclasses.replace(
        composed, face=composed.face.mean(1, keepdim=True).expand(-1, 3, -1, -1), colour=torch.zeros(2, 1, 1, 1)
    )
    changed = awake.retouch(grey)
    assert (changed - changed.mean(1, keepdim=True)).abs().max() < 1e-6
    assert (changed - grey.face).abs().mean() > 1e-3


def test_several_are_as_each_alone(composed, awake):
    planes = composed.planes()
    assert planes.shape[1] == PLANES
    alone = torch.cat([awake(each[None]) for each in planes])
    torch.testing.assert_close(awake(planes), alone, rtol=1e-4, atol=1e-5)


def test_what_is_saved_is_read_again(awake, composed, tmp_path):
    awake.save(tmp_path / "a.safetensors")
    read = Retoucher.load(tmp_path / "a.safetensors")
    torch.testing.assert_close(read(composed.planes()), awake(composed.planes()), rtol=0.02, atol=0.02)  # float16


@pytest.mark.parametrize(
    "widths", ["[8]", "[8, 0]", '"wide"', "[8, 12, 16, 20, 24, 28]", "[16, 12, 16]", "[8, 12, 15]"]
)
def test_files_that_fit_no_network_are_refused(awake, tmp_path, widths):
    path = tmp_path / "a.safetensors"
    write_tensors(path, awake.state_dict(), {"format": "diffsfsr-retoucher-1", "widths": widths})
    with pytest.raises(ValueError, match="widths|do not fit"):
        Retoucher.load(path)


def test_sides_that_it_cannot_halve_are_refused(awake):
    with pytest.raises(ValueError, match="got a face of 60 x 60 pixels, want a multiple of 16"):
        awake(torch.zeros(1, PLANES, 60, 60))
