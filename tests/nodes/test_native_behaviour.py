"""MODEL, CONDITIONING, LATENT and VAE are the host's own: its samplers, patches and memory modes work on them."""

import gc
import weakref
from collections import Counter
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

pytestmark = pytest.mark.host

STEPS, SEED = 2, 11


@pytest.fixture(scope="module")
def core(host):
    """Execute one of the host's own nodes by its id, whichever of its APIs it is written for."""

    def core(node_id: str, **inputs):
        node = host.nodes.NODE_CLASS_MAPPINGS[node_id]
        with torch.inference_mode():
            if hasattr(node, "execute"):
                return node.execute(**inputs).args
            return getattr(node(), node.FUNCTION)(**inputs)

    return core


@pytest.fixture(scope="module")
def background(run, diffsfsr, people):
    return run("DiffSFSRExtractBackground", diffsfsr=diffsfsr, image=people(2), face="largest", face_number=0)[0]


@pytest.fixture(scope="module")
def expressions(run, diffsfsr):
    codes = [
        run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label=label, variant=0, intensity=1.0)[0]
        for label in ("joy", "anger", "surprise")
    ]
    return replace(codes[0], code=torch.cat([each.code for each in codes]))


@pytest.fixture(scope="module")
def conditioned(run, diffsfsr, background):
    """Positive, middle, negative and latent of one face; or of a batch, for several expressions."""

    def conditioned(expression=None):
        return run(
            "DiffSFSRConditioning", diffsfsr=diffsfsr, vae=diffsfsr.vae, background=background, expression=expression
        )

    return conditioned


@pytest.fixture(scope="module")
def one(conditioned):
    return conditioned()


@pytest.fixture(scope="module")
def ksampler(core, diffsfsr, one):
    """The host's KSampler -> latents; for one face with our MODEL if nothing else is said."""

    def ksampler(model=diffsfsr.model, sampler="euler", scheduler="simple", wires=one, seed=SEED):
        positive, _, negative, latent = wires
        (result,) = core(
            "KSampler", model=model, seed=seed, steps=STEPS, cfg=2.0, sampler_name=sampler, scheduler=scheduler,
            positive=positive, negative=negative, latent_image=latent, denoise=1.0,
        )  # fmt: skip
        return result["samples"]

    return ksampler


@pytest.fixture(scope="module")
def plain(ksampler):
    return ksampler()


def is_sound(samples: torch.Tensor, like: torch.Tensor) -> bool:
    return samples.shape == like.shape and bool(samples.isfinite().all()) and float(samples.std()) > 0.01


def test_every_sampler_of_the_host_runs_under_plain_ksampler(host, ksampler, plain):
    names = host.nodes.KSampler.INPUT_TYPES()["required"]["sampler_name"][0]
    assert len(names) > 30
    assert not [name for name in names if not is_sound(ksampler(sampler=name), plain)]


def test_every_scheduler_of_the_host_runs_under_plain_ksampler(host, ksampler, plain):
    names = host.nodes.KSampler.INPUT_TYPES()["required"]["scheduler"][0]
    assert len(names) > 5
    assert not [name for name in names if not is_sound(ksampler(scheduler=name), plain)]


def test_every_sampler_and_scheduler_runs_under_our_guider(host, core, run, diffsfsr, one, plain):
    """SamplerCustomAdvanced with all three branches; each sampler with one of the schedulers, in turn."""
    import comfy.samplers

    positive, middle, negative, latent = one
    (guider,) = run(
        "DiffSFSRGuider", model=diffsfsr.model, positive=positive, middle=middle, negative=negative,
        identity_scale=2.0, identity_start=0.0, identity_end=1.0,
        expression_scale=1.5, expression_start=0.0, expression_end=1.0,
    )  # fmt: skip
    (noise,) = core("RandomNoise", noise_seed=SEED)
    wrong = []
    for number, name in enumerate(comfy.samplers.SAMPLER_NAMES):
        scheduler = comfy.samplers.SCHEDULER_NAMES[number % len(comfy.samplers.SCHEDULER_NAMES)]
        (sigmas,) = core("BasicScheduler", model=diffsfsr.model, scheduler=scheduler, steps=STEPS, denoise=1.0)
        (sampler,) = core("KSamplerSelect", sampler_name=name)
        result, _ = core(
            "SamplerCustomAdvanced", noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent
        )
        if not is_sound(result["samples"], plain):
            wrong.append((name, scheduler))
    assert not wrong


def test_tiled_decoding_is_decoding(core, diffsfsr, plain):
    (whole,) = core("VAEDecode", samples={"samples": plain}, vae=diffsfsr.vae)
    (tiled,) = core("VAEDecodeTiled", samples={"samples": plain}, vae=diffsfsr.vae, tile_size=512, overlap=64)
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)  # a crop is one tile
    large = plain.repeat(1, 1, 2, 2)
    (tiled,) = core("VAEDecodeTiled", samples={"samples": large}, vae=diffsfsr.vae, tile_size=128, overlap=32)
    assert tiled.shape == (1, 256, 256, 3) and tiled.isfinite().all()


