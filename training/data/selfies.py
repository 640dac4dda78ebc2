"""Photos of people as the painter is shown them (config.PLANES), for pictures whose answer is known (ours).

photo of the person -> the answer's expression, the scene's place and pose -> selfie and trust, holes as in use

Each second time, where there is one, the photo is another one of that person, with folds, teeth and a light of its own.
Else it is the answer itself, carried through its mesh to another person's expression, turned, losing what it hides on
the way. Rendered heads are shown by any other picture of that person. All are then taken elsewhere.
"""

import torch
from torch import Tensor

from ...models.appearance.finish import Finisher
from ...models.appearance.photos import Appearance
from ...models.appearance.shape import ShapeModel
from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.frames import FRAMES
from ...models.pixels import to_bytes
from ...models.readers.decoded import FrameMesh
from .elsewhere import Faces, as_taken_elsewhere, carry_away


class Selfies:
    """Makes the planes "selfie" and "trust"."""

    def __init__(self, mesh: FaceMesh, shape: ShapeModel, frame: str):
        """frame: of the prepared pictures, a key of FRAMES"""
        self.finisher, self.mesh = Finisher(mesh, shape, torch.zeros(51)), FrameMesh(mesh, FRAMES[frame])

    @classmethod
    def load(cls, frame: str) -> "Selfies":
        return cls(FaceMesh.load(find_task_file()), ShapeModel.load(), frame)

    def read(self, pictures: Tensor, blendshapes: Tensor, known: Faces | None = None) -> Faces:
        """blendshapes: as they were read when the photos were whole; known: faces, some of the same pictures"""
        points = torch.empty(len(pictures), 478, 3) if known is None else known.points.clone()
        new = [known is None or not torch.equal(x, known.pictures[i]) for i, x in enumerate(pictures)]
        if any(new):
            points[new] = self.mesh(pictures[new])[0]
        return Faces(pictures, points, blendshapes)

    def show(
        self, photos: Faces, carried: Tensor, scenes: Faces, wants: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, 3, S, S), trust (B, 1, S, S) and edges, as Finisher.selfie() gives them.

        photos   of the people who are to be seen; where `carried` (B,) bool says so, they are the answers themselves
        scenes   whose place and pose the answers have
        wants    (B, 51) the answers' blendshapes
        """
        shape, mesh, size = self.finisher.shape, self.finisher.mesh, scenes.pictures.shape[-1]
        found = []
        for i, other in enumerate(torch.randperm(len(wants), generator=generator).tolist()):
            photo, scene = photos[i], scenes[i]
            if carried[i]:
                photo = carry_away(photo, photos[other], shape, mesh, generator)
            shown = as_taken_elsewhere(photo.pictures, generator)
            own = Appearance(to_bytes(shown), photo.points, photo.blendshapes.clamp(0, 1))
            found.append(self.finisher.selfie(scene.points, scene.blendshapes, own, wants[[i]], size))
        return tuple(torch.cat(parts) for parts in zip(*found, strict=True))
