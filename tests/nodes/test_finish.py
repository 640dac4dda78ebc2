"""Faces finished with the photos' own pixels, in a real host, on openpeople's people and untrained weights."""

from dataclasses import replace

import pytest
import torch

pytestmark = pytest.mark.host

SETTINGS = dict(seed=3, steps=2, sampler_name="euler", scheduler="simple", identity_scale=1.8, expression_scale=1.8)
CHOICE = dict(face="largest", face_number=0)
SMALL = dict(detail=2)  # 256 px: finished in a moment


@pytest.fixture(scope="module")
def encode(run, diffsfsr):
    return lambda image: run("DiffSFSREncodeIdentity", diffsfsr=diffsfsr, image=image, **CHOICE)[0]


@pytest.fixture(scope="module")
def anna(encode, people):
    return encode(people(8))


@pytest.fixture(scope="module")
def ben(encode, people):
    return encode(people(5))


@pytest.fixture(scope="module")
def joy(run, diffsfsr):
    return run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="joy", variant=0, intensity=1.0)[0]


@pytest.fixture(scope="module")
def extract(run, diffsfsr):
    def extract(image, face="largest", **inputs):
        given = dict(diffsfsr=diffsfsr, image=image, face=face, face_number=0) | inputs
        return run("DiffSFSRExtractBackground", **given)[0]

    return extract


@pytest.fixture(scope="module")
def scene(extract, people):
    return extract(people(2))


@pytest.fixture(scope="module")
def sample(run, diffsfsr):
    def sample(background, **inputs):
        return run("DiffSFSRSampler", diffsfsr=diffsfsr, background=background, **SETTINGS | SMALL | inputs)

    return sample


@pytest.fixture(scope="module")
def finish(run, diffsfsr):
    def finish(background, image=None, **inputs):
        given = dict(diffsfsr=diffsfsr, background=background, image=image) | SMALL | inputs
        return run("DiffSFSRFinish", **given)[0]

    return finish


@pytest.fixture(scope="module")
def painted(sample, scene, anna, joy):
    return sample(scene, identity=anna, expression=joy, appearance=0.0)


def test_without_appearance_the_photos_make_no_difference(sample, finish, scene, anna, joy, painted):
    """Bit for bit: as from a code alone, which is what there was before identities had photos."""
    code = replace(anna, appearances=())
    for result in (
        sample(scene, identity=code, expression=joy),
        sample(scene, identity=code, expression=joy, appearance=0.0, shape=0.3, detail=8),
    ):
        assert all(torch.equal(*pair) for pair in zip(result, painted, strict=True))
    assert painted[1].shape == (1, 128, 128, 3)
    assert torch.equal(finish(scene, painted[1], identity=anna, expression=joy, appearance=0.0), painted[1])
    assert torch.equal(finish(scene, painted[1], identity=code, expression=joy), painted[1])


def test_sampler_is_what_ksampler_decode_finish_and_paste_give(host, run, diffsfsr, sample, finish, scene, anna, joy):
    codes = dict(identity=anna, expression=joy)
    pasted, crop = sample(scene, **codes)
    assert crop.shape == (1, 256, 256, 3)
    positive, _, negative, latent = run(
        "DiffSFSRConditioning", diffsfsr=diffsfsr, vae=diffsfsr.vae, background=scene, **codes
    )
    with torch.inference_mode():
        sampled = host.nodes.KSampler().sample(
            diffsfsr.model, SETTINGS["seed"], SETTINGS["steps"], SETTINGS["identity_scale"], SETTINGS["sampler_name"],
            SETTINGS["scheduler"], positive, negative, latent,
        )  # fmt: skip
        decoded = host.nodes.VAEDecode().decode(diffsfsr.vae, sampled[0])[0]
    finished = finish(scene, decoded, **codes)
    assert torch.equal(finished, crop)
    assert torch.equal(run("DiffSFSRPasteFaceBack", image=finished, background=scene)[0], pasted)


def test_outside_of_the_mask_not_a_bit_is_changed(sample, scene, anna, joy, people):
    pasted, _ = sample(scene, identity=anna, expression=joy)
    points = scene.points[0, :, :2] - scene.matrix[0, :, 2]
    points = points @ torch.linalg.inv(scene.matrix[0, :, :2]).T
    low, high = points.amin(0), points.amax(0)
    y, x = torch.meshgrid(*(torch.arange(n) for n in pasted.shape[1:3]), indexing="ij")
    centre, half = (low + high) / 2, (high - low) / 2
    distance = torch.hypot((x - centre[0]) / half[0], (y - centre[1]) / half[1])  # 1: the ellipse around the face
    assert torch.equal(pasted[0][distance > 1.6], people(2)[0][distance > 1.6])
    assert (pasted - people(2))[0][distance < 0.7].abs().mean() > 0.02


