"""What the denoiser is told: codes as tokens for its cross-attention (ours; the paper does not say how its embeddings
enter), and planes beside the noisy latents (paper: mask and background).

B batch, D length of the identity code, C channels of a token, T tokens: identity, expression, pose, style.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .network.config import STYLES, Config


@dataclass(frozen=True)
class Conditions:
    """What the denoiser is given beside noisy latents and their time."""

    tokens: Tensor  # (B, T, C)
    planes: dict[str, Tensor]  # those of config.planes by name, each (B, 1 or latent channels, h, w)


class Conditioner(nn.Module):
    """Maps identity, expression, head pose and style to tokens; what is not given is a learned token, never zero."""

    def __init__(self, config: Config):
        super().__init__()
        self.context, self.code_gain, self.pose_scale = config.context, config.code_gain, config.pose_scale
        self.identity = mapper(config.identity_size, config.identity_tokens * config.context)
        self.expression = mapper(51, config.expression_tokens * config.context)
        self.pose = mapper(3, config.context)
        self.style = nn.Embedding(len(STYLES), config.context)
        self.no_identity = nn.Parameter(0.5 * torch.randn(config.identity_tokens, config.context))
        self.no_expression = nn.Parameter(0.5 * torch.randn(config.expression_tokens, config.context))
        self.no_pose = nn.Parameter(0.5 * torch.randn(1, config.context))
        self.register_buffer("neutral", torch.zeros(51))  # mean blendshapes of neutral faces
        self.register_buffer("spread", torch.ones(51))  # standard deviation of expression codes on photos

    def forward(
        self,
        identity: Tensor,
        expression: Tensor,
        pose: Tensor,
        keep: Tensor,
        style: Tensor | None = None,
    ) -> Tensor:
        """
        identity    (B, D): unit vectors, concatenated
        expression  (B, 51): blendshapes minus neutral
        pose        (B, 3): yaw, pitch, roll in degrees; the bundled weights do not see roll, since crops are upright
        keep        (B, 3) bool: which of identity, expression and pose are given
        style       (B,) int64, index in STYLES; photo where None
        returns     (B, T, C)
        """
        style = torch.zeros(len(pose), dtype=torch.long, device=pose.device) if style is None else style
        tokens = [
            (self.identity(identity * self.code_gain), self.no_identity),
            (self.expression(expression / self.spread), self.no_expression),
            (self.pose(pose * pose.new_tensor(self.pose_scale)), self.no_pose),
        ]
        chosen = [
            torch.where(keep[:, i, None, None], given.unflatten(-1, (-1, self.context)), absent)
            for i, (given, absent) in enumerate(tokens)
        ]
        return torch.cat([*chosen, self.style(style)[:, None]], dim=1)  # (B, T, C)


def mapper(size: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, 512), nn.SiLU(), nn.Linear(512, out))
