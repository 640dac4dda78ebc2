"""Training of the denoiser and the conditioner: a generator of steps. Logging, saving and pictures are the caller's."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from ..models.conditioner import Conditioner
from ..models.config import Config
from ..models.denoiser import Denoiser
from ..models.sampling import estimate
from ..models.schedule import STEPS, Schedule
from .dataset import Dataset
from .state import ResumableStep, resume

SWAP_FROM, SWAP_TO = 400, 900  # timesteps of swapped pictures: below, z_t still shows the face that is to go


@dataclass(frozen=True)
class Training:
    steps: int = 4000
    batch: int = 32
    rate: float = 4e-4  # peak learning rate: rises over 200 steps, falls to a twentieth over the last 40 %
    drop_both: float = 0.10  # share of pictures trained without identity and expression
    drop_expression: float = 0.10  # further share without expression
    drop_identity: float = 0.05  # further share without identity
    drop_pose: float = 0.10  # share without pose, independent of the others
    other_photo: float = 0.5  # chance to take the identity from another photo of the person, where there is one
    code_noise: float = 0.3  # length of the noise added to the identity code, whose length stays what it was
    beyond: float = 0.1  # weight of the loss beyond the photo's border, where the crop goes on with the border's pixels
    outside: float = 0.3  # weight of the loss outside of the mask, where the answer is given
    identity_weight: float = 0.3  # of the identity loss on the estimate of z_0, where a reader is given
    expression_weight: float = 0.1  # of the expression loss, likewise
    swap: float = 0.2  # share of pictures that get another's identity and expression, where a reader is given
    estimate: str = "one-step"  # how z_0 is estimated for these losses: one of sampling.ESTIMATES
    seed: int = 0


@dataclass(frozen=True)
class Batch:
    """One training batch with everything drawn for it, so that the loss itself is deterministic."""

    z0: Tensor  # (B, C, h, w) unit variance
    background: Tensor  # (B, C, h, w)
    mask: Tensor  # (B, 1, h, w)
    inside: Tensor  # (B, 1, h, w)
    identity: Tensor  # (B, D)
    expression: Tensor  # (B, 51) blendshapes minus neutral
    pose: Tensor  # (B, 3)
    keep: Tensor  # (B, 3) bool: identity, expression, pose
    noise: Tensor  # (B, C, h, w)
    t: Tensor  # (B,)
    swapped: Tensor  # (B,) bool: identity and expression are another picture's, so the face has no known answer


class Model(nn.Module):
    """The trained part: denoiser and conditioner."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.denoiser = Denoiser(config)
        self.conditioner = Conditioner(config)

    def forward(self, z: Tensor, t: Tensor, batch: Batch) -> Tensor:
        tokens = self.conditioner(batch.identity, batch.expression, batch.pose, batch.keep)
        return self.denoiser(z, t, tokens, batch.mask, batch.background)


@dataclass
class Step(ResumableStep):
    index: int  # steps done
    loss: float
    model: Model  # raw weights
    averaged: EMAModel
    optimiser: torch.optim.Optimizer


def partners(data: Dataset) -> dict[int, Tensor]:
    """Rows by person, for those with several pictures that are not mirror images of one."""
    rows: dict[int, list[int]] = {}
    for row, (person, mirrored) in enumerate(zip(data.person.tolist(), data.mirrored.tolist(), strict=True)):
        if not mirrored:
            rows.setdefault(person, []).append(row)
    return {person: torch.tensor(own) for person, own in rows.items() if len(own) > 1}


def draw(
    data: Dataset,
    others: dict[int, Tensor],
    config: Config,
    training: Training,
    neutral: Tensor,
    step: int,
    swap: float = 0.0,
) -> Batch:
    """The batch of a step: a function of (seed, step) alone, so that a resumed run equals an uninterrupted one."""
    generator = torch.Generator().manual_seed(training.seed * 1_000_003 + step)
    b = training.batch
    rows = torch.randint(len(data), (b,), generator=generator)
    one = data.subset(rows)
    chance = torch.rand((b, 3), generator=generator)
    source = rows.clone()
    for i, person in enumerate(one.person.tolist()):
        pick = int(torch.randint(1 << 30, (), generator=generator))
        if person in others and chance[i, 0] < training.other_photo:
            source[i] = others[person][pick % len(others[person])]
    identity = data.identity[source]
    identity = (
        identity + torch.randn(identity.shape, generator=generator) * training.code_noise / identity.shape[-1] ** 0.5
    )
    expression_end = training.drop_both + training.drop_expression
    u = chance[:, 1]
    neither = u < training.drop_both
    no_expression = neither | (u < expression_end)
    no_identity = neither | ((u >= expression_end) & (u < expression_end + training.drop_identity))
    swapped = torch.rand(b, generator=generator) < swap
    given = torch.where(swapped[:, None], identity.roll(1, 0), identity)
    blendshapes = torch.where(swapped[:, None], one.blendshapes.roll(1, 0), one.blendshapes)
    t = torch.randint(STEPS, (b,), generator=generator)
    return Batch(
        z0=one.latents.float() * config.latent_scale,
        background=one.background.float() * config.latent_scale,
        mask=one.mask,
        inside=one.inside,
        identity=nn.functional.normalize(given, dim=-1) * len(config.recognisers) ** 0.5,  # a unit vector of each
        expression=blendshapes - neutral,
        pose=one.pose,
        keep=torch.stack([~no_identity, ~no_expression, chance[:, 2] >= training.drop_pose], dim=-1),
        noise=torch.randn(one.latents.shape, generator=generator),
        t=torch.where(swapped, SWAP_FROM + t % (SWAP_TO - SWAP_FROM), t),
        swapped=swapped,
    )


