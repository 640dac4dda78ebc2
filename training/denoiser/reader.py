"""A small network that reads identity and expression from latents: losses on an estimate of z_0 need no decoder.

Ours: the paper lays its identity and expression losses on the decoded estimate (models/readers/decoded.py); on a CPU
this is what can be afforded. B batch, C latent channels, h their height and width, D length of the identity code.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ...models.network.checkpoint import fill
from ...models.network.precision import autocast
from ..data.dataset import Dataset
from .batches import unit_vectors


class LatentReader(nn.Module):
    def __init__(self, latent_channels: int, sizes: Sequence[int], latent_size: int = 16, width: int = 128):
        """sizes: lengths of the recognisers' vectors in the identity code; latent_size: h, a power of two from 8 on"""
        super().__init__()
        levels = int(math.log2(latent_size)) - 2  # each halves the map, down to 4 x 4
        if latent_size != 4 << levels or levels < 1:
            raise ValueError(f"got latents of {latent_size} x {latent_size}, want a power of two from 8 on")
        self.sizes = tuple(sizes)
        inputs, layers = latent_channels, []
        for level in range(levels):
            outputs = width if level == 0 else 2 * width
            for stride in (1, 2):
                layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(16, outputs), nn.SiLU()]
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.identity = nn.Sequential(nn.Flatten(), nn.Linear(16 * inputs, sum(sizes)))
        self.expression = nn.Sequential(nn.Flatten(), nn.Linear(16 * inputs, 51))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, C, h, h), unit variance -> unit vectors, side by side (B, D); expression codes (B, 51) / spread."""
        x = self.features(z)  # (B, 2 width, 4, 4)
        return unit_vectors(self.identity(x).float(), self.sizes), self.expression(x).float()


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
    return fill(LatentReader(latents[0], sizes, latents[1]), torch.load(path, weights_only=True), "latent reader")
