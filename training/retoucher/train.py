"""Training of the retoucher: windows of examples with what they should look like, whole faces with whom they should
resemble and what they should do, and adversaries.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from ...models.appearance.composed import Composed
from ...models.appearance.retouch import SIDE, Retoucher, bounded
from ...models.appearance.topology import LEFT_EYE, LIPS, RIGHT_EYE
from ...models.network.precision import autocast
from ...models.pixels import from_bytes
from ..data.stream import ahead
from ..decoder.adversary import balance, fooling_loss, teach
from ..run import Stateful, Step, descend, generator_at, resume
from ..settings import Settings
from .adversary import IN_FACES, SMALLER, Adversaries, Seen
from .examples import Examples
from .readings import Readings
from .settings import RetoucherTraining
from .swaps import Swap, Swaps

MOUTH = (*LIPS[0], *LIPS[1])
EYE = (*LEFT_EYE[0], *LEFT_EYE[1], *RIGHT_EYE[0], *RIGHT_EYE[1])
FACE = range(468)
MOUTHS, EYES = 0.45, 0.2  # share of the windows; the others lie anywhere in the face
ASIDE = 24  # pixels, at most, between a window's middle and the point that it lies about


@dataclass(frozen=True)
class Batch:
    """What is drawn for a step."""

    planes: Tensor  # (batch, PLANES, side, side) in [-1, 1]: windows
    truth: Tensor  # (batch, 3, side, side) in [-1, 1]
    swap: Swap | None  # `faces` of them
    windows: list[tuple[int, slice, slice]]  # of the faces: which, rows, columns


def draw(examples: Examples, swaps: Swaps | None, settings: RetoucherTraining, position: int) -> Batch:
    """Half of the windows of examples are mirrored."""
    generator, side = generator_at(settings.seed, position), settings.side
    windows = []
    for _ in range(settings.batch):
        where, flipped = torch.rand(2, generator=generator).tolist()
        row = int(torch.randint(len(examples), (), generator=generator))
        about = MOUTH if where < MOUTHS else EYE if where < MOUTHS + EYES else FACE
        left, top = window(examples.points[row], about, side, generator)
        parts = examples.window(row, left, top, side)
        windows.append([part.flip(-1) if flipped < 0.5 else part for part in parts])
    planes, truth = map(torch.stack, zip(*windows, strict=True))
    if swaps is None:
        return Batch(planes, truth, None, [])
    swap = swaps.draw(settings.faces, generator)
    of_faces = []
    for face, points in enumerate(swap.points):
        for about in (MOUTH, EYE, FACE):
            left, top = window(points, about, side, generator)
            of_faces.append((face, slice(top, top + side), slice(left, left + side)))
    return Batch(planes, truth, swap, of_faces)


def window(points: Tensor, about: Sequence[int], side: int, generator: torch.Generator) -> tuple[int, int]:
    """Left and top of a window about one of some points, those of (478, 2) that `about` numbers."""
    which, x, y = torch.rand(3, generator=generator).tolist()
    middle = points[about[int(which * len(about))]].tolist()
    return tuple(
        round(min(max(at + ASIDE * (2 * way - 1) - side / 2, 0), SIDE - side))
        for at, way in zip(middle, (x, y), strict=True)
    )


def picture_loss(y: Tensor, x: Tensor, seen: list[Tensor], wanted: list[Tensor], settings: RetoucherTraining) -> Tensor:
    """y, x (B, 3, S, S) in [-1, 1], made and wanted; seen, wanted: the same in features."""
    error = y - x
    across, down = error.diff(dim=-1).abs().mean(), error.diff(dim=-2).abs().mean()
    unlike = sum(F.l1_loss(a.float(), b.float()) for a, b in zip(seen, wanted, strict=True))
    return error.abs().mean() + settings.edges * (across + down) + settings.features * unlike


@dataclass(frozen=True)
class Faces:
    """Whole faces as they were made, and the scenes that they were put into."""

    made: Tensor  # (B, 3, SIDE, SIDE) in [-1, 1]
    loss: Tensor  # on what is known of them
    views: list[tuple[Tensor, list[Tensor]]]  # windows, and all of them smaller: pictures and their features
    real: list[tuple[Tensor, list[Tensor]]]  # the scenes in the same windows, and likewise smaller


def whole_faces(
    model: Retoucher, batch: Batch, readings: Readings, see: Seen, settings: RetoucherTraining, position: int
) -> Faces:
    device, generator = batch.planes.device, generator_at(settings.seed + 1, position)
    given = {key: value.to(device) for key, value in vars(batch.swap).items()}
    composed, scene = Composed.from_planes(from_bytes(given["planes"])), from_bytes(given["scene"])
    made = model.retouch(composed).float()
    loss = settings.staying * F.avg_pool2d(made - composed.face, SMALLER).abs().mean()
    with torch.autocast(device.type, enabled=False):
        loss = loss + settings.likeness * readings.unlike(made, given["points"], given["identity"], generator)
        loss = loss + settings.acting * readings.acting(made, given["points"], given["wanted"], generator)

    def views(pictures: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        parts = torch.stack([pictures[face, :, rows, columns] for face, rows, columns in batch.windows])
        small = F.avg_pool2d(pictures, SMALLER)
        return [(parts, see(parts)), (small, see(small, IN_FACES))]

    return Faces(made, loss, views(made), views(scene))


def opposed_parts(model: nn.Module, adversary: nn.Module, rate: float) -> dict[str, Stateful]:
    """What a network and its adversary are trained with, by the names of Step.parts."""
    return {
        "averaged": EMAModel(model.parameters(), decay=0.999, use_ema_warmup=True, inv_gamma=1.0, power=0.75),
        "adversary": adversary,
        "optimiser": torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-3, betas=(0.8, 0.99)),
        "adversary_optimiser": torch.optim.AdamW(
            adversary.parameters(), lr=rate / 2, weight_decay=1e-3, betas=(0.5, 0.99)
        ),
    }


def set_pace(
    optimiser: torch.optim.Optimizer, others: torch.optim.Optimizer, settings: Settings, position: int
) -> None:
    """The learning rates rise over 100 steps and fall to 0 in the second half; the adversary's is half of the other."""
    pace = min((position / settings.batch + 1) / 100, 2 * (1 - position / settings.pictures), 1)
    optimiser.param_groups[0]["lr"], others.param_groups[0]["lr"] = (
        settings.rate * pace,
        settings.rate / 2 * pace,
    )


