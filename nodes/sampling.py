"""DiffSFSR Sampler: the denoising loop by the host's samplers, with a scale each for identity and expression (ours)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
from comfy_api.latest import io
from torch import Tensor, cat

from ..models.appearance.finish import Wish
from ..models.codes import Expression, Identity
from ..models.encoders import CHUNK
from .compat import only_known
from .conditioning import EXPRESSION_TIP, IDENTITY_TIP, condition
from .finish import finish, wish_inputs
from .pictures import put_back
from .preview import previewing, show_result
from .progress import in_parts
from .wires import CATEGORY, BackgroundType, ExpressionType, IdentityType, Loaded, Scene, carried, carried_input

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher
    from comfy.sd import VAE
    from spandrel import ImageModelDescriptor


HOOKS = ("sampler_pre_cfg_function", "sampler_cfg_function", "sampler_post_cfg_function")
TOGETHER = 32  # faces in one batch; the frames of a video are sampled in parts


@dataclass(frozen=True)
class Scale:
    """A guidance scale that holds from one noise level down to another; outside of them it is 1, no pressure."""

    value: float
    first: float = math.inf  # sigmas
    last: float = 0.0

    def at(self, sigma: float) -> float:
        return self.value if self.last <= sigma <= self.first else 1.0


class TwoStepGuider(comfy.samplers.CFGGuider):
    """null + identity_scale (identity - null) + expression_scale (full - identity), on estimates of the clean latents.

    The host's hooks (before, in place of and after its guidance) see this as plain guidance from null to one estimate
    on the way to full, with the larger of the two scales; so they always run, and nothing jumps where the scales become
    equal. Without hooks, branches whose weight is zero are not run, and equal scales cost as much as plain guidance.
    """

    def set_conds(self, positive: list, middle: list, negative: list) -> None:
        self.inner_set_conds({"positive": positive, "middle": middle, "negative": negative})

    def set_scales(self, identity_scale: Scale, expression_scale: Scale) -> None:
        self.identity_scale, self.expression_scale = identity_scale, expression_scale

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: dict = {}, seed: int | None = None) -> Tensor:  # noqa: B006  the host's signature
        sigma = float(timestep[0])
        who, what = self.identity_scale.at(sigma), self.expression_scale.at(sigma)
        full, identity, null = (self.conds[name] for name in ("positive", "middle", "negative"))
        pair = None
        if not any(model_options.get(hook) for hook in HOOKS):
            if who == what == 0:
                pair = null, null, 1.0
            elif what == 0:
                pair = null, identity, who
            elif math.isclose(who, what):
                pair = null, full, what
            elif math.isclose(who, 1):
                pair = identity, full, what
        if pair is None:
            pair, model_options = (null, full, max(who, what)), self.merging(who, what, model_options)
        return comfy.samplers.sampling_function(self.inner_model, x, timestep, *pair, model_options, seed)

    def merging(self, who: float, what: float, model_options: dict) -> dict:
        """Options with which the host's guidance from null to full is guidance in two steps.

        With s, the larger scale, the formula is null + s (towards - null), where
        towards = null + who / s (identity - null) + what / s (full - identity): full itself where the scales are equal.
        """
        largest = max(who, what)
        to_identity, to_full = (who / largest, what / largest) if largest else (1.0, 1.0)
        full, identity, null = (self.conds[name] for name in ("positive", "middle", "negative"))

        def calculate(arguments: dict) -> list[Tensor]:
            conds, inner = arguments["conds"], model_options.get("sampler_calc_cond_batch_function")
            ours = len(conds) == 2 and conds[0] is full and conds[1] is null  # a hook may ask for other branches
            if ours and to_identity != to_full:
                conds = [full, null, identity]
            if inner is not None:
                outputs = inner(arguments | {"conds": conds, "model_options": model_options})
            else:
                others = arguments["input"], arguments["sigma"], model_options
                outputs = comfy.samplers.calc_cond_batch(arguments["model"], conds, *others)
            if not ours or to_identity == to_full:
                return outputs
            at_full, at_null, at_identity = outputs
            towards = at_null + to_identity * (at_identity - at_null) + to_full * (at_full - at_identity)
            return [towards, at_null]

        # nothing may be left out at a scale of 1: hooks look at both estimates there as they do beside it
        own = {"sampler_calc_cond_batch_function": calculate, "disable_cfg1_optimization": True}
        return model_options | own


def sample(
    model: ModelPatcher,
    conditionings: tuple[list, list, list],
    latent: dict,
    seed: int,
    steps: int,
    sampler_name: str,
    scheduler: str,
    identity_scale: float,
    expression_scale: float,
    shared_noise: bool = False,
    vae: VAE | None = None,
) -> Tensor:
    """Raw latents (B, C, h, w). Noise, sampler and steps are those of the host's KSampler with denoise 1.

    shared_noise  every face of the batch starts from the noise of the first
    vae           shows the face while it is sampled; None: the host's own preview
    """
    ksampler = comfy.samplers.KSampler(
        model, steps, model.load_device, sampler_name, scheduler, denoise=1.0, model_options=model.model_options
    )
    whole = latent["samples"]
    noise = comfy.sample.prepare_noise(whole, seed, [0] * len(whole) if shared_noise else None)
    starts = range(0, len(whole), TOGETHER)
    preview = previewing(model, vae, steps * len(starts))
    samples = []
    for number, start in enumerate(starts):
        some = slice(start, start + TOGETHER)
        guider = TwoStepGuider(model)
        guider.set_conds(*(part(conditioning, some) for conditioning in conditionings))
        guider.set_scales(Scale(identity_scale), Scale(expression_scale))

        def show(step: int, x0: Tensor, x: Tensor, total: int, number: int = number) -> None:
            preview(number * total + step, x0, x, len(starts) * total)

        samples.append(
            guider.sample(
                noise[some],
                whole[some],
                comfy.samplers.sampler_object(sampler_name),
                ksampler.sigmas,
                callback=show,
                disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
                seed=seed,
            )
        )
    return cat(samples).to(comfy.model_management.intermediate_device())


def upscaled(upscale_model: ImageModelDescriptor, faces: Tensor) -> Tensor:
    """IMAGE (B, S, S, 3) -> (B, kS, kS, 3), by the host's own node: in tiles, within its memory, with progress."""
    from comfy_extras.nodes_upscale_model import ImageUpscaleWithModel

    return ImageUpscaleWithModel.execute(upscale_model, faces).args[0]


