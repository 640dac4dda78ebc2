import dataclasses

import pytest
import torch
from diffsfsr.models.conditions import Conditions
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.checkpoint import read_checkpoint, read_config, save_checkpoint
from diffsfsr.models.network.config import mini, sd15
from diffsfsr.training.autoencoder.train import load_autoencoder, save_autoencoder
from diffsfsr.training.denoiser.batches import Sampler
from diffsfsr.training.denoiser.settings import Training
from diffsfsr.training.denoiser.stable_diffusion import began_as_stable_diffusion
from diffsfsr.training.denoiser.start import build_model, codes_of, given, read_start, trained_model
from diffsfsr.training.denoiser.train import Model, new_model


def shaken(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Every weight away from its starting value."""
    generator = torch.Generator().manual_seed(seed)
    for weight in module.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return module.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def before(tiny, made_up) -> Model:
    """A model without tokens in its timestep, as those from before there were any."""
    return shaken(new_model(dataclasses.replace(tiny, tokens_in_time=False), made_up), 1)


@pytest.fixture(scope="module")
def checkpoint(before, small, tiny, tmp_path_factory):
    """A checkpoint of this model, and beside it its recogniser and another one, of 8 numbers."""
    folder = tmp_path_factory.mktemp("checkpoint")
    small.save(folder / "small.safetensors")
    torch.manual_seed(3)
    Recogniser((8, 8, 8, 8), (1, 1, 1), 8).save(folder / "other.safetensors")
    vae = build_autoencoder(tiny.autoencoder_widths, 1, tiny.latent_channels, tiny.latent_scale)
    parts = {"unet": before.denoiser.unet, "vae": vae, "conditioner": before.conditioner}
    save_checkpoint(folder / "old.safetensors", before.config, parts, 7, torch.float32)
    return folder / "old.safetensors"


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return torch.randint(0, 256, (400, 3, 112, 112), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def answer(model, made_up, identity) -> torch.Tensor:
    batch = Sampler(made_up, Training(batch=6), torch.zeros(51), 0.5).draw(0)
    batch = dataclasses.replace(batch, identity=identity, expression=batch.expression - model.conditioner.neutral)
    with torch.no_grad():
        return model(batch.noise, batch.t, batch)


def test_a_checkpoint_that_is_not_trained_further_stays_as_its_file_says(checkpoint, before, made_up):
    start = read_start(checkpoint, None, None, "mini-128", renew=False)
    assert start.config == read_config(checkpoint)
    model, identity = trained_model(start), made_up.identity[:6]
    torch.testing.assert_close(answer(model, made_up, identity), answer(before, made_up, identity))
    assert not any(weight.requires_grad for weight in model.parameters()) and start.pictures == 7


def test_new_layers_change_no_answer(checkpoint, before, made_up):
    start = read_start(checkpoint, None, None, "mini-128")
    model = build_model(start, start.config, made_up, lambda: pytest.fail("the recognisers are the same"))
    assert start.config.tokens_in_time and not before.config.tokens_in_time and mini().tokens_in_time
    identity = made_up.identity[:6]
    torch.testing.assert_close(answer(model, made_up, identity), answer(before, made_up, identity))
    assert all(weight.requires_grad for weight in model.parameters()) and model.training
    assert torch.equal(model.conditioner.neutral, before.conditioner.neutral)


def test_further_planes_change_no_answer(checkpoint, before, made_up):
    start = given(read_start(checkpoint, None, None, "mini-128", renew=False), ("mask", "trust", "background"), None)
    model, batch = trained_model(start), Sampler(made_up, Training(batch=6), torch.zeros(51), 0.5).draw(0)
    assert model.config.planes == start.config.planes and model.config.inputs == before.config.inputs + 1
    tokens = before.conditioner(batch.identity, batch.expression, batch.pose, batch.keep)
    planes = {"mask": batch.mask, "background": batch.background}
    wanted = before.denoiser(batch.noise, batch.t, Conditions(tokens, planes))
    got = model.denoiser(batch.noise, batch.t, Conditions(tokens, planes | {"trust": torch.rand(batch.mask.shape)}))
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


def test_the_fill_of_the_face_can_be_chosen(checkpoint):
    """Left out, it stays; the pictures are encoded as the checkpoint will say."""
    begun = read_start(checkpoint, None, None, "mini-128")
    assert given(begun, None, None).encoding().light is begun.config.keeps_light is True
    grey = given(begun, None, "grey")
    assert grey.config.face_fill == "grey" and not grey.encoding().light and grey.config.planes == begun.config.planes
    assert all(grey.unet[name] is weight for name, weight in begun.unet.items())


@pytest.mark.parametrize("order", (["small", "other"], ["other", "small"]))
def test_a_further_recogniser_changes_no_answer(checkpoint, before, made_up, faces, order):
    start = read_start(checkpoint, None, [checkpoint.parent / f"{name}.safetensors" for name in order], "mini-128")
    model = build_model(start, start.config, made_up, lambda: pytest.fail("nothing has to be compared"))
    assert start.config.recognisers == tuple(order) and start.config.identity_size == 24 and sum(start.sizes) == 24
    codes = codes_of(start.recognisers, faces[:6])
    own = codes.split(start.sizes, dim=-1)[order.index("small")]
    torch.testing.assert_close(answer(model, made_up, codes), answer(before, made_up, own), atol=1e-4, rtol=1e-4)


def test_another_recogniser_is_translated(checkpoint, before, made_up, faces):
    """Codes of another network that say the same: here, the same vector, turned."""
    turn = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(0)))[0]
    turned = Recogniser.load(checkpoint.parent / "small.safetensors")
    turned.vector[1].weight.data, turned.vector[1].bias.data = (
        turn @ turned.vector[1].weight.data, turn @ turned.vector[1].bias.data,
    )  # fmt: skip
    turned.save(checkpoint.parent / "turned.safetensors")
    start = read_start(checkpoint, None, [checkpoint.parent / "turned.safetensors"], "mini-128")
    model = build_model(start, start.config, made_up, lambda: faces)
    new, old = codes_of(start.recognisers, faces[:6]), codes_of(start.before, faces[:6])
    assert (new - old).abs().max() > 0.1
    want = answer(before, made_up, old)
    torch.testing.assert_close(answer(model, made_up, new), want, atol=0.05 * want.std().item(), rtol=0)


def test_a_start_from_nothing_needs_an_autoencoder_and_recognisers(checkpoint):
    with pytest.raises(ValueError, match="--from"):
        read_start(None, None, None, "mini-128")
    start = read_start(None, checkpoint, [checkpoint.parent / "small.safetensors"], "mini-128")
    assert start.unet is None and start.config.latent_scale == 0.5 and start.config.recognisers == ("small",)


def test_pictures_of_another_frame_are_refused(checkpoint):
    with pytest.raises(ValueError, match="ffhq-256.*mini-128"):
        read_start(checkpoint, None, None, "ffhq-256")


def test_autoencoders_are_read_from_checkpoints_and_from_what_training_wrote(checkpoint, tmp_path):
    model, scale = load_autoencoder(checkpoint)
    save_autoencoder(tmp_path / "autoencoder.pt", model, scale)
    again, same_scale = load_autoencoder(tmp_path / "autoencoder.pt")
    assert scale == same_scale == read_checkpoint(checkpoint)[0].latent_scale
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_without_a_checkpoint_autoencoder_and_recognisers_have_to_be_given():
    with pytest.raises(ValueError, match="want --autoencoder and --recogniser"):
        read_start(None, None, None, "mini-128")


def test_a_name_is_for_display_alone(tiny):
    """What a network began as decides how fast it learns, not what it is called."""

    def peak(config, **settings) -> float:
        return Training(**settings).peak_rate(began_as_stable_diffusion(config))

    assert peak(dataclasses.replace(tiny, name="sd15")) == peak(tiny) == 4e-4
    assert peak(sd15(name="mini")) == 1e-5 and peak(sd15(), lora=8) == 1e-4
    assert peak(sd15(), rate=0.01) == peak(tiny, rate=0.01) == 0.01