@pytest.mark.parametrize("node_id, inputs", [
    ("ModelSamplingDiscrete", {"sampling": "v_prediction", "zsnr": True}),
    ("ModelSamplingContinuousEDM", {"sampling": "v_prediction", "sigma_max": 14.0, "sigma_min": 0.03}),
    ("RescaleCFG", {"multiplier": 0.7}),
    ("PerturbedAttentionGuidance", {"scale": 3.0}),
    ("FreeU_V2", {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}),
])  # fmt: skip
def test_model_patches_of_the_host_change_the_result_and_not_our_model(
    core, diffsfsr, ksampler, plain, node_id, inputs
):
    (patched,) = core(node_id, model=diffsfsr.model, **inputs)
    changed = ksampler(model=patched)
    assert is_sound(changed, plain)
    if node_id != "FreeU_V2":  # it looks for widths that this small network has not
        assert not torch.allclose(changed, plain, atol=1e-3)
    assert torch.equal(ksampler(), plain)


def test_a_lora_of_the_usual_layout_changes_the_result_by_its_strength(host, core, diffsfsr, ksampler, plain):
    width, context = 32, diffsfsr.model.model.model_config.unet_config["context_dim"]
    generator, name = (
        torch.Generator().manual_seed(0),
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k",
    )
    width = diffsfsr.model.model.diffusion_model.middle_block[1].proj_in.weight.shape[0]
    weights = {
        f"{name}.lora_up.weight": torch.randn(width, 4, generator=generator),
        f"{name}.lora_down.weight": torch.randn(4, context, generator=generator),
        f"{name}.alpha": torch.tensor(4.0),
    }
    folder = host.base / "models" / "loras"
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "face.safetensors")

    def with_lora(strength: float):
        return core("LoraLoaderModelOnly", model=diffsfsr.model, lora_name="face.safetensors", strength_model=strength)[
            0
        ]

    assert len(with_lora(1.0).patches) == 1
    weak, strong = ksampler(model=with_lora(0.2)), ksampler(model=with_lora(1.0))
    assert 0 < (weak - plain).abs().mean() < (strong - plain).abs().mean()
    assert torch.equal(ksampler(model=with_lora(0.0)), plain) and torch.equal(ksampler(), plain)


def test_attention_hooks_are_called_at_every_cross_attention_of_every_step(diffsfsr, ksampler, plain):
    calls, patched = Counter(), diffsfsr.model.clone()

    def note(n, context, value, extra):
        calls[extra["block"]] += 1
        return n, context, value

    patched.set_model_attn2_patch(note)
    assert torch.equal(ksampler(model=patched), plain)
    layers = sum(
        type(layer).__name__ == "SpatialTransformer" for layer in diffsfsr.model.model.diffusion_model.modules()
    )
    assert len(calls) == layers and set(calls.values()) == {STEPS}  # both branches of a step are one batch


def test_wrappers_around_the_model_are_called(diffsfsr, ksampler, plain):
    from comfy.patcher_extension import WrappersMP

    calls, patched = Counter(), diffsfsr.model.clone()

    def wrap(executor, *arguments, **options):
        calls["model"] += 1
        return executor(*arguments, **options)

    patched.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", wrap)
    assert torch.equal(ksampler(model=patched), plain) and calls["model"] == STEPS


def test_a_batch_is_its_singles(core, conditioned, ksampler, expressions):
    """Each with its place in the batch, as Latent From Batch notes it (batch_index)."""
    together = ksampler(wires=conditioned(expressions))
    assert len(together) == 3
    (*_, latents) = conditioned(expressions)
    for i in range(3):
        positive, middle, negative, _ = conditioned(replace(expressions, code=expressions.code[i : i + 1]))
        (latent,) = core("LatentFromBatch", samples=latents, batch_index=i, length=1)
        alone = ksampler(wires=(positive, middle, negative, latent))
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-4, rtol=0)


def test_weights_that_stay_behind_are_fetched_layer_by_layer(diffsfsr, one):
    """What the host does under --lowvram, without a GPU to do it for: layers cast their weights as they are used."""
    import comfy.model_management

    (((tokens, extra),), *_, latent), network = one, diffsfsr.model.model
    conditions = network.extra_conds(noise=latent["samples"], cross_attn=tokens, device="cpu", **extra)
    inputs = {name: condition.process_cond(1, area=None).cond for name, condition in conditions.items()}

    def predict(memory: int) -> tuple[torch.Tensor, int]:
        comfy.model_management.unload_all_models()
        with torch.inference_mode():
            diffsfsr.model.patch_model(diffsfsr.model.load_device, lowvram_model_memory=memory)
            result = network.apply_model(latent["samples"], torch.tensor([2.0]), **inputs)
            casting = sum(getattr(layer, "comfy_cast_weights", False) for layer in network.modules())
            diffsfsr.model.unpatch_model(diffsfsr.model.offload_device)
        return result, casting

    (whole, none), (low, some) = predict(0), predict(1)
    assert some > none and torch.equal(low, whole)


