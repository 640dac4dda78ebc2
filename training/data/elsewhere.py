"""A photo as if it had been taken elsewhere: another expression, side, light, other colours and quality (ours)."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.appearance.bands import halve, join, over_face, split
from ...models.appearance.composite import FAR
from ...models.appearance.finish import CHIN, FOREHEAD
from ...models.appearance.light import from_log, to_log
from ...models.appearance.shape import ShapeModel
from ...models.appearance.warp import warp
from ...models.faces.mesh import FaceMesh
from ...models.pictures import decode_picture, to_pil

TURN = (20.0, 10.0)  # degrees of yaw and pitch that a photo is turned by at most
FOLDS = 16  # pixels, of 128: folds are in all bands finer than that


@dataclass(frozen=True)
class Faces:
    """B faces, upright, alike in size."""

    pictures: Tensor  # (B, 3, S, S) in [-1, 1]
    points: Tensor  # (B, 478, 3) pixels of the pictures
    blendshapes: Tensor  # (B, 51) 0..1

    def __getitem__(self, rows: int | Sequence[int]) -> "Faces":
        rows = [rows] if isinstance(rows, int) else list(rows)
        return Faces(self.pictures[rows], self.points[rows], self.blendshapes[rows])


def carry_away(photo: Faces, actor: Faces, shape: ShapeModel, mesh: FaceMesh, generator: torch.Generator) -> Faces:
    """A face doing what another one does, from another side; where that bends the skin, with the other's folds."""
    size, points = photo.pictures.shape[-1], photo.points
    who = shape.person(points, photo.blendshapes, mesh)
    moved = shape.wanted(who, actor.blendshapes, points, photo.blendshapes, 1.0)
    yaw, pitch = ((torch.rand(2, generator=generator) * 2 - 1) * torch.tensor(TURN)).deg2rad().tolist()
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    turn = torch.tensor([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]) @ torch.tensor([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    middle = moved.mean(1, keepdim=True)
    turned = (moved - middle) @ turn.T + middle
    there = warp(photo.pictures, points, turned, size)
    acted = warp(actor.pictures, actor.points, turned, size)
    height = (points[:, CHIN] - points[:, FOREHEAD]).norm()
    far = (moved - points)[..., :2].norm(dim=-1, keepdim=True) / (FAR * height)
    bent = 1 - torch.exp(-over_face(turned / 4, far, size // 4, 0.1).square())
    bent = F.interpolate(bent, size=size, mode="bilinear", align_corners=False) * acted.trust * there.trust
    face = from_log(folded(to_log(there.picture), to_log(acted.picture), bent))
    return Faces(torch.lerp(photo.pictures, face, there.cover), turned, actor.blendshapes)


def folded(face: Tensor, other: Tensor, bent: Tensor) -> Tensor:
    """A face with another one's folds: its fine bands' brightness, where `bent` (B, 1, S, S) says. In logarithms."""
    bands = round(math.log2(FOLDS * face.shape[-1] / 128)) - 1
    (own, rest), (theirs, _) = split(face, bands), split(other, bands)
    for number, (mine, other) in enumerate(zip(own, theirs, strict=True)):
        own[number] = mine + bent * (other - mine).mean(1, keepdim=True)
        bent = halve(bent)
    return join(own, rest)


def as_taken_elsewhere(photo: Tensor, generator: torch.Generator) -> Tensor:
    """Another light from a side, other colours, blur, noise and compression. (1, 3, H, W) in [-1, 1] -> the same"""
    size = photo.shape[-1]
    field = torch.randn((1, 1, 3, 3), generator=generator) * 0.25 * torch.rand((), generator=generator)
    field = F.interpolate(field, size=(size, size), mode="bicubic", align_corners=True).exp()
    photo = random_tones(((photo + 1) * field - 1).clamp(-1, 1), generator)
    draws = torch.rand(3, generator=generator).tolist()
    if draws[0] < 0.5:  # smaller photos
        small = round(size / (1 + 3 * draws[0]))
        photo = F.interpolate(photo, size=(small, small), mode="bicubic", antialias=True)
        photo = F.interpolate(photo, size=(size, size), mode="bicubic", align_corners=False)
    photo = photo + 0.03 * draws[1] ** 2 * torch.randn(photo.shape, generator=generator)
    packed = io.BytesIO()
    to_pil(photo[0]).save(packed, "JPEG", quality=round(60 + 38 * draws[2]))
    return decode_picture(packed.getvalue(), "a portrait in JPEG")[None]


def random_tones(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """pictures (B, 3, H, W) in [-1, 1], each one's contrast, brightness and colour changed -> the same"""
    contrast, brightness = torch.randn((2, len(pictures), 1, 1, 1), generator=generator)
    colour = torch.randn((len(pictures), 3, 1, 1), generator=generator)
    return (pictures * (1 + 0.15 * contrast) + 0.12 * brightness + 0.04 * colour).clamp(-1, 1)
