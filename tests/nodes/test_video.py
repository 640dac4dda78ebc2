"""A batch of pictures as the frames of a video."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

pytestmark = pytest.mark.host

SETTINGS = dict(
    seed=3, steps=2, sampler_name="euler", scheduler="simple", identity_scale=2.0, expression_scale=1.5, appearance=0.0
)  # painted alone; what finishing does is in test_finish.py


@pytest.fixture(scope="module")
def frames(people):
    """Five frames; the second and the last show no face."""
    person, blank = people(2), torch.full_like(people(2), 0.3)
    return torch.cat([person, blank, person, person.flip(2), blank])


@pytest.fixture(scope="module")
def extract(run, diffsfsr):
    def extract(image, **inputs):
        return run(
            "DiffSFSRExtractBackground",
            diffsfsr=diffsfsr, image=image, face="largest", face_number=0, **{"without_face": "pass through"} | inputs,
        )  # fmt: skip

    return extract


@pytest.fixture(scope="module")
def scene(extract, frames):
    return extract(frames)


def sample(run, diffsfsr, background, **inputs):
    return run("DiffSFSRSampler", diffsfsr=diffsfsr, background=background, **SETTINGS | inputs)


def test_frames_without_a_face_are_passed_through(run, diffsfsr, scene, frames):
    background, crop, mask, *_ = scene
    assert background.index.tolist() == [0, 2, 3] and len(crop) == len(mask) == 3
    pasted, crop = sample(run, diffsfsr, background)
    assert pasted.shape == frames.shape and len(crop) == 3
    changed = [not torch.equal(*pair) for pair in zip(pasted, frames, strict=True)]
    assert changed == [True, False, True, True, False]
    assert torch.equal(run("DiffSFSRPasteFaceBack", image=crop, background=background)[0], pasted)


def test_a_driving_clip_goes_with_frames_that_lack_a_face(run, diffsfsr, scene, frames):
    """The clip lacks faces too; its expressions go by the frame's number."""
    options = {"face": "largest", "face_number": 0, "intensity": 1.0, "without_face": "pass through"}
    (driving,) = run("DiffSFSRExpressionFromImage", diffsfsr=diffsfsr, image=frames.roll(1, 0), **options)
    assert len(driving.code) == 5
    pasted, crop = sample(run, diffsfsr, scene[0], expression=driving)
    assert pasted.shape == frames.shape and len(crop) == 3
    wanted = type(driving)(driving.code[[0, 2, 3]])
    assert torch.equal(crop, sample(run, diffsfsr, scene[0], expression=wanted)[1])


def test_one_face_among_many_frames(run, diffsfsr, extract, frames):
    background, *_ = extract(frames[1:3])
    pasted, crop = sample(run, diffsfsr, background)
    assert pasted.shape == frames[1:3].shape and torch.equal(pasted[0], frames[1])
    with pytest.raises(ValueError, match="got 3 face crops for a background with 1 faces"):
        run("DiffSFSRPasteFaceBack", image=crop.expand(3, -1, -1, -1), background=background)


def test_frames_are_what_each_is_alone(run, diffsfsr, extract, scene, frames):
    alone = extract(frames[3:4])[0]
    for name in ("crop", "mask", "pose", "matrix", "blendshapes"):
        torch.testing.assert_close(getattr(scene[0], name)[2:], getattr(alone, name))


def test_shared_noise_makes_like_of_like(run, diffsfsr, scene):
    background = scene[0]  # its first two faces are the same
    _, shared = sample(run, diffsfsr, background, shared_noise=True)
    torch.testing.assert_close(shared[0], shared[1], atol=1e-4, rtol=0)
    _, own = sample(run, diffsfsr, background)
    torch.testing.assert_close(own[0], shared[0], atol=1e-4, rtol=0)
    assert not torch.allclose(own[1], shared[1], atol=1e-2)


