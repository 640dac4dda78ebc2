"""A better decoder for latents that stay as they are: whole crops, with a perceptual term (ours).

The encoder is frozen, so a denoiser trained on its latents goes on fitting.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from ..models.recogniser import Recogniser
from .state import ResumableStep, resume

FACE = (..., slice(0, 112), slice(8, 120))  # the ArcFace frame in the frame mini-128


@dataclass(frozen=True)
class DecoderTraining:
    steps: int = 600
    batch: int = 12
    rate: float = 4e-4  # rises over 30 steps, falls to 0 over the rest
    edges: float = 1.0  # weight of the loss on differences between neighbouring pixels
    features: float = 0.5  # weight of the loss on the recogniser's first features
    noise: float = 0.3  # largest deviation of noise on latents of unit variance: those that are drawn are never clean
    seed: int = 0


@dataclass
class Step(ResumableStep):
    index: int  # steps done
    psnr: float  # dB of this batch
    model: AutoencoderKL
    optimiser: torch.optim.Optimizer


def decoder_loss(
    model: AutoencoderKL, features: nn.Module, z: Tensor, x: Tensor, edges: float, weight: float
) -> tuple[Tensor, Tensor]:
    """z (B, C, 16, 16) raw latents of x (B, 3, 128, 128) in [-1, 1]. Returns loss and squared error."""
    y = model.decode(z).sample.float()
    error = y - x
    across, down = error.diff(dim=-1).abs().mean(), error.diff(dim=-2).abs().mean()
    seen, wanted = features(y[FACE]).float(), features(x[FACE]).float()
    loss = error.abs().mean() + error.square().mean() + edges * (across + down)
    return loss + weight * F.l1_loss(seen, wanted), error.square().mean()


def refine_decoder(
    config: DecoderTraining,
    model: AutoencoderKL,
    recogniser: Recogniser,
    crops: Tensor,
    state: dict | None = None,
    compile: bool = False,
) -> Iterator[Step]:
    """Yield after every step; a resumed run draws what an uninterrupted one would.

    model  is changed in place, its encoder is not;  crops (N, 3, 128, 128) uint8, frame mini-128
    """
    trained = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
    model.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(trained, lr=config.rate, weight_decay=1e-3, betas=(0.9, 0.99))
    start = resume(state, model=model, optimiser=optimiser)
    features = recogniser.features[:5]  # stem and the first two blocks: 28 x 28
    loss_of = torch.compile(decoder_loss) if compile else decoder_loss
    for index in range(start, config.steps):
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + index)
        x = crops[torch.randint(len(crops), (config.batch,), generator=generator)].float() / 127.5 - 1
        x = x * (1 + torch.randn((len(x), 3, 1, 1), generator=generator) * 0.08)
        x = (x + torch.randn((len(x), 3, 1, 1), generator=generator) * 0.06).clamp(-1, 1)
        optimiser.param_groups[0]["lr"] = config.rate * min((index + 1) / 30, 1 - index / config.steps)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                z = model.encode(x).latent_dist.mode()
                strength = torch.rand((len(x), 1, 1, 1), generator=generator) * config.noise
                z = z + torch.randn(z.shape, generator=generator) * strength / model.config.scaling_factor
            loss, error = loss_of(model, features, z, x, config.edges, config.features)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        yield Step(index + 1, 10 * math.log10(4 / error.item()), model, optimiser)