def test_each_face_of_a_group_is_its_own(run, finish, extract, people, anna, ben):
    couple = torch.cat([people(2), people(0)], dim=2)
    group = extract(couple, face="all")
    both = replace(anna, code=torch.cat([anna.code, ben.code]), appearances=anna.appearances + ben.appearances)
    crops = finish(group, identity=both)
    assert len(crops) == 2
    pair = finish(group, identity=anna), finish(group, identity=ben)
    assert torch.equal(crops[0], pair[0][0]) and torch.equal(crops[1], pair[1][1])
    assert (crops[0] - pair[1][0]).abs().mean() > 0.01  # the other person in the same place
    pasted = run("DiffSFSRPasteFaceBack", image=crops, background=group)[0]
    changed = (pasted != couple).any(-1)[0]
    half = people(2).shape[2]
    assert changed[:, :half].any() and changed[:, half:].any()


def test_swap_only_keeps_the_expression_and_reenactment_only_the_face(run, diffsfsr, finish, scene, anna, joy):
    def read(image):
        return run("DiffSFSRExpressionFromImage", diffsfsr=diffsfsr, image=image, intensity=1.0, **CHOICE)[0].code

    before = read(scene.image)
    swapped, acted = finish(scene, identity=anna), finish(scene, expression=joy)
    assert (read(swapped) - before).norm() < (read(finish(scene, identity=anna, expression=joy)) - before).norm()
    assert (read(acted) - joy.code).norm() < (before - joy.code).norm()
    still = finish(scene, detail=1)[0]  # neither: the face that is there
    assert (still.movedim(-1, 0) - (scene.crop[0] / 2 + 0.5)).abs().mean() < 0.02


def test_frames_are_finished_as_each_is_alone(finish, sample, extract, people, anna, joy):
    """A video of three frames, one of them without a face, under a batch of expressions by the frame's number."""
    person, blank = people(2), torch.full_like(people(2), 0.3)
    clip = extract(torch.cat([person, blank, person.flip(2)]), without_face="pass through")
    acts = type(joy)(torch.cat([joy.code, 0 * joy.code, -0.5 * joy.code]))
    crops = finish(clip, identity=anna, expression=acts)
    assert len(crops) == 2
    alone = extract(person.flip(2))
    torch.testing.assert_close(
        crops[1:], finish(alone, identity=anna, expression=type(joy)(acts.code[2:])), atol=0.02, rtol=0
    )
    pasted, _ = sample(clip, identity=anna, expression=acts)
    assert torch.equal(pasted[1], clip.image[1]) and len(pasted) == 3


def test_a_kept_identity_has_its_photos_unless_they_are_left_out(host, run, finish, scene, anna):
    run("DiffSFSRSaveIdentity", identity=anna, filename_prefix="photographed")
    run("DiffSFSRSaveIdentity", identity=anna, filename_prefix="code_alone", appearance=False)
    host.folder_paths.filename_list_cache.clear()
    (again,) = run("DiffSFSRLoadIdentity", file="photographed_00001_.safetensors")
    assert torch.equal(finish(scene, identity=again, detail=1), finish(scene, identity=anna, detail=1))
    (code,) = run("DiffSFSRLoadIdentity", file="code_alone_00001_.safetensors")
    assert torch.equal(code.code, anna.code) and not code.appearances
    painted = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(finish(scene, painted, identity=code), painted)


def test_a_preview_needs_photos(finish, scene, anna):
    with pytest.raises(ValueError, match="a preview needs photos"):
        finish(scene, identity=replace(anna, appearances=()))


def test_crops_and_batches_that_do_not_fit_are_named(finish, scene, anna, joy):
    with pytest.raises(ValueError, match="want a square one of 128 or more"):
        finish(scene, torch.zeros(1, 96, 128, 3), identity=anna)
    two, three = (type(joy)(joy.code.expand(n, -1)) for n in (2, 3))
    with pytest.raises(ValueError, match="3 expressions, 2 painted crops"):
        finish(scene, torch.zeros(2, 128, 128, 3), identity=anna, expression=three)
    assert len(finish(scene, torch.zeros(2, 128, 128, 3), identity=anna, expression=two, detail=1)) == 2


def test_progress_is_shown_face_by_face_and_users_can_stop_there(host, finish, scene, anna, joy, monkeypatch):
    import comfy.model_management
    import comfy.utils

    seen = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *rest, **more: seen.append(value))
    several = type(joy)(joy.code.expand(3, -1))
    finish(scene, identity=anna, expression=several, detail=1)
    assert seen == [1, 2, 3]

    def stop(value, *rest, **more):
        comfy.model_management.interrupt_current_processing()

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", stop)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        finish(scene, identity=anna, expression=several, detail=1)
