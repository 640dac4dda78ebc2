"""Other samplers than the pack's own DDIM: diffusers' on the same guided denoiser, by the names that ComfyUI has.

Euler is not among them: in this parametrisation its steps are DDIM's.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ...models.appearance.finish import Wish
from ...models.codes import Background, Expression, Identity
from ...models.network.sampling import noise_for, start
from ...models.pipeline import DiffSFSR, Painting

SAMPLERS = ("ddim", "dpmpp_2m", "uni_pc")


@torch.inference_mode()
def paint(
    model: DiffSFSR,
    who: Identity,
    what: Expression,
    background: Background,
    steps: int,
    sampler: str,
    seed: int = 0,
    scales: tuple[float, float] = (2.0, 2.0),
) -> Tensor:
    """As DiffSFSR.paint, of one face, by one of SAMPLERS; scales: of identity and expression."""
    if sampler == "ddim":
        return model.paint(who, what, background, Painting(steps, seed, *scales), wish=Wish())
    planes = model.planes(background, who, what, Wish())
    predict = model.guided(model.encoders.tokens(who, what, background), planes, *scales)
    whole = model.encode(background.crop.to(model.encoders.device))
    z = start(noise_for([seed], tuple(whole.shape[1:])).to(whole), whole, model.schedule)
    return model.decode(walk(predict, z, _scheduler(model, sampler), steps))


def walk(predict: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], z: Tensor, scheduler, steps: int) -> Tensor:
    """z after all steps of one of diffusers' schedulers that takes estimates of z_0; predict: as in sampling.py"""
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        z0, _ = predict(z, t.long().expand(len(z)).to(z.device))
        z = scheduler.step(z0, t, z).prev_sample
    return z


def _scheduler(model: DiffSFSR, sampler: str):
    from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

    alphas = model.schedule.alphas
    betas = 1 - alphas / torch.cat([alphas.new_ones(1), alphas[:-1]])
    kinds = {"dpmpp_2m": DPMSolverMultistepScheduler, "uni_pc": UniPCMultistepScheduler}
    if sampler not in kinds:
        raise ValueError(f"got the sampler {sampler!r}, want one of {', '.join(SAMPLERS)}")
    return kinds[sampler](
        num_train_timesteps=len(alphas), trained_betas=betas.tolist(), prediction_type="sample",
        timestep_spacing="trailing", final_sigmas_type="zero",
    )  # fmt: skip
