"""What the retoucher is trained on: portraits, and what is composed of another photo of that face, as in use (ours).

The other photo is one of the same person where there is one, with folds and teeth of its own. Else it is the portrait
itself, carried through its mesh to another portrait's expression, to another pose and light, on the way losing what it
hides; where that expression bends the skin, it gets the other's folds. The run time carries it back. The painter's crop
is painted from a noisy portrait, with its codes, so that it fits.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from ...models.appearance.finish import DETAIL, Place, Wish
from ...models.appearance.photos import Appearance, photograph
from ...models.appearance.retouch import SIDE
from ...models.codes import CutOut, Expression
from ...models.compositing import FEATHER, feather
from ...models.pipeline import DiffSFSR
from ...models.pixels import from_bytes, to_bytes
from ..data.elsewhere import Faces, as_taken_elsewhere, carry_away
from ..data.photos import person_of
from ..data.split import name_hash
from ..run import generator_at
from .portraits import BORDER, Kept, Portrait, cut_out, photos_of, read_portrait

PAINTED_FROM = (500, 1000)  # noise levels that a portrait is painted from
STEPS = 3  # by which
ACTING, DRAWN = 50, 3  # portraits that an expression may be taken from; the farthest of so many is


@dataclass(frozen=True)
class Example(Kept):
    planes: Tensor  # (PLANES, SIDE, SIDE) uint8, what the retoucher is given, [-1, 1] as 0..255
    truth: Tensor  # (3, SIDE, SIDE) uint8
    points: Tensor  # (478, 2) pixels of both


def write_examples(sources: list[Path], out: Path, model: DiffSFSR) -> Iterator[tuple[int, int]]:
    """A file for each example below `out`; those that are there stay. Yields how many are done, and of how many.

    sources  folders or .zip files of photos, one folder a person, cut in PORTRAIT; test people are left out
    """
    photos = photos_of(sources)
    people: dict[str, list[str]] = {}
    for _, name in photos:
        people.setdefault(person_of(name), []).append(name)
    wanted = [(source, name, other) for source, name in photos for other in _others(name, people[person_of(name)])]
    wanted.sort(key=lambda each: name_hash(each[1] + each[2]))  # of all sources some, whenever it is stopped
    acting: deque[Portrait] = deque(maxlen=ACTING)
    for done, (source, name, other) in enumerate(wanted):
        path = out / f"{name_hash(name + other)}.safetensors"
        if path.is_file():
            yield done + 1, len(wanted)
            continue
        found = [read_portrait(source, each, model) for each in (name, other) if each]
        if all(found):
            generator = generator_at(int(name_hash(name), 16) % 2**31, len(other))
            acting.append(found[0])
            photo = found[1] if other else None
            drawn = [acting[i] for i in torch.randint(len(acting), (DRAWN,), generator=generator).tolist()]
            actor = max(drawn, key=lambda each: (each.face.blendshapes - found[0].face.blendshapes).square().sum())
            make_example(found[0], photo, actor, model, generator).save(path)
        yield done + 1, len(wanted)


def _others(name: str, own: list[str]) -> list[str]:
    """The photos that go with one: itself carried away (""), and the next of its person's own."""
    after = own[(own.index(name) + 1) % len(own)]
    return ["", after] if after != name else [""]


@torch.no_grad()
def make_example(
    portrait: Portrait, other: Portrait | None, actor: Portrait, model: DiffSFSR, generator: torch.Generator
) -> Example:
    """other: a photo of the same person, else the portrait is carried to the expression of `actor`"""
    finisher, scene = model.encoders.finisher, cut_out(portrait, model)
    truth = portrait.picture[None, :, BORDER:-BORDER, BORDER:-BORDER]
    soft = feather(scene.mask, FEATHER * scene.mask.shape[-1])
    mask, soft = (F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False) for x in (scene.mask, soft))
    place = Place(truth, scene.points * DETAIL, scene.blendshapes, (mask > 0.5).to(soft), soft)
    if other is None:
        photo, points, blendshapes = carried_away(portrait, actor, model, generator)
    else:
        shown = photograph([other.picture], [other.face])
        photo, points, blendshapes = shown.photos, shown.points, shown.blendshapes
    photo = as_taken_elsewhere(photo, generator)
    own = Appearance(to_bytes(photo), points, blendshapes)
    painted = paint(portrait, scene, own, model, generator)
    composed = finisher.compose(painted, place, own, scene.blendshapes, place.points, 1.0)
    planes, truth = (to_bytes(x[0]) for x in (composed.planes(), truth))
    return Example(planes, truth, place.points[0, :, :2].contiguous())


def paint(portrait: Portrait, scene: CutOut, own: Appearance, model: DiffSFSR, generator: torch.Generator) -> Tensor:
    """(1, 3, S, S) in [-1, 1]: the portrait noised, and painted from there with its own codes, guided as usual.

    own  the photo that is shown of the person
    """
    identity, _ = model.encoders.identity([portrait.picture], known=lambda _: [portrait.face])
    expression = Expression(scene.blendshapes - model.encoders.conditioner.neutral)
    tokens = model.encoders.tokens(identity, expression, scene)
    planes = model.planes(scene, replace(identity, appearances=(own,)), expression, Wish())
    predict = model.guided(tokens, planes, 2.0, 2.0)
    t = int(torch.randint(*PAINTED_FROM, (), generator=generator))
    whole = model.encode(scene.crop)
    z = model.schedule.noisy(whole, torch.randn(whole.shape, generator=generator), torch.tensor([t]))
    path = [round(t * (1 - step / STEPS)) for step in range(STEPS)]
    for now, following in zip(path, [*path[1:], -1], strict=True):
        z0, noise = predict(z, torch.tensor([now]))
        z = model.schedule.noisy(z0, noise, torch.tensor([following]))
    return model.decode(z)


def carried_away(
    portrait: Portrait, actor: Portrait, model: DiffSFSR, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """The portrait doing what another one does, from another side (1, 3, 640, 640); points and blendshapes of it."""
    shape, mesh = model.encoders.shape, model.encoders.mesh
    photo, other = (
        Faces(each.picture[None], each.face.points[None], each.face.blendshapes[None]) for each in (portrait, actor)
    )
    away = carry_away(photo, other, shape, mesh, generator)
    faces = mesh.find(away.pictures[0], limit=1)
    read = (faces[0].points, faces[0].blendshapes) if faces else (away.points[0], away.blendshapes[0])
    return away.pictures, *(each[None] for each in read)


class Examples:
    """Files that write_examples() wrote, of which only what is asked for is read."""

    def __init__(self, folder: Path):
        self.paths = sorted(folder.glob("*.safetensors"))
        if not self.paths:
            raise ValueError(f"got no portraits that show a face to make examples of in {folder}")
        self.points = []
        for path in self.paths:
            with safe_open(path, "pt") as file:
                self.points.append(file.get_tensor("points"))

    def __len__(self) -> int:
        return len(self.paths)

    def window(self, row: int, left: int, top: int, side: int) -> tuple[Tensor, Tensor]:
        """Planes (PLANES, side, side) and truth (3, side, side) of a part of an example, in [-1, 1]."""
        rows, columns = slice(top, top + side), slice(left, left + side)
        with safe_open(self.paths[row], "pt") as file:
            parts = (file.get_slice(key)[:, rows, columns] for key in ("planes", "truth"))
            return tuple(from_bytes(part) for part in parts)
