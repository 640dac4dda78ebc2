"""Training of the retoucher: windows of examples, what they should look like, and an adversary."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from ...models.appearance.composed import Composed
from ...models.appearance.retouch import Retoucher, bounded
from ...models.appearance.topology import LEFT_EYE, LIPS, RIGHT_EYE
from ...models.network.precision import autocast
from ..data.stream import ahead
from ..decoder.adversary import balance, fooling_loss, teach
from ..run import Step, generator_at, resume
from .adversary import Adversary, Seen
from .examples import SIDE, Examples
from .settings import RetoucherTraining

MOUTHS, EYES = 0.45, 0.2  # share of the windows; the others lie anywhere in the face
ASIDE = 24  # pixels, at most, between a window's middle and the point that it lies about


def draw(examples: Examples, settings: RetoucherTraining, position: int) -> tuple[Tensor, Tensor]:
    """Planes (batch, PLANES, side, side) and truth (batch, 3, side, side), half of them mirrored."""
    generator, side = generator_at(settings.seed, position), settings.side
    mouth = [*LIPS[0], *LIPS[1]]
    eyes = [*LEFT_EYE[0], *LEFT_EYE[1], *RIGHT_EYE[0], *RIGHT_EYE[1]]
    windows = []
    for _ in range(settings.batch):
        where, point, x, y, flipped = torch.rand(5, generator=generator).tolist()
        row = int(torch.randint(len(examples), (), generator=generator))
        known = mouth if where < MOUTHS else eyes if where < MOUTHS + EYES else range(468)
        middle = examples.points[row][known[int(point * len(known))]]
        left, top = (
            round(min(max(at + ASIDE * (2 * way - 1) - side / 2, 0), SIDE - side))
            for at, way in zip(middle.tolist(), (x, y), strict=True)
        )
        parts = examples.window(row, left, top, side)
        windows.append([part.flip(-1) if flipped < 0.5 else part for part in parts])
    return tuple(map(torch.stack, zip(*windows, strict=True)))


def picture_loss(y: Tensor, x: Tensor, seen: list[Tensor], wanted: list[Tensor], settings: RetoucherTraining) -> Tensor:
    """y, x (B, 3, S, S) in [-1, 1], made and wanted; seen, wanted: the same in features."""
    error = y - x
    across, down = error.diff(dim=-1).abs().mean(), error.diff(dim=-2).abs().mean()
    unlike = sum(F.l1_loss(a.float(), b.float()) for a, b in zip(seen, wanted, strict=True))
    return error.abs().mean() + settings.edges * (across + down) + settings.features * unlike


def train(
    settings: RetoucherTraining,
    model: Retoucher,
    adversary: Adversary,
    see: Seen,
    examples: Examples,
    state: dict | None = None,
) -> Iterator[Step]:
    """Yield after every step, with the batch's signal-to-noise ratio in dB; resumed, it draws as if uninterrupted."""
    device, rate = next(model.parameters()).device, settings.rate
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-3, betas=(0.8, 0.99))
    others = torch.optim.AdamW(adversary.parameters(), lr=rate / 2, weight_decay=1e-3, betas=(0.5, 0.99))
    averaged = EMAModel(model.parameters(), decay=0.999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    parts = {"averaged": averaged, "adversary": adversary, "optimiser": optimiser, "adversary_optimiser": others}
    positions = settings.positions(resume(state, model=model, **parts))
    averaged.to(device)
    alone = settings.alone * settings.batch
    for position, batch in zip(positions, ahead(draw(examples, settings, at) for at in positions), strict=True):
        planes, x = (part.to(device) for part in batch)
        pace = min((position / settings.batch + 1) / 100, 2 * (1 - position / settings.pictures), 1)
        optimiser.param_groups[0]["lr"], others.param_groups[0]["lr"] = rate * pace, rate / 2 * pace
        with autocast(device, settings.bfloat16):
            composed = Composed.from_planes(planes)
            y = composed.changed(bounded(model(planes).float(), composed))
            seen, wanted = see(y), see(x)
            loss = picture_loss(y, x, seen, wanted, settings)
            if position >= alone:
                fooling = fooling_loss(adversary(y, seen))
                loss = loss + settings.adversary * balance(loss, fooling, y) * fooling
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        averaged.step(model.parameters())
        if position >= 0.75 * alone:
            teach(adversary, others, (x, wanted), (y, seen), settings.bfloat16)
        psnr = 10 * math.log10(4 / (y.detach() - x).square().mean().item())
        yield Step(position + settings.batch, psnr, model, parts)
