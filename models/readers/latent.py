"""Reads identity and expression from latents, without a decoder: a small network (ours), trained by training/denoiser.

The paper lays its identity and expression losses on the decoded estimate (decoded.py); on a CPU this is what can be
afforded. B batch, C latent channels, h their height and width, D length of the identity code.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from ..identity.recogniser import unit_vectors


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
