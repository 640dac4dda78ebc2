"""The nodes in a real host, on photos of openpeople's people and untrained weights."""

from dataclasses import replace

import pytest
import torch

pytestmark = pytest.mark.host

SETTINGS = dict(seed=3, steps=3, sampler_name="euler", scheduler="simple", identity_scale=2.0, expression_scale=1.5)
PAINTED = dict(appearance=0.0)  # the painter alone; what finishing does is in test_finish.py


@pytest.fixture(scope="module")
def identity(run, diffsfsr, people):
    photos = torch.cat([people(8), people(8).flip(2)])
    return run("DiffSFSREncodeIdentity", diffsfsr=diffsfsr, image=photos, face="largest", face_number=0)


@pytest.fixture(scope="module")
def expression(run, diffsfsr):
    joy, _ = run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="joy", variant=0, intensity=1.0)
    return joy


@pytest.fixture(scope="module")
def couple(people):
    """One picture with two people."""
    return torch.cat([people(2), people(5)], dim=2)


@pytest.fixture(scope="module")
def extract(run, diffsfsr):
    def extract(image, face="largest", face_number=0, mask=None):
        return run(
            "DiffSFSRExtractBackground", diffsfsr=diffsfsr, image=image, face=face, face_number=face_number, mask=mask
        )

    return extract


@pytest.fixture(scope="module")
def background(extract, people):
    return extract(people(2))[0]


@pytest.fixture
def sample(run, diffsfsr):
    def sample(background, **inputs):
        return run("DiffSFSRSampler", diffsfsr=diffsfsr, background=background, **SETTINGS | PAINTED | inputs)

    return sample


def test_the_host_loads_the_pack(host):
    assert host.loaded
    ours = {name for name in host.nodes.NODE_CLASS_MAPPINGS if name.startswith("DiffSFSR")}
    assert {"DiffSFSRLoad", "DiffSFSRSampler", "DiffSFSRGuider", "DiffSFSRFaceReport"} <= ours


def test_everything_a_user_points_at_is_explained(host):
    for name, node in host.nodes.NODE_CLASS_MAPPINGS.items():
        if name.startswith("DiffSFSR"):
            info = node.GET_NODE_INFO_V1()
            assert info["category"] == "DiffSFSR" and info["description"] and info["display_name"]
            assert all(info["output_tooltips"]), name
            for group in ("required", "optional"):
                assert all(options["tooltip"] for _, options in info["input"].get(group, {}).values()), name


def test_identity_merges_photos_and_shows_the_faces(identity, untrained):
    code, aligned = identity
    assert code.photos == 2 and code.recognisers == untrained.config.recognisers
    assert code.code.shape == (1, untrained.config.identity_size)
    assert code.code.norm(dim=-1).item() == pytest.approx(len(code.recognisers) ** 0.5)  # unit vectors, side by side
    assert aligned.shape == (2, 112, 112, 3) and aligned.min() >= 0 and aligned.max() <= 1
    assert aligned.std() > 0.1


def test_label_and_intensity(run, diffsfsr, expression):
    assert expression.name == "joy" and expression.code.shape == (1, 51)
    neutral, shown = run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="joy", variant=0, intensity=0.0)
    assert shown.shape == (2, 160, 160, 3) and 0 <= shown.min() < shown.max() <= 1 and shown.std() > 0.1  # the heads
    assert (neutral.code == 0).all() and (expression.code != 0).any()
    with pytest.raises(ValueError, match="means joy"):
        run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="joyfull", variant=0, intensity=1.0)


def test_labels_are_the_135_in_their_order(host):
    options = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRExpressionByLabel"].INPUT_TYPES()["required"]["label"][1][
        "options"
    ]
    assert len(options) == 135 and options[0] == "adoration" and options == sorted(options)


def test_expression_from_image(run, diffsfsr, people):
    settings = dict(diffsfsr=diffsfsr, face="largest", face_number=0)
    photos = torch.cat([people(2), people(5)])
    (read,) = run("DiffSFSRExpressionFromImage", image=photos, intensity=1.0, **settings)
    assert read.code.shape == (2, 51)
    (own,) = run("DiffSFSRExpressionFromImage", image=photos[:1], neutral=photos[:1], intensity=1.0, **settings)
    assert (own.code == 0).all()  # a photo against itself is exactly neutral
    (half,) = run("DiffSFSRExpressionFromImage", image=photos[:1], intensity=0.5, **settings)
    torch.testing.assert_close(half.code, read.code[:1] / 2)


