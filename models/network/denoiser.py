"""The denoiser: diffusers' conditional UNet, with the background and the mask beside the noisy latents.

B batch, C latent channels, h w latent size, T tokens. Channel axis in ComfyUI's order for inpainting models:
z_t (C), mask (1), background latents (C). The explicit background is the paper's; the order is the host's.
"""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from .config import Config


class Denoiser(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        kinds = ["CrossAttn" * flag for flag in config.attention]
        self.unet = UNet2DConditionModel(
            in_channels=2 * config.latent_channels + 1,
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
        self.tokens_in_time = config.tokens_in_time
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)

    def forward(self, z: Tensor, t: Tensor, tokens: Tensor, mask: Tensor, background: Tensor) -> Tensor:
        """
        z           (B, C, h, w): noisy latents, unit variance
        t           (B,): timestep, 0..999
        tokens      (B, T, context)
        mask        (B, 1, h, w): 1 = regenerate
        background  (B, C, h, w): latents of the crop without its face
        returns     (B, C, h, w): v or noise, as the config says
        """
        x = torch.cat([z, mask, background], dim=1)  # (B, 2 C + 1, h, w)
        vector = tokens.flatten(1) if self.tokens_in_time else None
        return self.unet(x, t, tokens, class_labels=vector).sample  # (B, C, h, w)


def shrink_mask(mask: Tensor) -> Tensor:
    """(B, 1, S, S) 0 or 1 -> (B, 1, S/8, S/8), resized and rounded as ComfyUI does it for inpainting models."""
    size = (mask.shape[-2] // 8, mask.shape[-1] // 8)
    return nn.functional.interpolate(mask, size=size, mode="bilinear", align_corners=False).round()
