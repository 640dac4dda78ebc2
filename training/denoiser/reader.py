"""Training of the latent reader (models/readers/latent.py), which the losses on an estimate of z_0 are read with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...models.network.checkpoint import fill
from ...models.network.precision import autocast
from ...models.readers.latent import LatentReader
from ..data.dataset import Dataset


@dataclass(frozen=True)
class ReaderTraining:
    steps: int = 1500
    batch: int = 64
    rate: float = 1e-3
    noise: float = 0.3  # largest deviation of the noise on the latents: estimates of z_0 are never clean
    bfloat16: bool | None = None  # None: where the machine is fast in it; weights, losses and optimiser are float32
    seed: int = 0


@dataclass
class Step:
    index: int  # steps done
    cosine: float  # between the vectors read and the recognisers', their mean
    error: float  # mean square error of the expression, in standard deviations
    model: LatentReader


def train_reader(
    config: ReaderTraining,
    data: Dataset,
    scale: float,
    neutral: Tensor,
    spread: Tensor,
    sizes: Sequence[int],
    device: torch.device | str = "cpu",
) -> Iterator[Step]:
    """Yield after every step.

    scale: of the latents; neutral, spread: of the expression code, (51,) each; sizes: as LatentReader has them
    """
    channels, latent_size = data.latents.shape[1:3]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = LatentReader(channels, sizes, latent_size).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=0.05)
    generator = torch.Generator().manual_seed(config.seed)
    for index in range(config.steps):
        rows = torch.randint(len(data), (config.batch,), generator=generator)
        z = data.latents[rows].float() * scale
        strength = torch.rand(config.batch, 1, 1, 1, generator=generator) * config.noise
        z = z + torch.randn(z.shape, generator=generator) * strength
        code, wanted = data.identity[rows], (data.blendshapes[rows] - neutral.cpu()) / spread.cpu()
        optimiser.param_groups[0]["lr"] = config.rate * (1 - index / config.steps)
        with autocast(device, config.bfloat16):
            identity, expression = model(z.to(device))
        cosine = (identity * code.to(device)).sum(-1).mean() / len(sizes)
        error = (expression - wanted.to(device)).square().mean()
        optimiser.zero_grad()
        (1 - cosine + 0.5 * error).backward()
        optimiser.step()
        yield Step(index + 1, cosine.item(), error.item(), model)


def load_reader(path: Path, latents: Sequence[int], sizes: Sequence[int]) -> LatentReader:
    """latents: (C, h)"""
    weights = torch.load(path, weights_only=True, map_location="cpu")["weights"]
    return fill(LatentReader(latents[0], sizes, latents[1]), weights, "latent reader")


def is_reader_of(path: Path, made_from: dict) -> bool:
    """Whether there is a latent reader that was trained on these pictures (dataset.made_from())."""
    return path.is_file() and torch.load(path, weights_only=True, mmap=True).get("made_from") == made_from
