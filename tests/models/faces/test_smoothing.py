import pytest
import torch
from diffsfsr.models.faces.mesh import Face
from diffsfsr.models.faces.smoothing import smooth, smooth_faces, tracks
from torch import Tensor

SIZE = 100.0  # of the faces, pixels


@pytest.fixture
def shape(generator) -> Tensor:
    return torch.rand(478, 3, generator=generator) * SIZE


def face(points: Tensor, yaw: float = 0.0) -> Face:
    return Face(points, torch.rand(51), torch.tensor([yaw, 0.0, 0.0]), 1.0)


def points_of(found: list[list[Face]]) -> Tensor:
    return torch.stack([faces[0].points for faces in found])


def test_a_still_face_stays_bit_for_bit(shape):
    found = [[face(shape * 1.37 + 0.1, yaw=-179.3)] for _ in range(20)]
    for before, after in zip(found, smooth_faces(found, 2.0), strict=True):
        assert torch.equal(before[0].points, after[0].points) and torch.equal(before[0].pose, after[0].pose)


def test_jitter_of_a_still_face_is_reduced(shape, generator):
    noise = torch.randn(60, 478, 3, generator=generator)
    turn = torch.randn(60, generator=generator).tolist()
    found = [[face(shape + each, yaw)] for each, yaw in zip(noise, turn, strict=True)]
    smoothed = smooth_faces(found, 2.0)
    assert points_of(found).std(0).mean() > 0.9
    assert points_of(smoothed).std(0).mean() < 0.5
    assert torch.stack([faces[0].pose[0] for faces in smoothed]).std() < 0.6
    assert (points_of(smooth_faces(found, 4.0)).std(0).mean() < points_of(smoothed).std(0).mean())  # fmt: skip
    assert all(a[0].blendshapes is b[0].blendshapes for a, b in zip(found, smoothed, strict=True))


def test_steady_motion_does_not_lag(shape):
    path = torch.arange(30.0)[:, None, None] * torch.tensor([4.0, -2.0, 0.0])
    found = [[face(shape + step)] for step in path]
    torch.testing.assert_close(points_of(smooth_faces(found, 3.0)), shape + path, atol=1e-3, rtol=0)


def test_a_nod_keeps_most_of_its_swing_and_its_time(shape):
    """Up and down within a second at 24 frames a second, by a fifth of the face's size."""
    swing = 20 * torch.sin(torch.arange(72.0) / 24 * 2 * torch.pi)
    moved = smooth_faces([[face(shape + torch.tensor([0.0, y, 0.0]))] for y in swing], 1.5)
    found = (points_of(moved) - shape)[:, :, 1].mean(1)
    assert (found - swing).abs().max() < 3  # pixels
    assert found[12:60].argmax() == swing[12:60].argmax()


def test_zero_is_off(shape, generator):
    found = [[face(shape + torch.randn(478, 3, generator=generator))] for _ in range(5)]
    assert smooth_faces(found, 0.0) == found


def test_two_faces_that_change_places_in_the_lists_are_told_apart(shape):
    near, far = shape, shape + torch.tensor([300.0, 0.0, 0.0])
    found = [[face(near), face(far)] if frame % 2 else [face(far), face(near)] for frame in range(10)]
    assert sorted(len(track) for track in tracks(found, 0)) == [10, 10]
    for before, after in zip(found, smooth_faces(found, 2.0), strict=True):
        assert all(torch.equal(a.points, b.points) for a, b in zip(before, after, strict=True))


def test_a_cut_is_not_smoothed_over(shape):
    other = shape * 1.2 + torch.tensor([200.0, 50.0, 0.0])
    found = [[face(shape)]] * 6 + [[face(other)]] * 6
    assert sorted(len(track) for track in tracks(found, 6)) == [6, 6]
    smoothed = points_of(smooth_faces(found, 2.0))
    assert torch.equal(smoothed[5], shape) and torch.equal(smoothed[6], other)


def test_a_face_that_was_away_for_long_is_another_one(shape):
    """So that each frame is compared with few tracks, however many cuts there were before."""
    found = [[face(shape)], [], [], [face(shape)], [], [], [], [face(shape)]]
    assert tracks(found, 2) == [[(0, 0), (3, 0)], [(7, 0)]]


def test_a_long_track_is_smoothed_in_parts_as_in_one(shape, generator):
    found = [[face(shape + torch.randn(478, 3, generator=generator))] for _ in range(230)]
    whole = smooth(points_of(found), torch.arange(230.0), 2.0)
    torch.testing.assert_close(points_of(smooth_faces(found, 2.0)), whole, atol=1e-4, rtol=0)


def test_progress_is_told_and_smoothing_can_be_stopped(shape):
    found, told = [[face(shape)] for _ in range(230)] + [[face(shape + 400.0)] for _ in range(30)], []
    smooth_faces(found, 2.0, told.append)
    assert told == [0, 100, 200, 230]

    def stop(done):
        told.append(done)
        if done >= 100:
            raise KeyboardInterrupt

    told.clear()
    with pytest.raises(KeyboardInterrupt):
        smooth_faces(found, 2.0, stop)
    assert told == [0, 100]


def test_frames_without_a_face_leave_a_gap_in_time(shape):
    places = [0.0, 1.0, 2.0, 6.0, 7.0, 8.0]
    found = [[] for _ in range(9)]
    for place in places:
        found[int(place)] = [face(shape + 5 * place)]
    smoothed = smooth_faces(found, 2.0)
    assert [len(faces) for faces in smoothed] == [len(faces) for faces in found]
    for place in places:
        torch.testing.assert_close(smoothed[int(place)][0].points, shape + 5 * place, atol=1e-3, rtol=0)


def test_angles_are_smoothed_the_short_way_round():
    angles = torch.tensor([179.0, -179.0, 179.0, -179.0, 179.0])[:, None]
    smoothed = smooth(angles, torch.arange(5.0), 1.0, turn=360)
    assert (smoothed % 360 - 180).abs().max() < 1.5