def test_background_is_the_face_that_was_chosen(extract, couple):
    width = couple.shape[2]

    def places(*choice):
        scene, crop, mask, _ = extract(couple, *choice)
        inner = torch.linalg.inv(scene.matrix[:, :, :2]) @ (torch.full((2, 1), 64.0) - scene.matrix[:, :, 2:])
        assert crop.shape == (len(inner), 128, 128, 3) and mask.shape == (len(inner), 128, 128)
        assert set(mask.unique().tolist()) == {0, 1}
        return [x < width / 2 for x in inner[:, 0, 0].tolist()]

    assert places("from the left", 0) == [True]
    assert places("from the left", 1) == [False]
    assert sorted(places("all")) == [False, True]
    assert len(places("centre")) == 1
    with pytest.raises(ValueError, match="face 2 of the background"):
        places("from the left", 2)
    with pytest.raises(ValueError, match='"loudest"'):
        places("loudest")


def test_a_mask_of_ones_own_takes_the_place_of_the_face_mask(extract, people):
    image = people(2)
    mask = torch.zeros(image.shape[:3])
    mask[:, :, : image.shape[2] // 2] = 1
    scene, _, own, _ = extract(image, mask=mask)
    middle = int((scene.matrix[0] @ torch.tensor([image.shape[2] / 2, 192.0, 1.0]))[0])
    assert own[0, 64, : middle - 2].min() == 1 and own[0, 64, middle + 2 :].max() == 0
    smaller = extract(image, mask=mask[:, ::3, ::3])[2]  # resized as the host does it
    assert (smaller != own).float().mean() < 0.05
    with pytest.raises(ValueError, match="the mask is empty"):
        extract(image, mask=torch.zeros(1, 64, 64))


def test_no_face_is_said_in_words(run, diffsfsr, extract):
    blank = torch.full((1, 240, 320, 3), 0.5)
    with pytest.raises(ValueError, match=r"no face found in the background picture 1 of 1 \(320x240 px\)"):
        extract(blank)
    with pytest.raises(ValueError, match="no face found in the identity photo 1 of 1"):
        run("DiffSFSREncodeIdentity", diffsfsr=diffsfsr, image=blank, face="largest", face_number=0)


def test_transparency_is_dropped_grey_is_repeated_and_broken_pictures_are_refused(extract, people):
    image = people(2)
    _, crop, *_ = extract(torch.cat([image, torch.zeros_like(image[..., :1])], dim=-1))
    assert torch.equal(crop, extract(image)[1])
    grey = extract(image.mean(-1, keepdim=True))[1]
    assert torch.equal(grey[..., 0], grey[..., 2])
    with pytest.raises(ValueError, match="NaN"):
        extract(image / 0 * 0)
    with pytest.raises(ValueError, match="shape"):
        extract(image[..., :2])
    with pytest.raises(ValueError, match="the batch is empty"):
        extract(image[:0])


def test_only_the_face_changes_bit_for_bit(sample, identity, expression, background, people):
    before = people(2)
    pasted, crop = sample(background, identity=identity[0], expression=expression)
    assert pasted.shape == before.shape and crop.shape == (1, 128, 128, 3)
    points = (background.points[0, :, :2] - background.matrix[0, :, 2]) @ torch.linalg.inv(
        background.matrix[0, :, :2]
    ).T
    low, high = points.min(0).values, points.max(0).values
    y, x = torch.meshgrid(torch.arange(before.shape[1]), torch.arange(before.shape[2]), indexing="ij")
    centre, half = (low + high) / 2, (high - low) / 2
    distance = torch.hypot((x - centre[0]) / half[0], (y - centre[1]) / half[1])  # 1: the ellipse around the face
    assert torch.equal(pasted[0][distance > 1.6], before[0][distance > 1.6])
    assert (pasted - before)[0][distance < 0.7].abs().mean() > 0.02


def test_sampler_is_what_ksampler_decode_and_paste_give(host, run, diffsfsr, sample, identity, expression, background):
    scale, codes = 1.8, dict(identity=identity[0], expression=expression)
    pasted, crop = sample(background, **codes, identity_scale=scale, expression_scale=scale)
    positive, _, negative, latent = run(
        "DiffSFSRConditioning", diffsfsr=diffsfsr, vae=diffsfsr.vae, background=background, **codes
    )
    with torch.inference_mode():
        sampled = host.nodes.KSampler().sample(
            diffsfsr.model, SETTINGS["seed"], SETTINGS["steps"], scale, SETTINGS["sampler_name"], SETTINGS["scheduler"],
            positive, negative, latent,
        )  # fmt: skip
        decoded = host.nodes.VAEDecode().decode(diffsfsr.vae, sampled[0])[0]
    assert torch.equal(decoded, crop)
    assert torch.equal(run("DiffSFSRPasteFaceBack", image=decoded, background=background)[0], pasted)


def test_what_is_not_given_is_read_from_the_background(run, diffsfsr, sample, background):
    """Without codes nothing is missing; each code given makes a difference."""
    (own,) = run(
        "DiffSFSRExpressionFromImage", diffsfsr=diffsfsr, image=background.image, intensity=1.0, face="largest",
        face_number=0,
    )  # fmt: skip
    torch.testing.assert_close(sample(background)[1], sample(background, expression=own)[1])
    joy = run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="joy", variant=0, intensity=1.0)[0]
    assert (sample(background)[1] - sample(background, expression=joy)[1]).abs().max() > 0.01


