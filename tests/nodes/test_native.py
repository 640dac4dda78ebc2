"""One weight file, two runtimes: diffusers' networks and the host's give the same numbers."""

import dataclasses

import pytest
import torch
from diffsfsr.models.conditions import Conditions
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.config import Config, mini
from diffsfsr.models.network.denoiser import Denoiser, shrink_mask, shrink_plane
from diffsfsr.models.network.schedule import Schedule

pytestmark = pytest.mark.host

SHAPES = {
    "mini": mini(latent_scale=0.7, latent_rgb=[[0.1, 0.2, 0.3]] * 16),
    "epsilon, uneven": mini(
        prediction="epsilon", widths=(32, 64, 128), attention=(False, True, False), layers=1, heads=4, context=40,
        latent_channels=4, autoencoder_layers=2, tokens_in_time=False,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def native(host):
    return host.part("nodes.native")


def randomise(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Every weight away from its starting value, so that none can go missing unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        weight.data += 0.03 * torch.randn(weight.shape, generator=generator)
    return network.eval().requires_grad_(False)


@pytest.fixture(params=SHAPES, scope="module")
def config(request) -> Config:
    return SHAPES[request.param]


@pytest.fixture(scope="module")
def denoiser(config) -> Denoiser:
    return randomise(Denoiser(config), 1)


@pytest.fixture(scope="module")
def autoencoder(config):
    return randomise(build_autoencoder(config.autoencoder_widths, config.autoencoder_layers, config.latent_channels,
                                       config.latent_scale), 2)  # fmt: skip


@pytest.fixture(scope="module")
def model(native, config, denoiser):
    return native.load_model(config, denoiser.unet.state_dict(), torch.arange(config.latent_channels))


def test_denoiser_is_the_same_network(config, denoiser, model):
    x = torch.randn(2, 2 * config.latent_channels + 1, 16, 16)
    tokens, t = torch.randn(2, 10, config.context), torch.tensor([7.0, 930.0])
    vector = tokens.flatten(1) if config.tokens_in_time else None
    want = denoiser.unet(x, t, tokens, class_labels=vector).sample
    got = model.model.diffusion_model(x, t, context=tokens, y=vector)
    assert want.std() > 0.1
    torch.testing.assert_close(got, want, atol=1e-3, rtol=0)


def test_clean_estimate_is_the_same_through_the_hosts_sampling_code(config, denoiser, model):
    """The host's apply_model with mask and background in the conditioning, against schedule and denoiser of ours."""
    schedule, t = Schedule(), torch.tensor([500, 500])
    z0, noise = torch.randn(2, 2, config.latent_channels, 16, 16)
    z = schedule.noisy(z0, noise, t)
    a, s = schedule.at(t, z)
    raw, tokens = torch.randn_like(z), torch.randn(2, 10, config.context)
    mask = torch.zeros(2, 1, 128, 128)
    mask[:, :, 21:90, 30:101] = 1
    planes = {"mask": shrink_mask(mask), "background": raw * config.latent_scale}
    output = denoiser(z, t, Conditions(tokens, planes))
    want, _ = schedule.clean_and_noise(output, z, t, config.prediction)

    conditions = model.model.extra_conds(
        concat_latent_image=raw, concat_mask=mask, noise=z, cross_attn=tokens, device="cpu"
    )
    inputs = {name: condition.process_cond(2, area=None).cond for name, condition in conditions.items()}
    sigma = (s / a).flatten()  # the host's latents are ours divided by a
    got = model.model.apply_model(z / a, sigma, **inputs)
    torch.testing.assert_close(model.model.model_sampling.sigma(t[:1].float()), sigma[:1], atol=1e-5, rtol=0)
    torch.testing.assert_close(got, want, atol=1e-3, rtol=0)


def test_without_a_background_the_host_puts_in_mid_grey_and_a_full_mask(config, model):
    z = torch.zeros(1, config.latent_channels, 16, 16)
    mask, grey = model.model.concat_cond(noise=z, latent_image=z, device="cpu").split(
        [1, config.latent_channels], dim=1
    )
    assert (mask == 1).all()
    assert torch.equal(grey[0, :, 3, 5], torch.arange(config.latent_channels) * config.latent_scale)


def test_further_planes_come_through_the_hosts_conditioning(native, config):
    """In any order; a plane that a conditioning does not bring is zero."""
    config = dataclasses.replace(config, planes=("trust", "background", "selfie", "mask"))
    wider = randomise(Denoiser(config), 4)
    host_model = native.load_model(config, wider.unet.state_dict(), torch.zeros(config.latent_channels)).model
    z, raw, selfie = torch.randn(3, 2, config.latent_channels, 16, 16)
    mask, trust = (torch.rand(2, 1, 128, 128) > 0.5).float(), torch.rand(2, 1, 128, 128)
    tokens, t, schedule = torch.randn(2, 10, config.context), torch.tensor([400, 400]), Schedule()
    a, s = schedule.at(t, z)
    for given in ({"concat_selfie": selfie, "concat_trust": trust}, {}):
        planes = {
            "mask": shrink_mask(mask),
            "background": raw * config.latent_scale,
            "selfie": (selfie if given else torch.zeros_like(selfie)) * config.latent_scale,
            "trust": shrink_plane("trust", trust) if given else torch.zeros(2, 1, 16, 16),
        }
        want, _ = schedule.clean_and_noise(wider(z, t, Conditions(tokens, planes)), z, t, config.prediction)
        conditions = host_model.extra_conds(
            concat_latent_image=raw, concat_mask=mask, noise=z, cross_attn=tokens, device="cpu", **given
        )
        inputs = {name: condition.process_cond(2, area=None).cond for name, condition in conditions.items()}
        got = host_model.apply_model(z / a, (s / a).flatten(), **inputs)
        torch.testing.assert_close(got, want, atol=1e-3, rtol=0)


def test_autoencoder_is_the_same_network(native, config, autoencoder):
    vae = native.load_vae(config, autoencoder.state_dict())
    pictures = torch.rand(2, 64, 96, 3)
    want = autoencoder.encode(pictures.movedim(-1, 1) * 2 - 1).latent_dist.mode()
    got = vae.encode(pictures)
    assert got.shape == (2, config.latent_channels, 8, 12) and want.std() > 0.1
    torch.testing.assert_close(got, want, atol=1e-3, rtol=0)
    want = (autoencoder.decode(got).sample.movedim(1, -1) / 2 + 0.5).clamp(0, 1)
    assert want.std() > 0.05
    torch.testing.assert_close(vae.decode(got), want, atol=1e-3, rtol=0)


def test_latent_format_has_the_scale_and_paints_previews(native, config, model):
    latent_format = model.get_model_object("latent_format")
    assert latent_format.latent_channels == config.latent_channels
    assert float(latent_format.process_in(torch.ones(()))) == pytest.approx(config.latent_scale)
    if config.latent_rgb:
        import latent_preview

        previewer = latent_preview.Latent2RGBPreviewer(
            latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias
        )
        assert previewer.decode_latent_to_preview(torch.zeros(1, config.latent_channels, 16, 16)).size == (16, 16)
    else:
        assert latent_format.latent_rgb_factors is None


def broken(weights: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    name = next(name for name in weights if name.endswith("conv1.weight"))
    if how == "lacks":
        return {key: weight for key, weight in weights.items() if key != name}
    if how == "fit":
        return weights | {name: weights[name][1:]}
    return weights | {"foreign.weight": torch.zeros(1)}


@pytest.mark.parametrize("how", ["lacks", "fit", "too many"])
def test_denoiser_weights_that_do_not_fit_are_refused(native, config, denoiser, how):
    with pytest.raises(ValueError, match=how) as caught:
        native.load_model(config, broken(denoiser.unet.state_dict(), how), torch.zeros(config.latent_channels))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("how", ["lacks", "fit", "too many"])
def test_autoencoder_weights_that_do_not_fit_are_refused(native, config, autoencoder, how):
    with pytest.raises(ValueError, match="fit its config" if how == "fit" else "missing or foreign"):
        native.load_vae(config, broken(autoencoder.state_dict(), how))


def test_shapes_that_the_host_cannot_have_are_refused(native):
    with pytest.raises(ValueError, match="multiples"):
        native.host_unet_config(mini(widths=(96, 160)))
    with pytest.raises(ValueError, match="four"):
        native.load_vae(dataclasses.replace(mini(), autoencoder_widths=(32, 64)), {})
