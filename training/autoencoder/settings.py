"""Settings of the autoencoder's training."""

from dataclasses import dataclass

from ..settings import Settings, option


@dataclass(frozen=True)
class AutoencoderTraining(Settings):
    steps: int = option(3000, "steps in all")
    batch: int = option(32, "patches a step")
    rate: float = option(8e-4, "peak learning rate: rises over 100 steps, falls to 0 over the last half")
    widths: tuple[int, ...] = option((32, 64, 128, 128), "channels of the levels, finest first", nargs=4, type=int)
    layers: int = option(1, "residual blocks a level")
    latent_channels: int = option(16, "channels of the latents")
    patch: int = option(64, "side of a training patch in pixels")
    edges: float = option(1.0, "weight of the loss on differences between neighbouring pixels")
    kl: float = option(1e-5, "weight of the mean KL divergence of a latent number from a unit normal")