def test_several_faces_of_a_picture_are_all_replaced(sample, extract, couple, identity, expression):
    scene = extract(couple, "all")[0]
    pasted, crop = sample(scene, identity=identity[0], expression=expression)
    assert pasted.shape == couple.shape and crop.shape == (2, 128, 128, 3)
    changed = (pasted != couple).any(-1)[0]
    half = couple.shape[2] // 2
    assert changed[:, :half].any() and changed[:, half:].any()


def test_several_expressions_make_several_pictures(sample, background, identity, expression):
    several = replace(expression, code=torch.cat([expression.code, -expression.code, 0 * expression.code]))
    pasted, crop = sample(background, identity=identity[0], expression=several)
    assert pasted.shape == (3, *background.image.shape[1:]) and crop.shape[0] == 3


def test_batches_that_do_not_fit_are_named(sample, extract, couple, expression):
    three = replace(expression, code=expression.code.expand(3, -1))
    with pytest.raises(ValueError, match="'expression': 3, 'background': 2"):
        sample(extract(couple, "all")[0], expression=three)


def test_larger_crops_can_be_pasted_and_others_not(run, sample, background, extract, couple):
    pasted, crop = sample(background)
    larger = torch.nn.functional.interpolate(crop.movedim(-1, 1), scale_factor=3, mode="bicubic").movedim(1, -1)
    (again,) = run("DiffSFSRPasteFaceBack", image=larger, background=background)
    assert (again - pasted).abs().mean() < 0.01
    for shape in ((1, 128, 96, 3), (1, 64, 64, 3)):
        with pytest.raises(ValueError, match="crop of"):
            run("DiffSFSRPasteFaceBack", image=torch.zeros(shape), background=background)
    with pytest.raises(ValueError, match="1 face crops for a background with 2 faces"):
        run("DiffSFSRPasteFaceBack", image=crop, background=extract(couple, "all")[0])


def test_poisson_blending_takes_grey_and_transparent_faces_and_leaves_the_rest(run, sample, extract, couple):
    scene, _, _, mask = extract(couple, "all")
    _, crop = sample(scene)
    feathered, joined = (run("DiffSFSRPasteFaceBack", image=crop, background=scene, blend=each)[0]
                         for each in ("feather", "poisson"))  # fmt: skip
    assert torch.equal(feathered, run("DiffSFSRPasteFaceBack", image=crop, background=scene)[0])
    outside = mask == 0
    assert torch.equal(joined[outside], couple[outside]) and not torch.equal(joined, feathered)
    see_through = torch.cat([crop, torch.zeros_like(crop[..., :1])], -1)
    assert torch.equal(run("DiffSFSRPasteFaceBack", image=see_through, background=scene, blend="poisson")[0], joined)
    grey = crop.mean(-1, keepdim=True)
    (in_grey,) = run("DiffSFSRPasteFaceBack", image=grey, background=scene, blend="poisson")
    three = grey.expand(-1, -1, -1, 3)
    assert torch.equal(in_grey, run("DiffSFSRPasteFaceBack", image=three, background=scene, blend="poisson")[0])
    with pytest.raises(ValueError, match='got blend "none"'):
        run("DiffSFSRPasteFaceBack", image=crop, background=scene, blend="none")


def test_wires_of_another_model_and_unknown_choices_are_refused(host, diffsfsr, sample, background, untrained):
    other = replace(untrained.config, latent_channels=4)
    native = host.part("nodes.native")
    vae = host.part("models.network.autoencoder").build_autoencoder(other.autoencoder_widths, 1, 4, 1.0)
    with pytest.raises(ValueError, match="4 latent channels, want 16"):
        sample(background, vae=native.load_vae(other, vae.state_dict()))
    stranger = diffsfsr.model.clone()
    stranger.model = torch.nn.Module()
    stranger.model.model_config = object()
    with pytest.raises(ValueError, match="the MODEL is not DiffSFSR's"):
        sample(background, model=stranger)
    with pytest.raises(ValueError, match='sampler_name "elsewhere"'):
        sample(background, sampler_name="elsewhere")
    with pytest.raises(ValueError, match='scheduler "elsewhere"'):
        sample(background, scheduler="elsewhere")
