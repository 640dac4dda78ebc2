"""What one portrait costs, step by step: `python cli.py benchmark portrait` (ours).

Measured are processor seconds on one thread, as in encoder_times.py.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ...models.appearance.composed import Composed
from ...models.appearance.finish import Wish
from ...models.appearance.warp import warp
from ...models.codes import Background, Expression, Identity
from ...models.compositing import paste_faces
from ...models.frames import crop
from ...models.pictures import read_picture
from ...models.pipeline import DiffSFSR, Painting
from ..people import find_people
from .encoder_times import milliseconds

SELFIE, SCENE, LABEL = "P009", "P003", "joy"
DETAIL = 4  # pixels of the finished crop for each of the frame's
ROUNDS = 5


def run() -> None:
    """Of the bundled model."""
    for line in lines(DiffSFSR.load("mini")):
        print(line, flush=True)


@torch.inference_mode()
def lines(model: DiffSFSR, sampling: int = Painting.steps, rounds: int = ROUNDS) -> Iterator[str]:
    """A Markdown table, a row for each step; medians of so many rounds. sampling: the painter's steps"""
    people = find_people()
    selfie, picture = (
        read_picture(people / person / "assets" / f"{photo}.jpg")
        for person, photo in ((SELFIE, "amateur_selfie"), (SCENE, "studio_portrait"))
    )
    width, height = picture.shape[:0:-1]
    yield f"A portrait of {width}x{height} pixels, a selfie of {selfie.shape[2]}x{selfie.shape[1]}:\n"
    yield "| step | processor ms |\n|---|---|"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, step in steps(model, selfie, picture, sampling).items():
            yield f"| {name} | {milliseconds(step, rounds):.0f} |"
    finally:
        torch.set_num_threads(threads)


def steps(model: DiffSFSR, selfie: Tensor, picture: Tensor, sampling: int) -> dict[str, Callable[[], object]]:
    """By name, what is done for a portrait. selfie, picture: (3, H, W) in [-1, 1]"""
    encoders = model.encoders
    faces = [encoders.mesh.find(each) for each in (selfie, picture)]
    who, scene, what = model.identity([selfie]), model.background(picture), model.expression(LABEL)
    painted = model.paint(who, what, scene, Painting(sampling), wish=Wish())
    finished = model.finish(painted, who, what, scene)
    return {
        "selfie: find the face": lambda: encoders.mesh.find(selfie),
        "selfie: code and appearance": lambda: encoders.identity([selfie], known=faces[:1].__getitem__),
        "background: find the face": lambda: encoders.mesh.find(picture),
        "background: cut it out": lambda: encoders.cut_out([picture].__getitem__, faces[1:]),
        f"paint, {sampling} steps": lambda: model.paint(who, what, scene, Painting(sampling), wish=Wish()),
        **finishing(model, painted, who, what, scene),
        "finish, all of it": lambda: model.finish(painted, who, what, scene),
        "paste": lambda: paste_faces(finished, scene),
        "preview, all of it: no painter": lambda: model.preview(who, what, scene),
    }


def finishing(
    model: DiffSFSR, painted: Tensor, who: Identity, what: Expression, scene: Background
) -> dict[str, Callable[[], object]]:
    """By name, parts of what finishing does."""
    own, size = who.appearances[0], DETAIL * scene.crop.shape[-1]
    shape, mesh = model.encoders.shape, model.encoders.mesh
    wants = model.encoders.finisher.wants(what.code)
    there = DETAIL * scene.points
    around = crop(scene.pictures, DETAIL * scene.matrix, size)

    def target() -> Tensor:
        return shape.wanted(shape.person(own.points, own.blendshapes, mesh), wants, there, scene.blendshapes, 1.0)

    def composed() -> Composed:
        place = model.encoders.finisher.place(scene, 0, scene.pictures.__getitem__, Wish())
        return model.encoders.finisher.compose(painted, place, own, wants, points, 1.0)

    points = target()
    face = composed()
    return {
        "finish: the wanted mesh": target,
        f"finish: warp the selfie to {size} px": lambda: warp(own.photos, own.points, points, size),
        f"finish: warp the scene to {size} px": lambda: warp(around, there, points, size),
        "finish: retouch": lambda: model.encoders.retoucher.retouch(face),
        "finish: teeth": lambda: model.encoders.mouth.paint(face.face, points, face.parts[:, :1], face.parts[:, :1]),
    }
