"""What the mouth is trained on: portraits whose lips are apart, cut about them, and holes in their teeth (ours)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...models.appearance.bands import blur
from ...models.appearance.composite import face_edge, surroundings
from ...models.appearance.finish import Finisher
from ...models.appearance.mouth import NOSE, SIDE, frames, hole_of, opened
from ...models.appearance.teeth import chart, find
from ...models.appearance.topology import MOUTH, mirror
from ...models.appearance.warp import region, warp
from ...models.faces.mesh import BLENDSHAPES
from ...models.frames import crop, pixel_centres, transform_mesh
from ...models.pipeline import DiffSFSR
from ...models.pixels import from_bytes, to_bytes
from ..retoucher.portraits import Kept, Portrait, photos_of, read_portrait
from ..run import generator_at

KEPT = 224  # pixels of what is kept of a portrait: with room for other sizes, turns and places
APART = 0.04  # height of the mouth's inside, parts of its width, from which on it shows something
LARGER, TURNED, ASIDE = 0.15, 0.12, 10  # logarithm, radians, pixels of SIDE
LIGHT, TINT = 0.5, 0.12  # logarithms that a picture gets brighter or darker by, and each colour of its own
GREY, SOFT = 0.05, 0.4  # share of pictures without colour; of those whose surroundings are blurred
WHOLE = 0.6  # share of holes that take all of the inside; the others leave a part of it


@dataclass(frozen=True)
class Cuts(Kept):
    """n portraits, each cut about its mouth and with some room."""

    pictures: Tensor  # (n, 3, KEPT, KEPT) uint8
    points: Tensor  # (n, 478, 3) pixels of the pictures


@dataclass(frozen=True)
class Mouths:
    """B of them, cut as a Mouth sees them."""

    truth: Tensor  # (B, 3, SIDE, SIDE) in [-1, 1]
    given: Tensor  # (B, 3, SIDE, SIDE) in [-1, 1]: what surrounds the hole, as blurred as warped skin is
    hole: Tensor  # (B, 1, SIDE, SIDE) 0..1
    inside: Tensor  # (B, 1, SIDE, SIDE) 0..1
    nose: Tensor  # (B, 2)
    chart: Tensor  # (B, 2, SIDE, SIDE), of the teeth that there are


def write_mouths(sources: list[Path], path: Path, model: DiffSFSR) -> Iterator[tuple[int, int]]:
    """Cuts in a file: each portrait as it is, and wide open.

    Yields how many portraits are read, and of how many.

    sources  folders or .zip files of photos, one folder a person, cut in PORTRAIT; test people are left out
    """
    photos, pictures, points = photos_of(sources), [], []
    for number, (source, name) in enumerate(photos):
        portrait = read_portrait(source, name, model)
        if portrait is not None and opened(portrait.face.points[None]) > APART:
            as_it_is = portrait.picture[None], portrait.face.points[None]
            for picture, mesh in (as_it_is, wide_open(portrait, model.encoders.finisher, generator_at(0, number))):
                matrix = frames(mesh)
                matrix[..., 2] += (KEPT - SIDE) / 2
                pictures.append(to_bytes(crop(picture, matrix, KEPT, repeat=True)))
                points.append(transform_mesh(mesh, matrix))
        yield number + 1, len(photos)
    if not pictures:
        raise ValueError("got no portrait that shows what is between the lips")
    Cuts(torch.cat(pictures), torch.cat(points)).save(path)


@torch.no_grad()
def wide_open(portrait: Portrait, finisher: Finisher, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A portrait with its mouth opened farther, which few show: its upper teeth, the dark, and a tongue that is drawn.

    returns  (1, 3, 640, 640), and the mesh (1, 478, 3)
    """
    picture, points, wants = portrait.picture[None], portrait.face.points[None], portrait.face.blendshapes.clone()
    jaw, smile, funnel = torch.rand(3, generator=generator).tolist()
    for name, value in (("mouthSmileLeft", smile), ("mouthSmileRight", smile)):
        wants[BLENDSHAPES.index(name)] *= value
    wants[BLENDSHAPES.index("jawOpen")], wants[BLENDSHAPES.index("mouthFunnel")] = 0.3 + 0.6 * jaw, 0.5 * funnel
    read, size = portrait.face.blendshapes[None], picture.shape[-1]
    who = finisher.shape.person(points, read, finisher.mesh)
    target = finisher.shape.wanted(who, wants[None], points, read, 1.0)
    moved = warp(picture, points, target, size)
    around = surroundings(picture, points, target, torch.ones_like(moved.cover))
    unknown = region(target, size, "mouth") * (1 - moved.trust)
    texture = torch.lerp(moved.picture, _tongue(picture, points, target, generator), blur(unknown, 2.0))
    return torch.lerp(around, texture, face_edge(moved)), target


