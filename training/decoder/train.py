"""A better decoder for latents that stay as they are: sharp, from soft latents, too (ours).

The encoder is frozen, so a denoiser trained on its latents goes on fitting. What a denoiser makes lacks detail: of a
share of the pictures the decoder is given the estimate of z_0 from noise, and is asked for the photo. An adversary sees
to it that the answer is no mean of photos, and the face mesh to it that lids and lips are where the photo has them.
"""

import copy
import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from ...models.network.precision import autocast
from ...models.pixels import from_bytes
from ..run import Step, descend, generator_at, resume
from .adversary import Adversary, balance, fooling_loss, teach
from .settings import DecoderTraining

Latents = Callable[[Tensor, torch.Generator], Tensor]  # rows of the crops (B,) -> raw latents (B, C, h, w), not clean


def picture_loss(y: Tensor, x: Tensor, seen: list[Tensor], wanted: list[Tensor], config: DecoderTraining) -> Tensor:
    """y, x (B, 3, 128, 128) in [-1, 1], made and wanted; seen, wanted: the same in features."""
    error = y - x
    across, down = error.diff(dim=-1).abs().mean(), error.diff(dim=-2).abs().mean()
    unlike = sum(F.l1_loss(a.float(), b.float()) for a, b in zip(seen, wanted, strict=True))
    return error.abs().mean() + error.square().mean() + config.edges * (across + down) + config.features * unlike


def acting_loss(y: Tensor, x: Tensor, mesh: nn.Module) -> Tensor:
    """How differently a face mesh (decoded.FrameMesh) reads y and x (B, 3, S, S): blendshapes and points."""
    with torch.no_grad():
        points, blendshapes = mesh(x)
    found, shown = mesh(y)
    return F.l1_loss(shown, blendshapes) + F.l1_loss(found[..., :2], points[..., :2]) * 10 / x.shape[-1]


def refine_decoder(
    settings: DecoderTraining,
    model: AutoencoderKL,
    adversary: Adversary,
    crops: Tensor,
    latents: Latents,
    state: dict | None = None,
    mesh: nn.Module | None = None,
    inside: Tensor | None = None,
) -> Iterator[Step]:
    """Yield after every step, with the batch's signal-to-noise ratio in dB; resumed, it draws as if uninterrupted.

    model    is changed in place, its encoder is not; all networks are where it is
    crops    (N, 3, 128, 128) uint8, frame mini-128
    latents  what the decoder is given of them
    mesh     decoded.FrameMesh, for acting_loss
    inside   (N, 1, 128, 128), 0 beyond a photo's border, where nothing is learned; everything is photo where None
    """
    model.requires_grad_(False)
    trained = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
    for parameter in trained:
        parameter.requires_grad_(True)
    device, rate = trained[0].device, settings.rate
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=1e-3, betas=(0.5, 0.99))
    others = torch.optim.AdamW(adversary.parameters(), lr=2 * rate, weight_decay=1e-3, betas=(0.5, 0.99))
    parts = {"adversary": adversary, "optimiser": optimiser, "adversary_optimiser": others}
    decode = torch.compile(model.decode) if settings.compile else model.decode
    for position in settings.positions(resume(state, model=model, **parts)):
        generator = generator_at(settings.seed, position)
        rows = torch.randint(len(crops), (settings.batch,), generator=generator)
        x = from_bytes(crops[rows].to(device))
        pace = min((position / settings.batch + 1) / 30, 1 - position / settings.pictures)
        optimiser.param_groups[0]["lr"], others.param_groups[0]["lr"] = rate * pace, 2 * rate * pace
        with autocast(device, settings.bfloat16):
            y = decode(latents(rows, generator)).sample.float()
            if inside is not None:
                y = torch.where(inside[rows].to(device) > 0, y, x)
            seen, wanted = adversary.features(y), adversary.features(x)
            loss = picture_loss(y, x, seen, wanted, settings)
            if position >= settings.alone * settings.batch:
                fooling = fooling_loss(adversary(y, seen))
                loss = loss + settings.adversary * balance(loss, fooling, y) * fooling
        if mesh is not None:
            loss = loss + settings.acting * acting_loss(y, x, mesh)
        descend(loss, trained, optimiser)
        teach(adversary, others, (x, wanted), (y, seen), settings.bfloat16)
        psnr = 10 * math.log10(4 / (y.detach() - x).square().mean().item())
        yield Step(position + settings.batch, psnr, model, parts)


def between(model: AutoencoderKL, begun: dict[str, Tensor], share: float) -> AutoencoderKL:
    """A copy of the model whose weights lie `share` of the way from those of `begun` (averaging as in WiSE-FT)."""
    mean = copy.deepcopy(model)
    mean.load_state_dict({key: begun[key].lerp(weight, share) for key, weight in model.state_dict().items()})
    return mean
