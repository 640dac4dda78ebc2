"""Whom whole faces resemble, and what they do, as the frozen networks read it that condition the painter (ours).

Each time the face lies a little elsewhere in what they are given, so that nothing is gained by what they alone see.
B faces, S side of their pictures, D length of the identity code.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.faces.mesh import SIDE, FaceMesh, own_frames
from ...models.frames import FRAMES, align, crop, five_points, invert
from ...models.identity.recogniser import compound_code
from ...models.identity.recognisers import Recognisers

ASIDE, LARGER = 0.025, 0.05  # of a picture's side that a face is moved by at most, and by which it may seem larger


class Readings(nn.Module):
    def __init__(self, mesh: FaceMesh, recognisers: Recognisers):
        super().__init__()
        self.mesh, self.recognisers = mesh, recognisers
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Readings":
        return super().train(False)

    def unlike(self, x: Tensor, points: Tensor, identity: Tensor, generator: torch.Generator) -> Tensor:
        """1 less the mean cosine of the recognisers' vectors to those of the people, identity (B, D).

        x       (B, 3, S, S) in [-1, 1]
        points  (B, 478, 2), pixels
        """
        frame = FRAMES["arcface-112"]
        faces = crop(x, moved(align(five_points(points), frame), frame.size, generator), frame.size)
        code = compound_code(self.recognisers, faces)
        return 1 - (code * identity).sum(-1).mean() / len(self.recognisers)

    def acting(self, x: Tensor, points: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
        """Mean difference of the blendshapes from those wanted, (B, 51); the others as of unlike()."""
        frames = moved(invert(own_frames(points)), SIDE, generator)
        return F.l1_loss(self.mesh.read(crop(x, frames, SIDE))[1], wanted)


def moved(matrix: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """matrix (B, 2, 3) to crops of `size` pixels -> the same, each a little elsewhere and larger or smaller"""
    larger, aside = torch.rand((2, len(matrix), 2), generator=generator).to(matrix) * 2 - 1
    zoom = 1 + LARGER * larger[:, :1, None]
    middle = size / 2
    shift = middle + zoom[..., 0] * (matrix[..., 2] - middle) + ASIDE * size * aside
    return torch.cat([zoom * matrix[..., :2], shift[..., None]], -1)
