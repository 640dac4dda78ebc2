"""Sampling: DDIM as a generator of steps, two-step guidance, and the estimates of z_0 that losses are laid on.

A predictor is a function (z (B, C, h, w), t (B,) int64) -> estimates of (z_0, noise), each like z.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .schedule import STEPS, Schedule

Predictor = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
ESTIMATES = ("one-step", "midpoint", "improved")


@dataclass(frozen=True)
class SamplingStep:
    index: int  # 0 .. steps - 1
    z: Tensor  # latents after this step
    z0: Tensor  # estimate of the clean latents, for previews


def noise_for(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Unit normal noise (len(seeds), *shape), one CPU generator per picture: the same on any device, in any batch."""
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def timesteps(steps: int) -> list[int]:
    """From 999 down, evenly spaced ("trailing" in diffusers)."""
    if not 1 <= steps <= STEPS:
        raise ValueError(f"got {steps} sampling steps, want 1 to {STEPS}")
    return [round(STEPS - i * STEPS / steps) - 1 for i in range(steps)]


def start(noise: Tensor, background: Tensor, schedule: Schedule) -> Tensor:
    """What sampling begins with, as ComfyUI makes it of noise and a LATENT: noise + a_T background (ours).

    Stable Diffusion's schedule does not end in pure noise. The last step still holds 7 % of the picture, enough to tell
    its mean colours; from noise alone every face would have colours of its own.

    noise, background  (B, C, h, w) unit normal; latents of the crop with its face, unit variance
    """
    a, _ = schedule.at(torch.full((len(noise),), STEPS - 1), noise)
    return noise + a * background


def ddim(predict: Predictor, z: Tensor, schedule: Schedule, steps: int) -> Iterator[SamplingStep]:
    """DDIM without added noise (Song et al. 2021, eq. 12 with sigma 0).

    z  (B, C, h, w): what start() gives
    """
    path = timesteps(steps)
    for index, (t, following) in enumerate(zip(path, [*path[1:], -1], strict=True)):
        z0, noise = predict(z, torch.full((len(z),), t, device=z.device))
        z = schedule.noisy(z0, noise, torch.full((len(z),), following, device=z.device))
        yield SamplingStep(index, z, z0)


def guide(null: Tensor, identity: Tensor, full: Tensor, identity_scale: float, expression_scale: float) -> Tensor:
    """Classifier-free guidance in two steps, nothing -> identity -> identity and expression (ours).

    null, identity, full  the denoiser's outputs under no condition, identity only, and both
    """
    return null + identity_scale * (identity - null) + expression_scale * (full - identity)


def estimate(predict: Predictor, z: Tensor, t: Tensor, schedule: Schedule, method: str = "improved") -> Tensor:
    """Estimate z_0 from z_t, differentiable: the paper's improved midpoint sampling and what it is compared with.

    z        (B, C, h, w) noisy latents; t (B,) int64
    method   "one-step": (z_t - s_t e_t) / a_t. "midpoint" (DiffSwap): a DDIM step to u = t/2, one-step from there.
             "improved": the mean of both. Its exact formula is not published; the mean is inferred from the paper's
             figures (docs/method.md).
    """
    if method not in ESTIMATES:
        raise ValueError(f'got estimate "{method}", want one of {", ".join(ESTIMATES)}')
    z0, noise = predict(z, t)
    if method == "one-step":
        return z0
    half = t // 2
    midpoint, _ = predict(schedule.noisy(z0, noise, half), half)
    return midpoint if method == "midpoint" else (z0 + midpoint) / 2
