"""Tells photos from decoded pictures, for the decoder's training (Goodfellow et al. 2014; in latent diffusion as here).

It looks at patches of pixels, and at what a trained recogniser's first layers see, which learns from fewer pictures
(Sauer et al. 2021); at brightness alone, since it is to sharpen, and would paint colours as well (ours).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.identity.recogniser import Recogniser
from ...models.network.precision import autocast

FACE = (..., slice(0, 112), slice(8, 120))  # the ArcFace frame in the frame mini-128


class Critic(nn.Module):
    """A head on each of several maps of features, and one on patches of brightness itself."""

    def __init__(self, widths: Sequence[int]):
        """widths: channels of the maps"""
        super().__init__()
        self.patches = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, 2, 1), nn.GroupNorm(8, 64), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, 2, 1), nn.GroupNorm(8, 128), nn.LeakyReLU(0.2),
            nn.Conv2d(128, 1, 3, 1, 1),
        )  # fmt: skip
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, 64, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(64, 1, 3, 1, 1))
            for width in widths
        )

    def forward(self, x: Tensor, features: list[Tensor]) -> list[Tensor]:
        """One map of each view, positive where it looks like a photo. x (B, 3, S, S); features: its maps"""
        heads = [head(seen) for head, seen in zip(self.heads, features, strict=True)]
        return [self.patches(x.mean(1, keepdim=True)), *heads]


class Adversary(Critic):
    """The recogniser is frozen and no part of the state."""

    def __init__(self, recogniser: Recogniser):
        super().__init__(recogniser.config["widths"][:2])
        layers = list(recogniser.features.eval().requires_grad_(False))
        self.seen = [
            nn.Sequential(*layers[:3]),
            nn.Sequential(*layers[3:5]),
        ]  # a list: not saved; 56 and 28 pixels wide

    def features(self, x: Tensor) -> list[Tensor]:
        """x (B, 3, 128, 128) in [-1, 1], frame mini-128 -> what the recogniser sees in its brightness, fine, coarse"""
        fine = self.seen[0](x[FACE].mean(1, keepdim=True).expand(-1, 3, -1, -1))
        return [fine, self.seen[1](fine)]


def fooling_loss(found: list[Tensor]) -> Tensor:
    """For what is trained against it: what that made should look like photos."""
    return -torch.stack([each.float().mean() for each in found]).mean()


def telling_loss(real: list[Tensor], made: list[Tensor]) -> Tensor:
    """For the adversary: hinge loss."""
    pairs = zip(real, made, strict=True)
    return torch.stack([(F.relu(1 - r.float()).mean() + F.relu(1 + m.float()).mean()) / 2 for r, m in pairs]).mean()


def teach(
    critic: Critic,
    optimiser: torch.optim.Optimizer,
    real: tuple[Tensor, list[Tensor]],
    made: tuple[Tensor, list[Tensor]],
    bfloat16: bool | None,
) -> None:
    """A step of the adversary; real, made: pictures and their features, which get no gradient."""
    (x, wanted), (y, seen) = real, made
    with autocast(x.device, bfloat16):
        telling = telling_loss(critic(x, wanted), critic(y.detach(), [each.detach() for each in seen]))
    optimiser.zero_grad()
    telling.backward()
    optimiser.step()


def balance(loss: Tensor, fooling: Tensor, y: Tensor) -> Tensor:
    """How much harder one loss pulls at the pixels y than the other (Esser et al. 2021, eq. 7: at the last weights)."""
    pulls = [torch.autograd.grad(each, y, retain_graph=True)[0].norm() for each in (loss, fooling)]
    return (pulls[0] / (pulls[1] + 1e-6)).clamp(max=1e4).detach()
