"""A person's appearance: aligned crops of photos, and what the face mesh reads in them (ours)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ..faces.mesh import Face
from ..files import all_finite
from ..frames import ARCFACE, Frame, align, crop, five_points, scale, transform_mesh
from ..pixels import from_bytes, to_bytes
from .covered import covered
from .warp import warp

# The frame mini-128 with 16 of its pixels more on each side, four pixels each: room for turned heads and open jaws.
PORTRAIT = Frame(640, tuple((4 * (x + 8 + 16), 4 * (y + 16)) for x, y in ARCFACE))
MOST = 8  # photos of one person that are kept: 1.2 MB each


@dataclass(frozen=True)
class Appearance:
    """n photos of one person."""

    pictures: Tensor  # (n, 3, C, C) uint8 RGB, cut in PORTRAIT
    points: Tensor  # (n, 478, 3) in pixels of the pictures
    blendshapes: Tensor  # (n, 51) 0..1, as read
    of_scene: bool = False  # the face that is in the scene already, which keeps what it wears

    def __post_init__(self):
        n, size = len(self.points), self.pictures.shape[-1]
        shapes = {"pictures": (n, 3, size, size), "points": (n, 478, 3), "blendshapes": (n, 51)}
        for name, want in shapes.items():
            value = getattr(self, name)
            if tuple(value.shape) != want or not 1 <= n <= MOST:
                raise ValueError(
                    f"got {name} of shape {tuple(value.shape)} in an appearance, want {want}, n 1 to {MOST}"
                )
            if value.is_floating_point() and not all_finite(value):
                raise ValueError(f"got {name} with NaN or infinite numbers in an appearance; encode the photos again")
        if self.pictures.dtype != torch.uint8:
            raise ValueError(f"got pictures of {self.pictures.dtype} in an appearance, want uint8")

    @property
    def photos(self) -> Tensor:
        """(n, 3, C, C) in [-1, 1]"""
        return from_bytes(self.pictures)

    @cached_property
    def covered(self) -> Tensor:
        """(n,) bool: is a mask worn over mouth and nose? Looked for once, where it is first asked."""
        return covered(self.photos, self.points)

    def to(self, device: torch.device | str) -> "Appearance":
        """Itself where it is there already."""
        if self.pictures.device == torch.device(device):
            return self
        there = {name: getattr(self, name).to(device) for name in ("pictures", "points", "blendshapes")}
        moved = replace(self, **there)
        vars(moved)["covered"] = self.covered.to(device)
        return moved


def photograph(pictures: Sequence[Tensor], faces: Sequence[Face]) -> Appearance:
    """Keep one face of each picture; of more than MOST the largest.

    pictures  each (3, H, W) in [-1, 1]
    """
    points = torch.stack([face.points for face in faces]).cpu().float()
    matrix = align(five_points(points), PORTRAIT)
    chosen = scale(matrix).argsort()[:MOST].sort().values.tolist()  # the less it is enlarged, the larger it was
    cut = torch.cat([crop(pictures[i][None].cpu().float(), matrix[i : i + 1], PORTRAIT.size) for i in chosen])
    points, matrix = points[chosen], matrix[chosen]
    inner = transform_mesh(points, matrix)
    blendshapes = torch.stack([faces[i].blendshapes for i in chosen]).cpu().float()
    return Appearance(to_bytes(cut), inner, blendshapes)


def morph(first: Appearance, second: Appearance, share: float) -> Appearance:
    """Someone between two people: the shapes of their first photos in between, and both textures on it.

    share  0 is the first alone, as it is; 1 the second
    """
    if share in (0, 1):
        return (first, second)[int(share)]
    weights = (1 - share, share)
    points, blendshapes = (
        sum(w * getattr(each, name)[:1] for w, each in zip(weights, (first, second), strict=True))
        for name in ("points", "blendshapes")
    )
    size = first.pictures.shape[-1]
    pictures = 0
    for w, each in zip(weights, (first, second), strict=True):
        warped = warp(each.photos[:1], each.points[:1], points, size)
        pictures = pictures + w * torch.lerp(each.photos[:1], warped.picture, warped.cover)
    return Appearance(to_bytes(pictures), points, blendshapes)