def test_a_mask_of_ones_own_goes_with_its_frame(extract, frames):
    mask = torch.zeros(frames.shape[:3])
    mask[0], mask[2, :, : frames.shape[2] // 2], mask[3] = 1, 1, 1
    areas = extract(frames, mask=mask)[2].mean((1, 2))
    assert areas[0] == areas[2] == 1 and 0.3 < areas[1] < 0.7


def test_stopping_is_the_default_and_some_frame_must_show_a_face(run, diffsfsr, extract, frames):
    with pytest.raises(ValueError, match="no face found in the background picture 2 of 5"):
        run("DiffSFSRExtractBackground", diffsfsr=diffsfsr, image=frames, face="largest", face_number=0)
    with pytest.raises(ValueError, match="no face found in the background picture 1 of 1"):
        extract(frames[1:2])
    with pytest.raises(ValueError, match='without_face "guess", want one of stop, skip, pass through'):
        extract(frames, without_face="guess")


@pytest.fixture(scope="module")
def shaken(people) -> torch.Tensor:
    """Eight frames of one portrait with a hand's tremor, moved by whole pixels."""
    still = people(2)
    moves = torch.randint(-3, 4, (8, 2), generator=torch.Generator().manual_seed(1)).tolist()
    return torch.cat([still.roll(move, (1, 2)) for move in moves])


def test_smoothing_takes_the_jitter_out_and_zero_is_off(extract, shaken):
    off, none, on = extract(shaken)[0], extract(shaken, smoothing=0.0)[0], extract(shaken, smoothing=2.0)[0]
    assert torch.equal(off.matrix, none.matrix) and torch.equal(off.crop, none.crop)
    assert on.matrix[:, :, 2].std(0).max() < 0.5 * off.matrix[:, :, 2].std(0).max()
    assert torch.equal(on.blendshapes, off.blendshapes)


def test_smoothing_leaves_a_still_picture_as_it_is(extract, people):
    still = people(2).repeat(4, 1, 1, 1)
    rough, smooth = extract(still)[0], extract(still, smoothing=3.0)[0]
    for name in ("crop", "mask", "matrix", "pose", "points"):
        assert torch.equal(getattr(rough, name), getattr(smooth, name)), name


def test_a_long_video_is_sampled_in_parts_with_the_noise_of_the_whole(
    host, run, diffsfsr, extract, shaken, monkeypatch
):
    monkeypatch.setattr(host.part("nodes.sampling"), "TOGETHER", 3)
    background = extract(shaken)[0]
    parts = sample(run, diffsfsr, background)[1]
    monkeypatch.setattr(host.part("nodes.sampling"), "TOGETHER", 32)
    torch.testing.assert_close(parts, sample(run, diffsfsr, background)[1], atol=1e-4, rtol=0)


class LargeTensors(TorchDispatchMode):
    """Counts the tensors that operations make anew and that are at least of a given size, in numbers."""

    def __init__(self, size: int):
        super().__init__()
        self.size, self.made = size, []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        given = {x.untyped_storage().data_ptr() for x in tree_leaves(arguments) if isinstance(x, torch.Tensor)}
        for x in tree_leaves(result):
            large = isinstance(x, torch.Tensor) and x.numel() >= self.size
            if large and x.untyped_storage().data_ptr() not in given:
                self.made.append((str(function), tuple(x.shape)))
        return result


def test_no_copy_is_made_of_all_frames_but_for_the_result(run, diffsfsr, extract, people):
    """What is needed beside the frames does not grow with their number."""
    frames = people(2, height=768).repeat(6, 1, 1, 1)
    with torch.inference_mode(), LargeTensors(frames.numel() // 2) as extracting:
        background = run("DiffSFSRExtractBackground", diffsfsr=diffsfsr, image=frames, face="largest", face_number=0)[0]
    assert extracting.made == []
    with torch.inference_mode(), LargeTensors(frames.numel() // 2) as sampling:
        pasted, _ = sample(run, diffsfsr, background)
    assert pasted.shape == frames.shape and len(sampling.made) == 1, sampling.made
