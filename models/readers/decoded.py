"""Reads identity and expression from decoded latents, as the paper has its losses: for those who have a GPU.

B batch, C latent channels, S side of the generation frame, D length of the identity code.
"""

import torch
from torch import Tensor, nn

from ..faces.insightface_pack import PackRecogniser
from ..faces.mesh import SIDE, FaceMesh
from ..frames import FRAMES, Frame, align, crop, five_points, invert, scale, transform
from ..identity.recogniser import compound_code
from ..network.config import Config

ROOM, LOWER = 1.42, 0.03  # side and centre of the mesh's frame, as parts of the mean face's height (measured on photos)


class FrameMesh(nn.Module):
    """The face mesh on crops of a generation frame, without a search for the face; frozen, and differentiable."""

    def __init__(self, mesh: FaceMesh, frame: Frame):
        super().__init__()
        self.mesh = mesh.requires_grad_(False)
        self.register_buffer("matrix", mesh_frame(mesh, frame))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 3, S, S) in [-1, 1] -> points (B, 478, 3) in pixels of the frame; blendshapes (B, 51)"""
        with torch.autocast(x.device.type, enabled=False):
            matrix = self.matrix.expand(len(x), -1, -1)
            points, blendshapes, _ = self.mesh.read(crop(x.float(), matrix, SIDE))
            flat = transform(points[..., :2], invert(matrix))
            return torch.cat([flat, points[..., 2:] / scale(matrix)[:, None, None]], dim=-1), blendshapes


class DecodedReader(nn.Module):
    """Takes a LatentReader's place: decoder, face mesh and recognisers in a row, all frozen, all differentiable."""

    def __init__(
        self,
        config: Config,
        autoencoder: nn.Module,
        mesh: FaceMesh,
        recognisers: nn.ModuleDict,
        neutral: Tensor,
        spread: Tensor,
    ):
        """neutral, spread: of the expression code, (51,) each."""
        super().__init__()
        for name, recogniser in recognisers.items():
            if isinstance(recogniser, PackRecogniser):
                raise ValueError(f'the recogniser "{name}" has no gradients; want "--losses latent", which needs none')
        self.autoencoder, self.recognisers = autoencoder, recognisers
        self.mesh = FrameMesh(mesh, FRAMES[config.frame])
        self.scale = config.latent_scale
        self.register_buffer("neutral", neutral)
        self.register_buffer("spread", spread)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, C, S/8, S/8), unit variance -> unit vectors (B, D), side by side; expression codes (B, 51) / spread."""
        x = self.autoencoder.decode(z / self.scale).sample.float()  # (B, 3, S, S)
        with torch.autocast(x.device.type, enabled=False):
            points, blendshapes = self.mesh(x)  # (B, 478, 3), (B, 51)
            upright = FRAMES["arcface-112"]
            faces = crop(x, align(five_points(points.detach()), upright), upright.size)  # (B, 3, 112, 112)
            return compound_code(self.recognisers, faces), (blendshapes - self.neutral) / self.spread


def mesh_frame(mesh: FaceMesh, frame: Frame) -> Tensor:
    """(1, 2, 3), pixels of a generation frame to those of the mesh's own frame, for a face of mean shape in it."""
    mean = mesh.mean_face[:, :2]
    mean = transform(mean, align(five_points(mean), frame))  # (478, 2)
    low, high = mean.amin(0), mean.amax(0)
    height = high[1] - low[1]
    centre = (low + high) / 2 + torch.stack([torch.zeros_like(height), LOWER * height])
    scale = SIDE / (ROOM * height)
    return torch.cat([scale * torch.eye(2).to(mean), (SIDE / 2 - scale * centre)[:, None]], dim=1)[None]