def _tongue(picture: Tensor, points: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
    """(1, 3, S, S): the dark of a mouth in the colour of its lips, and in it, where it is wide open, a tongue."""
    size = picture.shape[-1]
    lips = region(points, size, "lips")
    colour = ((picture + 1) * lips).sum((2, 3), keepdim=True) / lips.sum((2, 3), keepdim=True)
    left, right, upper, lower = target[:, (MOUTH[0][0], MOUTH[0][-1], MOUTH[0][5], MOUTH[1][5]), :2].unbind(1)
    width, height, down = (right - left).norm(), (lower - upper).norm(), lower - upper
    broad, high, dark, light = torch.rand(4, generator=generator).tolist()
    away = pixel_centres(size, size, picture) - (lower - 0.05 * down)
    across = (away @ (right - left)[0]) / width / (width * (0.28 + 0.1 * broad))
    along = (away @ down[0]) / height / (height * (0.35 + 0.25 * high))
    shaped = torch.exp(-((across.square() + along.square()) ** 2))[None, None]
    return colour * (0.06 + 0.1 * dark + (0.3 + 0.25 * light) * shaped) - 1


class Examples:
    """The file that write_mouths() wrote."""

    def __init__(self, path: Path):
        self.cuts = Cuts(**load_file(path))

    def draw(self, count: int, generator: torch.Generator) -> Mouths:
        """Half of them mirrored, each in another place, light and colour, with a hole of its own."""
        rows = torch.randint(len(self.cuts.points), (count,), generator=generator)
        pictures, points = from_bytes(self.cuts.pictures[rows]), self.cuts.points[rows]
        flipped = (torch.rand(count, generator=generator) < 0.5)[:, None, None]
        turned = points[:, mirror()] * points.new_tensor([-1, 1, 1]) + points.new_tensor([KEPT, 0, 0])
        points = torch.where(flipped, turned, points)
        pictures = torch.where(flipped[..., None], pictures.flip(-1), pictures)
        matrix = _elsewhere(frames(points), generator)
        pictures, points = crop(pictures, matrix, SIDE, repeat=True), transform_mesh(points, matrix)
        truth = _under_other_light(pictures, generator)
        inside = region(points, SIDE, "mouth")
        hole = hole_of(_unknown(inside, generator))
        soft = (torch.rand(count, generator=generator) < SOFT)[:, None, None, None]
        given = torch.where(soft, blur(truth, 1.0 + 2 * float(torch.rand((), generator=generator))), truth)
        nose = points[:, NOSE, :2]
        return Mouths(truth, given, hole, inside, nose, chart(*find(truth, inside, nose[:, 0]), SIDE))


def _elsewhere(matrix: Tensor, generator: torch.Generator) -> Tensor:
    """Matrices (B, 2, 3) to SIDE pixels -> the same, each turned, larger or smaller, and a little aside."""
    size, turn, *aside = (torch.rand((4, len(matrix)), generator=generator) * 2 - 1).to(matrix)
    a, b = ((LARGER * size).exp() * f(TURNED * turn) for f in (torch.cos, torch.sin))
    more = torch.stack([torch.stack([a, -b], -1), torch.stack([b, a], -1)], -2)
    shift = more @ (matrix[..., 2:] - SIDE / 2) + SIDE / 2 + ASIDE * torch.stack(aside, -1)[..., None]
    return torch.cat([more @ matrix[..., :2], shift], -1)


def _under_other_light(pictures: Tensor, generator: torch.Generator) -> Tensor:
    count = len(pictures)
    light, tint, grey = (torch.rand((count, n), generator=generator)[..., None, None] for n in (1, 3, 1))
    gain = (LIGHT * (2 * light - 1) + TINT * (2 * tint - 1)).exp()
    pictures = torch.where(grey < GREY, pictures.mean(1, keepdim=True), pictures)
    return ((pictures + 1) * gain - 1).clamp(-1, 1)


def _unknown(inside: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 1, S, S) 0..1: of the inside all, or what lies beyond a soft line across it."""
    count, size = len(inside), inside.shape[-1]
    whole, turn, where = torch.rand((3, count, 1, 1, 1), generator=generator)
    turn, steps = 2 * torch.pi * turn, torch.arange(size) + 0.5 - size / 2
    away = steps * turn.cos() + steps[:, None] * turn.sin()
    reach = (away.abs() * inside).amax((2, 3), keepdim=True)
    part = ((away - (2 * where - 1) * reach) / 6).sigmoid()
    return inside * torch.where(whole < WHOLE, 1.0, part)
