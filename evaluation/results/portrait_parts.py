"""A portrait, or several faces or frames, made part by part, for portrait_times.py to time (ours)."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...models.appearance.composed import Composed
from ...models.appearance.finish import Wish, detail_of
from ...models.appearance.warp import warp
from ...models.codes import Background
from ...models.compositing import paste_faces
from ...models.faces.choice import STOP
from ...models.faces.smoothing import smooth_faces
from ...models.frames import crop
from ...models.network.precision import autocast
from ...models.pipeline import DiffSFSR, Painting
from .portrait_times import ENCODE, FIND_SELFIE, PREVIEW

LABEL = "joy"
SMOOTHING = 1.0  # frames


class Portrait:
    """One person takes the place of every face in the pictures. Each part takes what those before it have left."""

    def __init__(self, model: DiffSFSR, selfie: Tensor, pictures: Tensor, choose: str, painting: Painting):
        """
        selfie    (3, H, W) in [-1, 1]
        pictures  (P, 3, H, W) in [-1, 1]; several are frames of a video
        choose    which faces in them, as in models/faces/choice.py
        """
        self.model, self.selfie, self.pictures = model, selfie, pictures
        self.choose, self.painting, self.wish = choose, painting, Wish()

    def parts(self) -> dict[str, Callable[[], object]]:
        """By name, in their order."""
        smooth = {"smooth": self.smooth} if len(self.pictures) > 1 else {}
        return {
            FIND_SELFIE: self.find_selfie,
            ENCODE: self.encode,
            "find the faces to replace": self.find,
            **smooth,
            "cut them out": self.cut_out,
            f"paint, {self.painting.steps} steps": self.paint,
            "finish": self.finish,
            "paste": self.paste,
        }

    def find_selfie(self) -> None:
        self.found_selfie = self.model.encoders.mesh.find(self.selfie)

    def encode(self) -> None:
        self.who, _ = self.model.encoders.identity([self.selfie], known=lambda i: self.found_selfie)
        self.what = self.model.expression(LABEL)

    def find(self) -> None:
        given = self.pictures.__getitem__, len(self.pictures), self.choose, "background picture", STOP
        self.found = self.model.encoders.find(*given, follow=True)

    def smooth(self) -> None:
        self.smoothed = smooth_faces(self.found, SMOOTHING)

    def cut_out(self) -> None:
        found = self.smoothed if len(self.pictures) > 1 else self.found
        self.scene = Background(
            **vars(self.model.encoders.cut_out(self.pictures.__getitem__, found)), pictures=self.pictures
        )

    def paint(self) -> None:
        self.painted = self.model.paint(self.who, self.what, self.scene, self.painting, wish=self.wish)

    def finish(self) -> None:
        self.finished = self.model.finish(self.painted, self.who, self.what, self.scene, self.wish)

    def paste(self) -> None:
        paste_faces(self.finished, self.scene)

    def asides(self) -> dict[str, Callable[[], object]]:
        """By name, what the parts consist of, for the first face, and what could stand in their place, for all."""
        return {**self.painting_asides(), **self.finishing_asides(), PREVIEW: self.preview}

    def preview(self) -> None:
        self.model.preview(self.who, self.what, self.scene, self.wish)

    def painting_asides(self) -> dict[str, Callable[[], object]]:
        model, scales = self.model, (self.painting.identity_scale, self.painting.expression_scale)
        tokens = model.encoders.tokens(self.who, self.what, self.scene)
        planes = model.planes(self.scene, self.who, self.what, self.wish)
        predict, z, t = model.guided(tokens, planes, *scales), model.encode(self.scene.crop), torch.tensor([500])

        def bfloat16(work: Callable[[], object]) -> Callable[[], None]:
            def within() -> None:
                with autocast(z.device, bfloat16=True):
                    work()

            return within

        works = {
            "paint: one step": lambda: predict(z, t.expand(len(z))),
            "paint: decode": lambda: model.decode(z),
        }
        return works | {f"{name}, bfloat16": bfloat16(work) for name, work in works.items()}

    def finishing_asides(self) -> dict[str, Callable[[], object]]:
        encoders, scene = self.model.encoders, self.scene
        finisher, own = encoders.finisher, self.who.appearances[0].to(encoders.device)
        detail = detail_of(scene, self.wish, len(scene.index))
        size, there, wants = detail * scene.crop.shape[-1], detail * scene.points[:1], finisher.wants(self.what.code)
        around = crop(scene.pictures[:1], detail * scene.matrix[:1], size)
        place = finisher.place(scene, 0, scene.pictures.__getitem__, self.wish)

        def target() -> Tensor:
            return finisher.target(place, finisher.person(own), wants, self.wish)

        def composed() -> Composed:
            return finisher.compose(self.painted[:1], place, own, wants, points, self.wish.appearance)

        points = target()
        face = composed()
        return {
            "finish: the wanted mesh": target,
            "finish: warp the selfie": lambda: warp(own.photos, own.points, points, size),
            "finish: warp the scene": lambda: warp(around, there, points, size),
            "finish: compose, warps among it": composed,
            "finish: retouch": lambda: encoders.retoucher.retouch(face),
            "finish: teeth": lambda: finisher.with_teeth(face.face, points, face.parts[:, :1], face.parts[:, :1]),
        }
