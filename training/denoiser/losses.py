"""What the denoiser is trained on: its own squared error, and who and what an estimate of z_0 shows."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...models.network.config import Config
from ...models.network.sampling import estimate
from ...models.network.schedule import Schedule
from .batches import Batch
from .settings import Training


def denoising_loss(
    model: nn.Module,
    batch: Batch,
    config: Config,
    training: Training,
    schedule: Schedule,
    reader: nn.Module | None = None,
    spread: Tensor | None = None,
    joint_mean: Callable[[Tensor], Tensor] = torch.mean,
) -> Tensor:
    """Squared error of the prediction; what lies beyond the photo and the given background count little.

    With a reader: identity and expression of the estimate of z_0 as well, as the paper has them, weighted by a_t
    squared, since an estimate from mere noise says nothing. All terms are means over the pictures, so that the mean
    over processes is that of the joint batch.

    reader      (B, C, h, w), unit variance -> unit vectors of all recognisers (B, D), expression codes / spread (B, 51)
    spread      (51,) of the expression codes
    joint_mean  mean of a tensor over the batches of all processes
    """
    z = schedule.noisy(batch.z0, batch.noise, batch.t)
    output = model(z, batch.t, batch).float()
    error = output - schedule.target(batch.z0, batch.noise, batch.t, config.prediction)
    loss = (batch.weight * error.square()).mean() / joint_mean(batch.weight)
    if reader is None:
        return loss

    def predict(z: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        answer = output if t is batch.t else model(z, t, batch).float()
        return schedule.clean_and_noise(answer, z, t, config.prediction)

    identity, expression = reader(estimate(predict, z, batch.t, schedule, training.estimate))
    trust = schedule.at(batch.t, z)[0].flatten().square()
    unlike = 1 - (identity * batch.identity).sum(-1) / len(config.recognisers)  # mean over the recognisers
    wrong = (expression - batch.expression / spread).square().mean(-1)
    loss = loss + training.identity_weight * (trust * batch.keep[:, 0] * unlike).mean()
    return loss + training.expression_weight * (trust * batch.keep[:, 1] * wrong).mean()
