"""Two-step guidance on the host's sampling code, with untrained weights."""

import math
from collections import Counter

import pytest
import torch
from diffsfsr.models.config import mini
from diffsfsr.models.denoiser import Denoiser, shrink_mask
from diffsfsr.models.sampling import ddim, guide
from diffsfsr.models.schedule import Schedule

pytestmark = pytest.mark.host

CONFIG = mini(widths=(32, 64), layers=1, heads=2, context=48, latent_scale=0.6)
BATCH = 2


@pytest.fixture(scope="module")
def sampling(host):
    return host.part("nodes.sampling")


@pytest.fixture(scope="module")
def denoiser():
    generator = torch.Generator().manual_seed(3)
    network = Denoiser(CONFIG)
    for weight in network.parameters():
        weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model(host, denoiser):
    native = host.part("nodes.native")
    return native.load_model(CONFIG, denoiser.unet.state_dict(), torch.zeros(CONFIG.latent_channels))


@pytest.fixture(scope="module")
def inputs():
    """Tokens (full, identity only, null), raw background latents, mask, empty latents."""
    generator = torch.Generator().manual_seed(4)
    tokens = torch.randn(3, BATCH, 10, CONFIG.context, generator=generator)
    background = torch.randn(BATCH, CONFIG.latent_channels, 16, 16, generator=generator)
    mask = torch.zeros(BATCH, 1, 128, 128)
    mask[:, :, 32:100, 24:104] = 1
    return tokens, background, mask, {"samples": torch.zeros_like(background)}


@pytest.fixture(scope="module")
def conditionings(inputs):
    tokens, background, mask, _ = inputs
    return tuple([[each, {"concat_latent_image": background, "concat_mask": mask}]] for each in tokens)


@pytest.fixture
def draw(sampling, model, conditionings, inputs):
    def draw(identity_scale, expression_scale, seed=5, steps=4, sampler="euler", scheduler="simple", model=model):
        settings = (seed, steps, sampler, scheduler, identity_scale, expression_scale)
        with torch.inference_mode():
            return sampling.sample(model, conditionings, inputs[3], *settings)

    return draw


@pytest.mark.parametrize(("who", "what"), [(2.0, 1.5), (1.0, 2.0), (2.0, 0.0), (1.5, 1.5), (1.0, 1.0), (0.0, 1.0)])
def test_guidance_is_the_formula_and_the_steps_are_those_of_the_command_line(draw, denoiser, inputs, who, what):
    """Every way of skipping a branch, against models/sampling.py with all three branches."""
    tokens, background, mask, _ = inputs
    schedule = Schedule()

    def predict(z, t):
        full, identity, null = (
            denoiser(z, t, each, shrink_mask(mask), background * CONFIG.latent_scale) for each in tokens
        )
        return schedule.clean_and_noise(guide(null, identity, full, who, what), z, t, CONFIG.prediction)

    noise = torch.randn(background.shape, generator=torch.Generator().manual_seed(5))
    *_, last = ddim(predict, noise, schedule, 4)
    got = draw(who, what) * CONFIG.latent_scale
    assert last.z.std() > 0.3
    torch.testing.assert_close(got, last.z, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("who", "what", "branches"),
    [(1, 1, 1), (2, 2, 2), (1, 2, 2), (2, 0, 2), (2, 1.5, 3)],
)
def test_branches_without_weight_are_not_run(draw, model, who, what, branches):
    patched, evaluated = model.clone(), Counter()

    def count(apply_model, arguments):
        evaluated["faces"] += len(arguments["input"])
        return apply_model(arguments["input"], arguments["timestep"], **arguments["c"])

    patched.set_model_unet_function_wrapper(count)
    draw(who, what, steps=3, model=patched)
    assert evaluated["faces"] == 3 * branches * BATCH


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize(("sampler", "scheduler"), [("euler", "simple"), ("dpmpp_2m", "karras"), ("dpm_2", "normal")])
def test_equal_scales_give_what_the_hosts_ksampler_gives(
    host, draw, model, conditionings, inputs, scale, sampler, scheduler
):
    positive, _, negative = conditionings
    settings = (model, 5, 4, scale, sampler, scheduler, positive, negative, inputs[3])
    with torch.inference_mode():
        (latent,) = host.nodes.common_ksampler(*settings)
    assert torch.equal(draw(scale, scale, sampler=sampler, scheduler=scheduler), latent["samples"])


def test_seed_decides(draw):
    assert torch.equal(draw(2.0, 1.5, seed=8), draw(2.0, 1.5, seed=8))
    assert not torch.allclose(draw(2.0, 1.5, seed=8), draw(2.0, 1.5, seed=9), atol=0.1)


def test_patches_of_the_model_are_honoured(draw, model):
    """A guidance patch sees the scale of every pair; the wired MODEL stays as it was."""
    plain, patched, scales = draw(1.0, 2.0), model.clone(), []

    def no_guidance(arguments):
        scales.append(arguments["cond_scale"])
        return arguments["cond"]

    patched.set_model_sampler_cfg_function(no_guidance)
    weak = draw(1.0, 2.0, model=patched)
    assert scales and all(math.isclose(scale, 2.0) for scale in scales)
    torch.testing.assert_close(weak, draw(1.0, 1.0))
    assert torch.equal(draw(1.0, 2.0), plain)
