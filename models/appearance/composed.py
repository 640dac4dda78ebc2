"""What a face was composed of, as the network sees it that goes over it (ours). B faces, S side of the crop."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

PLANES = 15  # of Composed.planes()


@dataclass(frozen=True)
class Composed:
    """A face in its surroundings, and what it was made of: pictures (B, 3, S, S) in [-1, 1], planes (B, 1, S, S)."""

    face: Tensor
    photo: Tensor  # the person's, under the scene's light
    painted: Tensor  # the painter's likewise
    share: Tensor  # 0..1: how far the photo counts
    near: Tensor  # 0..1: how near the wanted expression is to the photo's
    edge: Tensor  # 0..1: 1 in the face, 0 in its surroundings and where the scene's own hair and forehead stay
    parts: Tensor  # (B, 3, S, S) 0..1: inside of the mouth, eyes, lips
    colour: Tensor  # (B, 1, 1, 1) 0..1: 0 where the scene is grey, or has one tone alone

    def planes(self) -> Tensor:
        """(B, PLANES, S, S) in [-1, 1], what a Retoucher is given"""
        masks = torch.cat([self.share, self.near, self.edge, self.parts], 1)
        return torch.cat([self.face, self.photo, self.painted, masks * 2 - 1], 1)

    def resized(self, size: int) -> "Composed":
        """The same in another size."""
        planes = F.interpolate(self.planes(), size=(size, size), mode="bilinear", align_corners=False, antialias=True)
        return replace(self.from_planes(planes), colour=self.colour)

    @classmethod
    def from_planes(cls, planes: Tensor) -> "Composed":
        """What planes() was made of, but for the scene's colours, which are taken to be many."""
        pictures, masks = planes.split((9, PLANES - 9), 1)
        share, near, edge, parts = ((masks + 1) / 2).split((1, 1, 1, 3), 1)
        return cls(*pictures.split(3, 1), share, near, edge, parts, planes.new_ones(len(planes), 1, 1, 1))

    def changed(self, change: Tensor) -> Tensor:
        """The face with a change (B, 3, S, S): within its edge, and in colours that the scene has."""
        return (self.face + self.edge * self.in_colours(change)).clamp(-1, 1)

    def in_colours(self, change: Tensor) -> Tensor:
        """A change (B, 3, S, S) without colours where the scene has none."""
        return torch.lerp(change.mean(1, keepdim=True), change, self.colour)