def part(conditioning: list, some: slice) -> list:
    """Some faces of a CONDITIONING from condition(), all of whose tensors are batches."""
    ((tokens, extra),) = conditioning
    return [[tokens[some], {name: value[some] for name, value in extra.items()}]]


def check_model(model: ModelPatcher) -> None:
    from .native import DiffSFSRModelConfig

    if not isinstance(model.model.model_config, DiffSFSRModelConfig):
        raise ValueError("the MODEL is not DiffSFSR's: connect that of Load DiffSFSR, with patches or without, or none")


def scale_input(name: str, default: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=0.0, max=10.0, step=0.1, round=0.01, tooltip=tooltip)


class DiffSFSRSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        advanced = only_known(io.Combo.Input, advanced=True)
        return io.Schema(
            node_id="DiffSFSRSampler",
            display_name="DiffSFSR Sampler (face swap)",
            category=CATEGORY,
            description="Paints a face with the given identity and expression into the background's picture.",
            **only_known(io.Schema, search_aliases=["reactor", "reenactment", "liveportrait", "insightface"]),
            inputs=[
                BackgroundType.Input("background", tooltip="From Extract Background."),
                IdentityType.Input("identity", optional=True, tooltip=IDENTITY_TIP),
                ExpressionType.Input("expression", optional=True, tooltip=EXPRESSION_TIP),
                io.Model.Input("model", optional=True, tooltip="Load DiffSFSR's MODEL with patches, if you want any."),
                io.Vae.Input(
                    "vae", optional=True, tooltip="A VAE in place of Load DiffSFSR's own, of the same latents."
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Another seed gives another take of the same face.",
                ),
                io.Int.Input(
                    "steps",
                    default=4,
                    min=1,
                    max=1000,
                    tooltip="4 are as good as 20 with the bundled checkpoint; a larger one may want 20.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=comfy.samplers.KSampler.SAMPLERS,
                    default="euler",
                    tooltip="How the noise is taken off, step by step.",
                    **advanced,
                ),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.KSampler.SCHEDULERS,
                    default="simple",
                    tooltip="How the steps are spread over the noise levels.",
                    **advanced,
                ),
                scale_input("identity_scale", 2.0, "How hard the likeness is pressed for; 1 is no pressure."),
                scale_input(
                    "expression_scale",
                    2.0,
                    "How hard the expression is pressed for; 1 is no pressure. If both scales are equal, a step is a "
                    "third faster.",
                ),
                io.Boolean.Input(
                    "shared_noise",
                    default=False,
                    optional=True,
                    tooltip="Starts every face of a batch from the same noise, so that video frames and expressions "
                    "on the way from one to another flicker less.",
                    **only_known(io.Boolean.Input, advanced=True),
                ),
                *wish_inputs(),
                carried_input(),
                io.UpscaleModel.Input(
                    "upscale_model",
                    optional=True,
                    tooltip="From Load Upscale Model: sharpens the painted face before it is finished and put back.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    id="image",
                    display_name="image",
                    tooltip="The background's pictures with the new faces; outside of the mask not a bit is changed.",
                ),
                io.Image.Output(
                    id="crop",
                    display_name="crop",
                    tooltip="The faces alone, finished, for an upscaler and Paste Face Back.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        background: Scene,
        seed: int,
        steps: int,
        sampler_name: str,
        scheduler: str,
        identity_scale: float,
        expression_scale: float,
        identity: Identity | None = None,
        expression: Expression | None = None,
        model: ModelPatcher | None = None,
        vae: VAE | None = None,
        shared_noise: bool = False,
        appearance: float = Wish.appearance,
        shape: float = Wish.shape,
        detail: int = Wish.detail,
        retouch: float = Wish.retouch,
        diffsfsr: Loaded | None = None,
        upscale_model: ImageModelDescriptor | None = None,
    ) -> io.NodeOutput:
        diffsfsr = carried(diffsfsr, background)
        wish = Wish(appearance, shape, detail, retouch)
        for name, value, known in (
            ("sampler_name", sampler_name, comfy.samplers.KSampler.SAMPLERS),
            ("scheduler", scheduler, comfy.samplers.KSampler.SCHEDULERS),
        ):
            if value not in known:
                raise ValueError(f'got {name} "{value}", want one of {", ".join(known)}')
        model = diffsfsr.model if model is None else model
        vae = diffsfsr.vae if vae is None else vae
        check_model(model)
        *conditionings, latent = condition(diffsfsr, vae, background, identity, expression, wish)
        samples = sample(
            model,
            conditionings,
            latent,
            seed,
            steps,
            sampler_name,
            scheduler,
            identity_scale,
            expression_scale,
            shared_noise,
            vae,
        )
        painted = in_parts(vae.decode, samples, CHUNK)
        if upscale_model is not None:
            painted = in_parts(partial(upscaled, upscale_model), painted, CHUNK)
        crop = finish(diffsfsr, painted, background, identity, expression, wish)
        pictures = put_back(crop, background)
        show_result(pictures)
        return io.NodeOutput(pictures, crop)
