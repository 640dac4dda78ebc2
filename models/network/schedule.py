"""The noise schedule, z_t = a_t z_0 + s_t noise: Stable Diffusion's scaled-linear one, as in ComfyUI."""

import torch
from torch import Tensor

STEPS = 1000


class Schedule:
    def __init__(self):
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64).square()
        self.alphas = torch.cumprod(1 - betas, dim=0)  # (1000,) a_t squared, falls strictly

    def at(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """a_t and s_t, each (B, 1, 1, 1) of like's type; t (B,) int64, 0..999, or -1 for no noise at all."""
        table = torch.cat([self.alphas, self.alphas.new_ones(1)])  # [-1] is the clean end; float64 stays on the CPU
        alphas = table[t.cpu()].view(-1, 1, 1, 1)
        return alphas.sqrt().to(like), (1 - alphas).sqrt().to(like)

    def noisy(self, z0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        a, s = self.at(t, z0)
        return a * z0 + s * noise

    def clean_and_noise(self, output: Tensor, z: Tensor, t: Tensor, prediction: str) -> tuple[Tensor, Tensor]:
        """The denoiser's output as its two readings: estimate of z_0 and of the noise."""
        a, s = self.at(t, z)
        if prediction == "v_prediction":  # v = a noise - s z_0
            return a * z - s * output, s * z + a * output
        return (z - s * output) / a, output

    def target(self, z0: Tensor, noise: Tensor, t: Tensor, prediction: str) -> Tensor:
        """What the denoiser has to answer."""
        if prediction == "epsilon":
            return noise
        a, s = self.at(t, z0)
        return a * noise - s * z0
