"""The autoencoder between pixels and latents: diffusers' AutoencoderKL, eight times smaller on each side."""

from diffusers import AutoencoderKL

from .config import Config


def build_autoencoder(widths: tuple[int, ...], layers: int, latent_channels: int, scale: float) -> AutoencoderKL:
    """An untrained autoencoder.

    widths  channels of its four levels, finest first; each a multiple of 32 (GroupNorm has 32 groups)
    layers  residual blocks a level
    scale   what raw latents are multiplied by to get unit variance
    returns module with .encode(x).latent_dist and .decode(z).sample; pixels (B, 3, H, W) in [-1, 1]
    """
    if len(widths) != 4:
        raise ValueError(f"got {len(widths)} autoencoder levels, want 4: ComfyUI's key map assumes them")
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=tuple(widths),
        layers_per_block=layers,
        latent_channels=latent_channels,
        scaling_factor=scale,
    )


def empty_autoencoder(config: Config) -> AutoencoderKL:
    """An untrained one of the size that a checkpoint's config says."""
    return build_autoencoder(
        config.autoencoder_widths, config.autoencoder_layers, config.latent_channels, config.latent_scale
    )
