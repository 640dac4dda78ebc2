import copy
import dataclasses

import pytest
import torch
from diffsfsr import models
from diffsfsr.models.appearance.finish import Wish
from diffsfsr.models.codes import Identity
from diffsfsr.models.conditions import Conditions
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.models.network.denoiser import Denoiser, shrink_mask, widen
from diffsfsr.models.network.sampling import guide
from diffsfsr.models.pipeline import DiffSFSR, Painting

PAINTED = Wish(appearance=0)  # the painter alone


@pytest.fixture(scope="module")
def model(tiny, face_mesh) -> DiffSFSR:
    """Random weights everywhere, in the last layer too."""
    torch.manual_seed(0)
    config = dataclasses.replace(tiny, latent_scale=0.5)
    recognisers = {"small": Recogniser((8, 8, 8, 8), (1, 1, 1), 16)}
    encoders = Encoders(config, face_mesh, recognisers, ExpressionLibrary.load(ASSETS / "expressions.json"))
    denoiser = Denoiser(config)
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1)
    autoencoder = build_autoencoder(config.autoencoder_widths, 1, config.latent_channels, config.latent_scale)
    parts = [part.eval().requires_grad_(False) for part in (encoders, denoiser, autoencoder)]
    return DiffSFSR(*parts)


def test_a_half_precision_file_is_computed_in_float32():
    model = DiffSFSR.load("mini")
    for part in (model.denoiser, model.autoencoder, model.encoders.conditioner):
        assert {weight.dtype for weight in part.parameters()} == {torch.float32}


@pytest.fixture(scope="module")
def background(model, acted):
    return model.background(acted("P003", 0))


@pytest.fixture(scope="module")
def person(model, acted):
    return model.identity([acted("P001", 0)])


def test_a_face_is_drawn_into_the_picture(model, person, background):
    steps = []
    pictures, crops = model.generate(
        person, model.expression("joy"), background, Painting(3), PAINTED, on_step=steps.append
    )
    assert pictures.shape == (1, 3, 200, 200) and crops.shape == (1, 3, 128, 128)
    assert [step.index for step in steps] == [0, 1, 2]
    changed = (pictures != background.pictures).any(1)[0]
    old = model.encoders.mesh.find(background.pictures[0])[0].points[:, :2]
    x, y = old[4].long().tolist()
    assert changed[y, x]  # the tip of the nose
    low, high = old.amin(0), old.amax(0)
    (left, top), (right, bottom) = (
        (low - 0.3 * (high - low)).long().tolist(),
        (high + 0.3 * (high - low)).long().tolist(),
    )
    changed[top:bottom, left:right] = False
    assert not changed.any()  # hair, shoulders, surroundings


@pytest.fixture(scope="module")
def shown(model) -> DiffSFSR:
    """The same model, which has been taught to look at a photo of the person."""
    config = dataclasses.replace(model.config, planes=("mask", "background", "selfie", "trust"))
    denoiser, weights = Denoiser(config), model.denoiser.unet.state_dict()
    weights["conv_in.weight"] = widen(weights["conv_in.weight"], model.config, config)
    denoiser.unet.load_state_dict(weights)
    encoders = copy.copy(model.encoders)
    encoders.config = config
    return DiffSFSR(encoders, denoiser.eval().requires_grad_(False), model.autoencoder)


def test_the_painter_is_shown_photos_where_it_has_a_place_for_them(model, shown, person, background):
    joy, whole = model.expression("joy"), Wish()
    code = dataclasses.replace(person, appearances=())
    for who, wish in ((person, None), (person, PAINTED), (code, whole)):
        planes = shown.planes(background, who, joy, wish)
        assert not planes["selfie"].any() and not planes["trust"].any()
    assert model.planes(background, person, joy, whole).keys() == {"mask", "background"}
    planes = shown.planes(background, person, joy, whole)
    assert planes["trust"].amax() > 0.8 and planes["trust"].amin() == 0
    seen, trust, given = (
        shown.encoders.planes(background, person, joy, whole)[name] for name in ("selfie", "trust", "background")
    )
    away = (seen - given).abs().amax(1, keepdim=True) > 0.02
    assert away[trust > 0.5].float().mean() > 0.8
    assert not away[..., [*range(8), *range(120, 128)]].any()  # the surroundings are those that are given


