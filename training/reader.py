"""A small network that reads identity and expression from latents: losses on an estimate of z_0 need no decoder.

Ours: the paper lays its identity and expression losses on the decoded estimate; on a CPU this is what can be afforded.
B batch, C latent channels, D length of the identity code.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dataset import Dataset


class LatentReader(nn.Module):
    def __init__(self, latent_channels: int, identity_size: int, width: int = 128):
        super().__init__()
        sizes = [(latent_channels, width), (width, width), (width, 2 * width), (2 * width, 2 * width)]
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(sizes):
            layers += [nn.Conv2d(inputs, outputs, 3, 2 if i in (1, 3) else 1, 1), nn.GroupNorm(16, outputs), nn.SiLU()]
        self.features = nn.Sequential(*layers)
        self.identity = nn.Sequential(nn.Flatten(), nn.Linear(32 * width, identity_size))
        self.expression = nn.Sequential(nn.Flatten(), nn.Linear(32 * width, 51))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, C, 16, 16), unit variance -> unit vectors (B, D); expression codes (B, 51) / spread."""
        x = self.features(z)  # (B, 2 width, 4, 4)
        return F.normalize(self.identity(x).float(), dim=-1), self.expression(x).float()


@dataclass(frozen=True)
class ReaderTraining:
    steps: int = 1500
    batch: int = 64
    rate: float = 1e-3
    noise: float = 0.3  # largest deviation of the noise on the latents: estimates of z_0 are never clean
    seed: int = 0


@dataclass
class Step:
    index: int
    cosine: float  # between the code read and the recogniser's
    error: float  # mean square error of the expression, in standard deviations
    model: LatentReader


def train_reader(
    config: ReaderTraining, data: Dataset, scale: float, neutral: Tensor, spread: Tensor
) -> Iterator[Step]:
    """Yield after every step. scale: of the latents; neutral, spread: of the expression code, (51,) each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = LatentReader(data.latents.shape[1], data.identity.shape[-1])
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=0.05)
    generator = torch.Generator().manual_seed(config.seed)
    for index in range(config.steps):
        rows = torch.randint(len(data), (config.batch,), generator=generator)
        z = data.latents[rows].float() * scale
        strength = torch.rand(config.batch, 1, 1, 1, generator=generator) * config.noise
        z = z + torch.randn(z.shape, generator=generator) * strength
        optimiser.param_groups[0]["lr"] = config.rate * (1 - index / config.steps)
        with torch.autocast("cpu", torch.bfloat16):
            identity, expression = model(z)
        cosine = (identity * data.identity[rows]).sum(-1).mean()
        error = (expression - (data.blendshapes[rows] - neutral) / spread).square().mean()
        optimiser.zero_grad()
        (1 - cosine + 0.5 * error).backward()
        optimiser.step()
        yield Step(index + 1, cosine.item(), error.item(), model)
