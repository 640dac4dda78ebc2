"""Training of the autoencoder on random patches of photos: reconstruction, edges, and a light KL term (ours)."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.training_utils import EMAModel
from torch import Tensor

from ...models.network.autoencoder import build_autoencoder
from ...models.network.checkpoint import fill, read_checkpoint
from ...models.network.precision import autocast
from ...models.pixels import from_bytes
from ..data.stream import ahead
from ..run import Step, descend, generator_at, resume, save_atomically
from .settings import AutoencoderTraining


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
        picture = from_bytes(group[integer(len(group))])
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


def train_autoencoder(
    settings: AutoencoderTraining,
    photos: list[Tensor],
    state: dict | None = None,
    begin: AutoencoderKL | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[Step]:
    """Yield after every step, with the batch's signal-to-noise ratio in dB; resumed, it draws as if uninterrupted.

    begin  is trained further, whatever shape the settings ask for
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        fresh = build_autoencoder(settings.widths, settings.layers, settings.latent_channels, 1.0)
    model = (fresh if begin is None else begin.train().requires_grad_(True)).to(device)
    averaged = EMAModel(model.parameters(), decay=0.998)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=1e-3, betas=(0.9, 0.99))
    positions = settings.positions(resume(state, model=model, averaged=averaged, optimiser=optimiser))
    averaged.to(device)
    loss_of = torch.compile(autoencoder_loss) if settings.compile else autoencoder_loss
    channels = model.config.latent_channels
    draws = ahead(draw(settings, photos, channels, position) for position in positions)
    for position, (x, noise) in zip(positions, draws, strict=True):
        rise, fall = (position / settings.batch + 1) / 100, 2 * (1 - position / settings.pictures)
        optimiser.param_groups[0]["lr"] = settings.rate * max(0.0, min(1.0, rise, fall))
        with autocast(device, settings.bfloat16):
            loss, error = loss_of(model, x.to(device), noise.to(device), settings.edges, settings.kl)
        descend(loss, model.parameters(), optimiser)
        averaged.step(model.parameters())
        psnr = 10 * math.log10(4 / error.item())
        yield Step(position + settings.batch, psnr, model, {"averaged": averaged, "optimiser": optimiser})


def draw(settings: AutoencoderTraining, photos: list[Tensor], channels: int, position: int) -> tuple[Tensor, Tensor]:
    """Patches, and noise like their latents."""
    generator = generator_at(settings.seed, position)
    x = draw_patches(photos, settings.batch, settings.patch, generator)
    side = settings.patch // 8
    return x, torch.randn((settings.batch, channels, side, side), generator=generator)


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
        saved = torch.load(path, weights_only=True, map_location="cpu")
        shape, weights = tuple(saved[key] for key in ("widths", "layers", "latent_channels", "scale")), saved["weights"]
    return fill(build_autoencoder(*shape), weights, "autoencoder"), shape[-1]