def train(
    settings: RetoucherTraining,
    model: Retoucher,
    adversaries: Adversaries,
    see: Seen,
    examples: Examples,
    swaps: Swaps | None = None,
    readings: Readings | None = None,
    state: dict | None = None,
) -> Iterator[Step]:
    """Yield after every step, with the windows' signal-to-noise ratio in dB; resumed, it draws as if uninterrupted.

    swaps     None: windows of examples alone
    readings  what is known of swaps
    """
    device = next(model.parameters()).device
    parts = opposed_parts(model, adversaries, settings.rate)
    averaged, optimiser, others = (parts[name] for name in ("averaged", "optimiser", "adversary_optimiser"))
    positions = settings.positions(resume(state, model=model, **parts))
    averaged.to(device)
    alone = settings.alone * settings.batch

    def opposed(loss: Tensor, y: Tensor, found: list[Tensor]) -> Tensor:
        """A loss, and as hard a pull at the pixels y to look like photos."""
        fooling = fooling_loss(found)
        return loss + settings.adversary * balance(loss, fooling, y) * fooling

    batches = ahead(draw(examples, swaps, settings, at) for at in positions)
    for position, batch in zip(positions, batches, strict=True):
        planes, x = batch.planes.to(device), batch.truth.to(device)
        set_pace(optimiser, others, settings, position)
        with autocast(device, settings.bfloat16):
            composed = Composed.from_planes(planes)
            y = composed.changed(bounded(model(planes).float(), composed))
            seen, wanted = see(y), see(x)
            loss = picture_loss(y, x, seen, wanted, settings)
            faces = None if swaps is None else whole_faces(model, batch, readings, see, settings, position)
            if position >= alone:
                loss = opposed(loss, y, adversaries.windows(y, seen))
            if faces is not None and position < alone:
                loss = loss + faces.loss
            elif faces is not None:
                windows, small = faces.views
                found = adversaries.windows(*windows) + adversaries.faces(*small)
                loss = loss + opposed(faces.loss, faces.made, found)
        descend(loss, model.parameters(), optimiser)
        averaged.step(model.parameters())
        if position >= 0.75 * alone:
            teach(adversaries.windows, others, (x, wanted), (y, seen), settings.bfloat16)
            if faces is not None:
                critics = adversaries.windows, adversaries.faces
                for critic, real, made in zip(critics, faces.real, faces.views, strict=True):
                    teach(critic, others, real, made, settings.bfloat16)
        psnr = 10 * math.log10(4 / (y.detach() - x).square().mean().item())
        yield Step(position + settings.batch, psnr, model, parts)
