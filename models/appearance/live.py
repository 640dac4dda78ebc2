"""A face that is shown with one expression after the other, as fast as a slider moves (ours).

All that does not depend on the expression is done once: reading the photos, cutting out the scene. Where the pixels are
the scene's own, one warp is the whole picture; another person's go through the same composite as the finished crop.
The painter takes no part; where no photo shows the inside of a mouth, a network of its own does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..cutting import cut_out
from ..faces.mesh import Face
from ..frames import FRAMES
from ..pixels import from_bytes, to_bytes
from .composite import face_edge, surroundings
from .finish import Finisher, Place, Wish
from .photos import Appearance
from .shape import Person
from .topology import LEFT_EYE, LEFT_IRIS, LIPS, OUTLINE, RIGHT_EYE, RIGHT_IRIS
from .warp import region, unhidden, warp

FRAME = FRAMES["mini-128"]
# Points of the mesh by which a face is held: name -> number. "left" is the viewer's.
HANDLES = {
    "mouth_left": LIPS[0][0], "mouth_right": LIPS[0][-1], "lips": LIPS[1][5], "chin": OUTLINE[18],
    "lid_left": LEFT_EYE[0][4], "lid_right": RIGHT_EYE[0][4], "iris_left": LEFT_IRIS[0], "iris_right": RIGHT_IRIS[0],
    "brow_left": 105, "brow_right": 334, "brow_inner_left": 107, "brow_inner_right": 336,
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    picture: Tensor  # (3, S, S) in [-1, 1]
    handles: dict[str, tuple[float, float]]  # x, y as parts of the picture's side


class Live:
    """One person in one scene. Holds the scene in bytes, and at every size that was asked for: 5 MB at 512 pixels."""

    def __init__(self, finisher: Finisher, picture: Tensor, face: Face, own: Appearance | None = None):
        """
        picture  (3, H, W) in [-1, 1], the scene
        face     its face
        own      the photos of someone else, who takes the face's place; None leaves it where it is
        """
        self.finisher, self.own = finisher, own
        self.blendshapes = face.blendshapes if own is None else own.blendshapes.mean(0)  # (51,), the photo's own
        self._picture = to_bytes(picture)
        self._background = cut_out(picture[None].__getitem__, [[face]], FRAME)
        self._stages: dict[int, _Stage] = {}

    def untouched(self, detail: int) -> Shown:
        """The scene as it is. detail: side of the picture over 128 pixels"""
        place = self._stage(detail).place
        return Shown(place.around[0], _handles(place.points, place.around.shape[-1]))

    def show(self, code: Tensor, detail: int, go_on: Callable[[], None] = lambda: None) -> Shown:
        """The face with an expression code (51,).

        go_on  is called between pieces of the work, and may raise what ends it
        """
        stage, wish = self._stage(detail), Wish(detail=detail)
        wants = self.finisher.wants(code[None])
        target = self.finisher.target(stage.place, stage.person, wants, wish)
        go_on()
        if self.own is None:
            picture = _moved(stage, target, self.finisher, go_on)
        else:
            picture = self.finisher.finish(None, stage.place, self.own, wants, wish, target)
        return Shown(picture[0], _handles(target, picture.shape[-1]))

    def _stage(self, detail: int) -> "_Stage":
        if detail not in self._stages:
            place = self.finisher.place(self._background, 0, lambda i: from_bytes(self._picture), Wish(detail=detail))
            person = self.finisher.person(place.appearance() if self.own is None else self.own)
            self._stages[detail] = _Stage(place, person, unhidden(place.points))
        return self._stages[detail]


@dataclass(frozen=True)
class _Stage:
    """What no expression changes, at one size."""

    place: Place
    person: Person
    seen: Tensor  # (1, 478) of the scene's own face


def _moved(stage: _Stage, target: Tensor, finisher: Finisher, go_on: Callable[[], None]) -> Tensor:
    """(1, 3, S, S): the scene's own face on another mesh."""
    place, size = stage.place, stage.place.around.shape[-1]
    moved = warp(place.around, place.points, target, size, seen=stage.seen)
    go_on()
    around = surroundings(place.around, place.points, target, place.mask)
    go_on()
    face = torch.lerp(around, moved.picture, face_edge(moved))
    inside = region(target, size, "mouth")
    face = finisher.with_teeth(face, target, inside, inside * (1 - moved.trust))
    return torch.where(place.soft > 0, torch.lerp(place.around, face, place.soft), place.around)


def _handles(points: Tensor, size: int) -> dict[str, tuple[float, float]]:
    return {name: tuple((points[0, number, :2] / size).tolist()) for name, number in HANDLES.items()}