def test_a_photo_that_counts_nothing_yet_changes_nothing(model, shown, person, background):
    """Planes that are new to a network start at zero."""
    want, got = (
        each.paint(person, model.expression("joy"), background, Painting(2), wish=Wish()) for each in (model, shown)
    )
    torch.testing.assert_close(got, want, atol=1e-4, rtol=0)


def test_a_batch_is_shown_what_its_singles_are(shown, person, background, acted):
    other = shown.identity([acted("P002", 1)])
    both = Identity(torch.cat([person.code, other.code]), person.recognisers, 1, person.appearances + other.appearances)
    planes = shown.planes(background, both, None, Wish())
    for i, one in enumerate((person, other)):
        alone = shown.planes(background, one, None, Wish())
        for name in ("selfie", "trust"):
            torch.testing.assert_close(planes[name][i : i + 1], alone[name], atol=1e-4, rtol=0)


def test_without_an_identity_the_painter_is_shown_the_scenes_own_face(shown, background):
    planes = shown.encoders.planes(background, None, None, Wish())
    inner = planes["trust"] > 0.9
    away = (planes["selfie"] - background.crop).abs().mean(1, keepdim=True)
    assert inner.any() and away[inner].mean() < 0.06


def test_the_seed_alone_decides(model, person, background):
    def draw(seed):
        return model.generate(person, None, background, Painting(2, seed), PAINTED)[1]

    assert torch.equal(draw(3), draw(3)) and not torch.equal(draw(3), draw(4))


def test_a_batch_is_its_singles_with_the_seeds_that_follow(model, person, background, acted):
    other = model.identity([acted("P002", 1)])
    both = Identity(torch.cat([person.code, other.code]), person.recognisers)
    pictures, crops = model.generate(both, model.expression("anger"), background, Painting(2, 5), PAINTED)
    assert pictures.shape == (2, 3, 200, 200)
    for i, identity in enumerate((person, other)):
        alone = model.generate(identity, model.expression("anger"), background, Painting(2, 5 + i), PAINTED)[1]
        torch.testing.assert_close(crops[i : i + 1], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("scales", [(1, 1), (0, 0), (1, 0), (1.5, 1.5), (2.0, 1.5)])
def test_branches_without_weight_are_left_out_and_nothing_changes(model, person, background, scales):
    tokens = model.encoders.tokens(person, model.expression("joy"), background)
    planes = model.planes(background)
    z, t = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([600])
    each = (tokens.null, tokens.identity_only, tokens.full)
    branches = [model.denoiser(z, t, Conditions(own, planes)) for own in each]
    wanted = model.schedule.clean_and_noise(guide(*branches, *scales), z, t, "v_prediction")
    got = model.guided(tokens, planes, *scales)(z, t)
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


def test_planes_are_the_shrunk_mask_and_the_latents_of_the_crop_without_its_face(model, background):
    planes = model.planes(background)
    assert list(planes) == ["mask", "background"]
    assert torch.equal(planes["mask"], shrink_mask(background.mask))
    assert torch.equal(planes["background"], model.encode(model.encoders.masked_crop(background)))


def test_scales_and_codes_are_heard(model, person, background):
    def draw(label, identity_scale=2.0, expression_scale=1.5):
        painting = Painting(1, 0, identity_scale, expression_scale)
        return model.generate(person, model.expression(label), background, painting, PAINTED)[1]

    assert not torch.equal(draw("joy"), draw("anger"))
    assert torch.equal(draw("joy", 1.5, 0), draw("anger", 1.5, 0))  # without its scale, the expression is not heard
    assert not torch.equal(draw("joy", 2.0), draw("joy", 3.0))


def test_latents_have_the_configs_scale(model, background):
    raw = model.autoencoder.encode(background.crop).latent_dist.mode()
    torch.testing.assert_close(model.encode(background.crop), raw * 0.5)
    decoded = model.decode(raw * 0.5)
    torch.testing.assert_close(decoded, model.autoencoder.decode(raw).sample.clamp(-1, 1))


def test_the_package_gives_the_facade_and_nothing_else():
    assert models.DiffSFSR is DiffSFSR
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        models.Nonsense  # noqa: B018
