"""Training of the mouth: holes in the mouths of portraits, filled, against what was there, and an adversary."""

import math
from collections.abc import Iterator

import torch

from ...models.appearance.mouth import Mouth
from ...models.network.precision import autocast
from ..data.stream import ahead
from ..decoder.adversary import Critic, balance, fooling_loss, teach
from ..retoucher.adversary import Seen
from ..retoucher.train import opposed_parts, picture_loss, set_pace
from ..run import Step, descend, generator_at, resume
from .examples import Examples
from .settings import MouthTraining


def train(
    settings: MouthTraining,
    model: Mouth,
    adversary: Critic,
    see: Seen,
    examples: Examples,
    state: dict | None = None,
) -> Iterator[Step]:
    """Yield after every step, with the holes' signal-to-noise ratio in dB; resumed, it draws as if uninterrupted."""
    device = next(model.parameters()).device
    parts = opposed_parts(model, adversary, settings.rate)
    averaged, optimiser, others = (parts[name] for name in ("averaged", "optimiser", "adversary_optimiser"))
    positions = settings.positions(resume(state, model=model, **parts))
    averaged.to(device)
    alone = settings.alone * settings.batch
    batches = ahead(examples.draw(settings.batch, generator_at(settings.seed, at)) for at in positions)
    for position, drawn in zip(positions, batches, strict=True):
        x, given, hole, inside, nose, chart = (value.to(device) for value in vars(drawn).values())
        set_pace(optimiser, others, settings, position)
        with autocast(device, settings.bfloat16):
            y = torch.lerp(x, model.fill(given, hole, inside, nose, chart).float(), hole)
            seen, wanted = see(y), see(x)
            loss = picture_loss(y, x, seen, wanted, settings) / hole.mean()
            if position >= alone:
                fooling = fooling_loss(adversary(y, seen))
                loss = loss + settings.adversary * balance(loss, fooling, y) * fooling
        descend(loss, model.parameters(), optimiser)
        averaged.step(model.parameters())
        if position >= 0.75 * alone:
            teach(adversary, others, (x, wanted), (y, seen), settings.bfloat16)
        error = ((y.detach() - x).square() * hole).sum() / (3 * hole.sum())
        yield Step(position + settings.batch, 10 * math.log10(4 / max(error.item(), 1e-9)), model, parts)
