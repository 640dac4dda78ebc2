"""Two-step guidance on the host's sampling code, with untrained weights."""

import math
from collections import Counter

import pytest
import torch
from diffsfsr.models.conditions import Conditions
from diffsfsr.models.network.config import mini
from diffsfsr.models.network.denoiser import Denoiser, shrink_mask
from diffsfsr.models.network.sampling import ddim, guide
from diffsfsr.models.network.schedule import Schedule

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
    """Every way of skipping a branch, against models/network/sampling.py with all three branches."""
    tokens, background, mask, _ = inputs
    schedule = Schedule()
    planes = {"mask": shrink_mask(mask), "background": background * CONFIG.latent_scale}

    def predict(z, t):
        full, identity, null = (denoiser(z, t, Conditions(each, planes)) for each in tokens)
        return schedule.clean_and_noise(guide(null, identity, full, who, what), z, t, CONFIG.prediction)

    noise = torch.randn(background.shape, generator=torch.Generator().manual_seed(5))
    *_, last = ddim(predict, noise, schedule, 4)
    got = draw(who, what) * CONFIG.latent_scale
    assert last.z.std() > 0.3
    torch.testing.assert_close(got, last.z, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("who", "what", "branches"),
    [(1, 1, 1), (2, 2, 2), (1, 2, 2), (2, 0, 2), (1, 0, 1), (0, 0, 1), (2, 1.5, 3)],
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
    """A guidance patch sees the larger scale; the wired MODEL stays as it was."""
    plain, patched, scales = draw(1.0, 2.0), model.clone(), []

    def no_guidance(arguments):
        scales.append(arguments["cond_scale"])
        return arguments["cond"]

    patched.set_model_sampler_cfg_function(no_guidance)
    weak = draw(2.0, 2.0, model=patched)
    torch.testing.assert_close(weak, draw(1.0, 1.0), atol=1e-4, rtol=0)
    draw(1.0, 2.0, model=patched)
    assert len(scales) == 8 and all(math.isclose(scale, 2.0) for scale in scales)
    assert torch.equal(draw(1.0, 2.0), plain)


@pytest.mark.parametrize(("who", "what"), [(2, 2), (2, 1.5), (1, 2), (2, 0), (0, 2), (1, 1), (0, 0)])
def test_hooks_run_once_in_every_step_at_any_scales(draw, model, who, what):
    calls, patched = Counter(), model.clone()

    def count(name, give):
        def hook(arguments):
            calls[name] += 1
            return give(arguments)

        return hook

    patched.set_model_sampler_pre_cfg_function(count("before", lambda arguments: arguments["conds_out"]))
    patched.set_model_sampler_cfg_function(
        count(
            "in place",
            lambda given: given["uncond"] + given["cond_scale"] * (given["cond"] - given["uncond"]),
        )
    )
    patched.set_model_sampler_post_cfg_function(count("after", lambda arguments: arguments["denoised"]))
    drawn = draw(who, what, steps=6, model=patched)
    assert calls == {"before": 6, "in place": 6, "after": 6}
    torch.testing.assert_close(drawn, draw(who, what, steps=6), atol=2e-3, rtol=1e-3)  # hooks that change nothing


@pytest.fixture(params=["RescaleCFG", "Mahiro", "APG", "PerturbedAttentionGuidance"])
def patched(request, host, run, model):
    """The MODEL, through one of the host's own nodes for guidance."""
    if request.param == "RescaleCFG":  # of the host's older kind of nodes
        return host.nodes.NODE_CLASS_MAPPINGS[request.param]().patch(model, 0.7)[0]
    settings = {"APG": dict(eta=0.5, norm_threshold=5.0, momentum=-0.5), "PerturbedAttentionGuidance": dict(scale=2.0)}
    return run(request.param, model=model, **settings.get(request.param, {}))[0]


@pytest.mark.parametrize(("who", "what"), [(2.0, 2.0), (1.0, 2.0), (1.0, 1.0)])
def test_pictures_change_little_where_scales_change_little(draw, patched, who, what):
    at, more, less, far = (
        draw(who, scale, model=patched, steps=2) for scale in (what, what + 0.001, what - 0.001, what + 0.05)
    )
    assert max((more - at).abs().max(), (less - at).abs().max()) < 0.1 * (far - at).abs().max()


def test_equal_scales_are_the_hosts_ksampler_under_its_patches(host, draw, patched, conditionings, inputs):
    positive, _, negative = conditionings
    with torch.inference_mode():
        (latent,) = host.nodes.common_ksampler(
            patched, 5, 4, 2.5, "euler", "simple", positive, negative, inputs[3]
        )  # fmt: skip
    assert torch.equal(draw(2.5, 2.5, model=patched), latent["samples"])


@pytest.fixture
def advanced(host, run, model, conditionings, inputs):
    """SamplerCustomAdvanced on DiffSFSR Guider: settings that differ from the whole range -> latents."""

    def advanced(identity_scale, expression_scale, model=model, guider=None, **ranges):
        names = dict(identity_start=0.0, identity_end=1.0, expression_start=0.0, expression_end=1.0) | ranges
        positive, middle, negative = conditionings
        if guider is None:
            (guider,) = run(
                "DiffSFSRGuider", model=model, positive=positive, middle=middle, negative=negative,
                identity_scale=identity_scale, expression_scale=expression_scale, **names,
            )  # fmt: skip
        (noise,) = run("RandomNoise", noise_seed=5)
        (sampler,) = run("KSamplerSelect", sampler_name="euler")
        (sigmas,) = run("BasicScheduler", model=model, scheduler="simple", steps=4, denoise=1.0)
        latent, _ = run(
            "SamplerCustomAdvanced", noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=inputs[3]
        )
        return latent["samples"]

    return advanced


@pytest.mark.parametrize(("who", "what"), [(2.0, 1.5), (1.0, 2.0), (2.0, 0.0), (1.5, 1.5), (0.0, 1.5)])
def test_guider_over_the_whole_range_is_the_sampler_node(advanced, draw, who, what):
    assert torch.equal(advanced(who, what), draw(who, what))


def test_scales_of_zero_are_the_hosts_guiders_without_the_condition(host, run, advanced, draw, model, conditionings):
    """Bit for bit: as if the conditioning of that branch had never been wired."""
    _, middle, negative = conditionings
    for scale in (1.0, 2.5):
        (guider,) = run("CFGGuider", model=model, positive=middle, negative=negative, cfg=scale)
        assert torch.equal(advanced(scale, 0.0), advanced(0, 0, guider=guider))
    (guider,) = run("BasicGuider", model=model, conditioning=negative)
    assert torch.equal(draw(0.0, 0.0), advanced(0, 0, guider=guider))
    assert not torch.equal(draw(0.0, 0.0), draw(1.0, 0.0))


def test_outside_of_its_range_a_scale_is_one(advanced, draw):
    assert torch.equal(advanced(3.0, 2.0, identity_end=0.0), advanced(1.0, 2.0))
    assert torch.equal(advanced(2.0, 3.0, expression_start=1.0), advanced(2.0, 1.0))
    early, late = advanced(3.0, 3.0, expression_end=0.5), advanced(3.0, 3.0, expression_start=0.5)
    whole, none = advanced(3.0, 3.0), advanced(3.0, 1.0)
    assert len({tuple(x.flatten().tolist()[:50]) for x in (early, late, whole, none)}) == 4
    with pytest.raises(ValueError, match=r"expression_start 0.8 after expression_end 0.2"):
        advanced(2.0, 2.0, expression_start=0.8, expression_end=0.2)


def test_branches_are_skipped_step_by_step(advanced, model):
    """Two of four steps with three branches, two with two; no expression branch where its scale is zero."""
    evaluated, patched = Counter(), model.clone()

    def count(apply_model, arguments):
        evaluated["faces"] += len(arguments["input"])
        return apply_model(arguments["input"], arguments["timestep"], **arguments["c"])

    patched.set_model_unet_function_wrapper(count)
    for who, what, ranges, branches in (
        (3.0, 2.0, dict(identity_end=0.5), 2 * 3 + 2 * 2),
        (1.0, 0.0, {}, 4),
        (0.0, 0.0, {}, 4),
    ):
        evaluated.clear()
        advanced(who, what, model=patched, **ranges)
        assert evaluated["faces"] == branches * BATCH
