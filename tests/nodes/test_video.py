"""A batch of pictures as the frames of a video."""

import pytest
import torch

pytestmark = pytest.mark.host

SETTINGS = dict(seed=3, steps=2, sampler_name="euler", scheduler="simple", identity_scale=2.0, expression_scale=1.5)


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
    background, crop, mask = scene
    assert background.index.tolist() == [0, 2, 3] and len(crop) == len(mask) == 3
    pasted, crop = sample(run, diffsfsr, background)
    assert pasted.shape == frames.shape and len(crop) == 3
    changed = [not torch.equal(*pair) for pair in zip(pasted, frames, strict=True)]
    assert changed == [True, False, True, True, False]
    assert torch.equal(run("DiffSFSRPasteFaceBack", image=crop, background=background)[0], pasted)


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
    torch.testing.assert_close(shared[0], shared[1], atol=1e-5, rtol=0)
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
    with pytest.raises(ValueError, match='without_face "guess", want one of stop, pass through'):
        extract(frames, without_face="guess")
