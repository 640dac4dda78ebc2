"""What the decoder is refined on: latents as the encoder gives them, or a denoiser's estimates from noise (ours)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...models.identity.recogniser import unit_vectors
from ...models.network.schedule import Schedule
from ..data.dataset import Dataset
from ..denoiser.batches import Batch
from ..denoiser.train import Model

CLEAN = 0.25  # share of the pictures whose latents stay as they are
T_FROM, T_TO = 50, 500  # the others are estimated from z_t: below, nothing is lost; above, it is another face


class Softened:
    """Raw latents of pictures of a data set; of most the one-step estimate from noise, from the picture's own codes."""

    def __init__(self, model: Model, data: Dataset, sizes: Sequence[int]):
        """data: one picture for each crop, in the same order; sizes: lengths of the recognisers' vectors"""
        self.model, self.data, self.sizes = model.eval(), data, tuple(sizes)

    @torch.no_grad()
    def __call__(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """rows (B,) -> (B, C, h, w), on the model's device"""
        t = torch.randint(T_FROM, T_TO, (len(rows),), generator=generator)
        batch = reconstruction(self.data.subset(rows), t, self.model, self.sizes, generator)
        clean = torch.rand(len(rows), generator=generator) < CLEAN
        schedule, prediction = Schedule(), self.model.config.prediction
        batch = batch.to(self.model.conditioner.neutral.device)
        z = schedule.noisy(batch.z0, batch.noise, batch.t)
        z0, _ = schedule.clean_and_noise(self.model(z, batch.t, batch).float(), z, batch.t, prediction)
        return torch.where(clean.view(-1, 1, 1, 1).to(z.device), batch.z0, z0) / self.model.config.latent_scale


def reconstruction(
    data: Dataset, t: Tensor, model: Model, sizes: tuple[int, ...], generator: torch.Generator
) -> Batch:  # fmt: skip
    """Pictures with their own codes, noised to t."""
    scale, count, neutral = model.config.latent_scale, len(data), model.conditioner.neutral.cpu()
    return Batch(
        z0=data.latents.float() * scale,
        background=data.background.float() * scale,
        mask=data.mask,
        selfie=data.selfie.float() * scale,
        trust=data.trust.float(),
        weight=data.mask * data.inside,
        identity=unit_vectors(data.identity, sizes),
        expression=data.blendshapes - neutral,
        pose=data.pose,
        style=data.style,
        keep=torch.ones(count, 3, dtype=torch.bool),
        noise=torch.randn(data.latents.shape, generator=generator),
        t=t,
        swapped=torch.zeros(count, dtype=torch.bool),
    )