def denoising_loss(
    model: nn.Module,
    batch: Batch,
    config: Config,
    training: Training,
    schedule: Schedule,
    reader: nn.Module | None = None,
    spread: Tensor | None = None,
) -> Tensor:
    """Squared error of the prediction; what lies beyond the photo and the given background count little.

    With a reader (training/reader.py): identity and expression of the estimate of z_0 as well, as the paper has them,
    weighted by a_t squared, since an estimate from mere noise says nothing. spread (51,): of the expression codes.
    """
    z = schedule.noisy(batch.z0, batch.noise, batch.t)
    output = model(z, batch.t, batch).float()
    error = output - schedule.target(batch.z0, batch.noise, batch.t, config.prediction)
    known = batch.mask * (~batch.swapped).view(-1, 1, 1, 1)
    place = torch.where(batch.inside > 0, 1.0, training.beyond) * (known + training.outside * (1 - batch.mask))
    loss = (place * error.square()).sum() / (place.sum() * error.shape[1])
    if reader is None:
        return loss

    def predict(z: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        answer = output if t is batch.t else model(z, t, batch).float()
        return schedule.clean_and_noise(answer, z, t, config.prediction)

    identity, expression = reader(estimate(predict, z, batch.t, schedule, training.estimate))
    trust = schedule.at(batch.t, z)[0].flatten().square()
    unlike = 1 - (identity * batch.identity).sum(-1)
    wrong = (expression - batch.expression / spread).square().mean(-1)
    loss = loss + training.identity_weight * (trust * batch.keep[:, 0] * unlike).mean()
    return loss + training.expression_weight * (trust * batch.keep[:, 1] * wrong).mean()


def train(
    config: Config,
    training: Training,
    data: Dataset,
    state: dict | None = None,
    reader: nn.Module | None = None,
    compile: bool = False,
) -> Iterator[Step]:
    """Yield after every step.

    state: what Step.state() gave; reader: for the losses on the estimate of z_0; compile: faster, after minutes
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model = Model(config)
    averaged = EMAModel(model.parameters(), decay=0.9995, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    optimiser = torch.optim.AdamW(model.parameters(), lr=training.rate, weight_decay=0.01, betas=(0.9, 0.99))
    neutral, spread = expression_statistics(data)
    model.conditioner.neutral.copy_(neutral)
    model.conditioner.spread.copy_(spread)
    start = resume(state, model=model, averaged=averaged, optimiser=optimiser)
    schedule, others = Schedule(), partners(data)
    runner = torch.compile(model) if compile else model
    for index in range(start, training.steps):
        batch = draw(data, others, config, training, model.conditioner.neutral, index, training.swap if reader else 0.0)
        rise, fall = (index + 1) / 200, 0.05 + 0.95 * (1 - index / training.steps) / 0.4
        optimiser.param_groups[0]["lr"] = training.rate * min(1.0, rise, fall)
        with torch.autocast("cpu", torch.bfloat16):
            loss = denoising_loss(runner, batch, config, training, schedule, reader, model.conditioner.spread)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        averaged.step(model.parameters())
        yield Step(index + 1, loss.item(), model, averaged, optimiser)


def expression_statistics(data: Dataset) -> tuple[Tensor, Tensor]:
    """Neutral: the mean of the tenth of the pictures with the stillest faces; spread: standard deviation, at least .03.

    "Still" is measured from a face at rest, with smiles, frowns and open jaws weighing alike.
    """
    spread = data.blendshapes.std(0).clamp(min=0.03)
    activity = ((data.blendshapes - resting(data.blendshapes)) / spread).square().mean(1)
    still = activity.argsort()[: max(1, len(data) // 10)]
    return data.blendshapes[still].mean(0), spread


def resting(blendshapes: Tensor) -> Tensor:
    """(M, 51) -> (51,): a face at rest, the lower quarter of each channel; expressions add to it."""
    return blendshapes.quantile(0.25, dim=0)
