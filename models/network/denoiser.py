"""The denoiser: diffusers' conditional UNet, with planes such as the mask and the background beside the noisy latents.

B batch, C latent channels, h w latent size, T tokens. Channel axis: z_t (C), then the planes in the order of
config.planes. The explicit background is the paper's; its place behind the mask is ComfyUI's for inpainting models.
"""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from ..conditions import Conditions
from .config import Config


class Denoiser(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        kinds = ["CrossAttn" * flag for flag in config.attention]
        self.unet = UNet2DConditionModel(
            in_channels=config.inputs,
            out_channels=config.latent_channels,
            block_out_channels=config.widths,
            layers_per_block=config.layers,
            down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
            up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
            cross_attention_dim=config.context,
            attention_head_dim=config.heads,  # diffusers' name for the number of heads
            class_embed_type="projection" if config.tokens_in_time else None,
            projection_class_embeddings_input_dim=config.tokens * config.context,
        )
        self.tokens_in_time, self.planes = config.tokens_in_time, config.planes
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)

    def forward(self, z: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        """
        z           (B, C, h, w): noisy latents, unit variance
        t           (B,): timestep, 0..999
        conditions  tokens (B, T, context); planes: mask (B, 1, h, w), 1 = regenerate; background (B, C, h, w), latents
                    of the crop without its face, unit variance; ...
        returns     (B, C, h, w): v or noise, as the config says
        """
        if conditions.planes.keys() != set(self.planes):
            raise ValueError(f"got the planes {', '.join(conditions.planes)}, want {', '.join(self.planes)}")
        x = torch.cat([z, *(conditions.planes[name] for name in self.planes)], dim=1)  # (B, config.inputs, h, w)
        tokens = conditions.tokens
        vector = tokens.flatten(1) if self.tokens_in_time else None
        return self.unet(x, t, tokens, class_labels=vector).sample  # (B, C, h, w)


def widen(weight: Tensor, before: Config, after: Config) -> Tensor:
    """The first convolution's weight (W, before.inputs, 3, 3) for other planes, (W, after.inputs, 3, 3).

    Planes that stay keep their weights, wherever they stand; those of new ones are zero: the answer stays the same.
    """
    sizes = [before.latent_channels, *before.plane_channels.values()]
    z, *planes = weight.split(sizes, dim=1)
    own = dict(zip(before.planes, planes, strict=True))
    zeros = {name: weight.new_zeros(len(weight), n, *weight.shape[2:]) for name, n in after.plane_channels.items()}
    return torch.cat([z, *(own.get(name, zeros[name]) for name in after.planes)], dim=1)


def shrink_plane(name: str, plane: Tensor) -> Tensor:
    """A plane of one channel (B, 1, S, S) -> (B, 1, S/8, S/8): a mask stays 0 or 1, others are averaged."""
    return shrink_mask(plane) if name == "mask" else nn.functional.avg_pool2d(plane, 8)


def shrink_mask(mask: Tensor) -> Tensor:
    """(B, 1, S, S) 0 or 1 -> (B, 1, S/8, S/8), resized and rounded as ComfyUI does it for inpainting models."""
    size = (mask.shape[-2] // 8, mask.shape[-1] // 8)
    return nn.functional.interpolate(mask, size=size, mode="bilinear", align_corners=False).round()