def test_free_memory_lets_go_of_our_models(host, untrained, ksampler, diffsfsr):
    """What the host does at its button "free memory": nothing of ours is held beyond the wires."""
    import comfy.model_management

    def loaded() -> list:
        return [each.model for each in comfy.model_management.current_loaded_models]

    ksampler()
    diffsfsr.ready()
    assert any(each is not None and each.is_clone(diffsfsr.model) for each in loaded())
    assert any(each is diffsfsr.encoders for each in loaded())
    comfy.model_management.unload_all_models()
    assert not loaded()
    with torch.inference_mode():
        another = host.part("nodes.load").assemble(
            untrained.config, untrained.encoders, untrained.unet.state_dict(), untrained.vae.state_dict()
        )
        another.ready()
    networks = [weakref.ref(another.model.model), weakref.ref(another.vae.first_stage_model)]
    comfy.model_management.unload_all_models()
    del another
    gc.collect()
    assert [network() for network in networks] == [None, None]


def test_a_run_stops_within_the_step_in_which_it_is_interrupted(diffsfsr, run, background):
    import comfy.model_management

    calls, patched = Counter(), diffsfsr.model.clone()

    def interrupt_at_the_third(apply_model, arguments):
        calls["steps"] += 1
        if calls["steps"] == 3:
            comfy.model_management.interrupt_current_processing()
        result = apply_model(arguments["input"], arguments["timestep"], **arguments["c"])
        calls["finished"] += 1
        return result

    patched.set_model_unet_function_wrapper(interrupt_at_the_third)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        run(
            "DiffSFSRSampler", diffsfsr=diffsfsr, background=background, model=patched, seed=0, steps=9,
            sampler_name="euler", scheduler="simple", identity_scale=2.0, expression_scale=2.0,
        )  # fmt: skip
    assert calls == {"steps": 3, "finished": 2}


@pytest.mark.parametrize(
    "node",
    ["DiffSFSREncodeIdentity", "DiffSFSRExtractBackground", "DiffSFSRExpressionFromImage", "DiffSFSRFaceReport"],
)
def test_a_search_for_faces_stops_at_the_next_frame(run, diffsfsr, people, node):
    import comfy.model_management

    inputs = {"diffsfsr": diffsfsr, "face": "largest", "face_number": 0}
    if node == "DiffSFSRFaceReport":
        inputs |= {"first": people(2), "second": people(5)}
    else:
        inputs |= {"image": people(2)} | ({"intensity": 1.0} if node == "DiffSFSRExpressionFromImage" else {})
    comfy.model_management.interrupt_current_processing()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        run(node, **inputs)
    run(node, **inputs)


def test_cutting_smoothing_and_pasting_of_a_video_tell_their_progress_and_can_be_stopped(run, diffsfsr, people):
    """Looking for faces, smoothing, cutting and pasting: each counts its frames, and stops where the user asks."""
    import comfy.model_management
    import comfy.utils

    frames = people(2, height=256).expand(4, -1, -1, -1)
    extract = dict(diffsfsr=diffsfsr, image=frames, face="largest", face_number=0, smoothing=1.0)
    told, stop = [], set()

    def hook(value, total, preview, node_id=None):
        told.append((value, total))
        if len(told) in stop:
            comfy.model_management.interrupt_current_processing()

    comfy.utils.set_progress_bar_global_hook(hook)
    try:
        scene, crops, *_ = run("DiffSFSRExtractBackground", **extract)
        looking, smoothing = 4, 1
        assert told == [*((i, 4) for i in range(4)), (0, 4), *((i, 4) for i in range(4))]
        for at in (2, looking + smoothing + 1):
            told.clear()
            stop.add(at)
            with pytest.raises(comfy.model_management.InterruptProcessingException):
                run("DiffSFSRExtractBackground", **extract)
            assert len(told) == at
            stop.clear()
        told.clear()
        run("DiffSFSRPasteFaceBack", image=crops, background=scene)
        assert told == [(i, 4) for i in range(4)]
        told.clear()
        stop.add(2)
        with pytest.raises(comfy.model_management.InterruptProcessingException):
            run("DiffSFSRPasteFaceBack", image=crops, background=scene)
        assert len(told) == 2
    finally:
        comfy.utils.set_progress_bar_global_hook(None)
