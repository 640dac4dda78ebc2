"""Training of the autoencoder on random patches of photos: reconstruction, edges, and a light KL term (ours)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.training_utils import EMAModel
from torch import Tensor

from ...models.network.autoencoder import build_autoencoder
from ...models.network.checkpoint import fill, read_checkpoint
from ...models.network.precision import autocast
from ..state import ResumableStep, resume, save_atomically


@dataclass(frozen=True)
class AutoencoderTraining:
    widths: tuple[int, ...] = (32, 64, 128, 128)
    layers: int = 1
    latent_channels: int = 16
    steps: int = 3000
    batch: int = 32
    patch: int = 64  # side of a training patch in pixels
    rate: float = 8e-4  # peak learning rate; rises over 100 steps, falls to 0 over the last half
    edges: float = 1.0  # weight of the loss on differences between neighbouring pixels
    kl: float = 1e-5  # weight of the mean KL divergence of a latent number from a unit normal
    bfloat16: bool | None = None  # None: where the machine is fast in it; weights, losses and optimiser are float32
    seed: int = 0


def draw_patches(photos: list[Tensor], batch: int, size: int, generator: torch.Generator) -> Tensor:
    """Random patches at random scales, mirrored and slightly recoloured.

    photos   groups of (N, 3, H, W) uint8, one of which is drawn uniformly for each patch
    returns  (batch, 3, size, size) in [-1, 1]
    """

    def uniform(low, high):
        return low + (high - low) * torch.rand((), generator=generator).item()

    def integer(high):
        return int(torch.randint(high, (), generator=generator))

    patches = []
    for _ in range(batch):
        group = photos[integer(len(photos))]
        picture = group[integer(len(group))].float() / 127.5 - 1
        side = picture.shape[-1]
        cut = int(min(side, size * uniform(1.0, side / size)))  # from native scale down to the whole picture
        if uniform(0, 1) < 0.5:
            cut = size
        top, left = integer(side - cut + 1), integer(side - cut + 1)
        patch = picture[None, :, top : top + cut, left : left + cut]
        if cut != size:
            patch = F.interpolate(patch, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
        gain = 1 + torch.randn((1, 3, 1, 1), generator=generator) * 0.08
        patch = patch * gain + torch.randn((1, 3, 1, 1), generator=generator) * 0.06
        patches.append(patch.flip(-1) if uniform(0, 1) < 0.5 else patch)
    return torch.cat(patches).clamp(-1, 1)


def autoencoder_loss(model: AutoencoderKL, x: Tensor, noise: Tensor, edges: float, kl: float) -> tuple[Tensor, Tensor]:
    """x (B, 3, H, W) in [-1, 1]; noise like its latents. Returns the loss and the squared error, both scalar."""
    posterior = model.encode(x).latent_dist
    y = model.decode(posterior.mean + posterior.std * noise).sample.float()
    error = y - x
    across, down = error.diff(dim=-1).abs().mean(), error.diff(dim=-2).abs().mean()
    loss = error.abs().mean() + error.square().mean() + edges * (across + down) + kl * posterior.kl().mean()
    return loss, error.square().mean()


@dataclass
class Step(ResumableStep):
    index: int  # steps done
    psnr: float  # dB of this batch
    model: AutoencoderKL  # raw weights
    averaged: EMAModel
    optimiser: torch.optim.Optimizer


def train_autoencoder(
    config: AutoencoderTraining,
    photos: list[Tensor],
    state: dict | None = None,
    compile: bool = False,
    begin: AutoencoderKL | None = None,
) -> Iterator[Step]:
    """Yield after every step; a resumed run draws what an uninterrupted one would.

    begin  is trained further, whatever shape the config asks for
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        fresh = build_autoencoder(config.widths, config.layers, config.latent_channels, 1.0)
    model = fresh if begin is None else begin.train().requires_grad_(True)
    averaged = EMAModel(model.parameters(), decay=0.998)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=1e-3, betas=(0.9, 0.99))
    start = resume(state, model=model, averaged=averaged, optimiser=optimiser)
    loss_of = torch.compile(autoencoder_loss) if compile else autoencoder_loss
    for index in range(start, config.steps):
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + index)
        x = draw_patches(photos, config.batch, config.patch, generator)
        latents = (model.config.latent_channels, config.patch // 8, config.patch // 8)
        noise = torch.randn((config.batch, *latents), generator=generator)
        rise, fall = (index + 1) / 100, 2 * (1 - index / config.steps)
        optimiser.param_groups[0]["lr"] = config.rate * max(0.0, min(1.0, rise, fall))
        with autocast("cpu", config.bfloat16):
            loss, error = loss_of(model, x, noise, config.edges, config.kl)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        averaged.step(model.parameters())
        yield Step(index + 1, 10 * math.log10(4 / error.item()), model, averaged, optimiser)


def save_autoencoder(path: Path, model: AutoencoderKL, scale: float) -> None:
    """scale: what raw latents are multiplied by to get unit variance."""
    shape = {
        "widths": tuple(model.config.block_out_channels),
        "layers": model.config.layers_per_block,
        "latent_channels": model.config.latent_channels,
    }
    save_atomically({**shape, "scale": scale, "weights": model.state_dict()}, path)


def load_autoencoder(path: Path) -> tuple[AutoencoderKL, float]:
    """The network and its scale, from what save_autoencoder() wrote or from a checkpoint of this pack."""
    if path.suffix == ".safetensors":
        config, weights = read_checkpoint(path, parts=("vae",))
        shape = config.autoencoder_widths, config.autoencoder_layers, config.latent_channels, config.latent_scale
        weights = weights["vae"]
    else:
        saved = torch.load(path, weights_only=True)
        shape, weights = tuple(saved[key] for key in ("widths", "layers", "latent_channels", "scale")), saved["weights"]
    return fill(build_autoencoder(*shape), weights, "autoencoder"), shape[-1]
