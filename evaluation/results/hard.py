"""Twelve pairs that are hard on purpose, drawn and measured: `python cli.py hard --out DIR` (ours).

openpeople's synthetic people, one selfie and one scene each; the pictures are changed in fixed ways (spoiling.py) where
the package has none of the kind. What is asked for is the likeness of the person's unchanged selfie.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ...models.compositing import paste_faces
from ...models.expression.references import FILE, References
from ...models.faces.mesh import FaceMesh
from ...models.frames import invert, transform
from ...models.network.checkpoint import ASSETS
from ...models.pictures import read_picture, to_pil, write_picture
from ..acted import acted_faces
from ..people import find_people
from ..sheets import Row, draw_rows, square_around
from . import spoiling
from .cases import MEASURED, SCENE, Cast, shrink
from .curves import whole
from .tables import Mean, cells, grid, write_means

SELFIE = 1024  # longer side, pixels
POSTURE = {"P001": (500, 100, 640), "P004": (560, 420, 520)}  # heads turned aside in amateur_posture: left, top, side
DARK, NOISE = 0.12, 0.02  # of a scene's light is left; how much of the range is added as noise


@dataclass(frozen=True)
class Hard:
    """Whose selfie, of which kind, into which scene, showing what."""

    name: str
    person: str
    photo: Callable[["Pictures"], Tensor]
    scene: Callable[["Pictures"], Tensor]
    label: str
    face: str = "largest"  # of the scene, as in choice.py


class Pictures:
    """openpeople's pictures (3, H, W) in [-1, 1], as they are brought."""

    def __init__(self, mesh: FaceMesh):
        self.mesh, self.folder = mesh, find_people()

    def selfie(self, person: str) -> Tensor:
        return shrink(self._asset(person, "amateur_selfie"), SELFIE)

    def portrait(self, person: str, side: int = SCENE) -> Tensor:
        return shrink(self._asset(person, "studio_portrait"), side)

    def acted(self, person: str, cell: str) -> Tensor:
        """One of acted.CELLS."""
        return acted_faces(self.folder / person)[cell]

    def turned(self, person: str) -> Tensor:
        """One of POSTURE's, from the waist up."""
        left, top, side = POSTURE[person]
        return self._asset(person, "amateur_posture")[:, top : top + side, left : left + side]

    def points(self, picture: Tensor) -> Tensor:
        """(478, 2) of the largest face, pixels"""
        return self.mesh.find(picture, limit=1)[0].points[:, :2].cpu()

    def _asset(self, person: str, name: str) -> Tensor:
        return read_picture(self.folder / person / "assets" / f"{name}.jpg")


def _with_points(spoil: Callable[..., Tensor], picture: Tensor, pictures: Pictures) -> Tensor:
    return spoil(picture, pictures.points(picture))


HARD = (
    Hard("glasses", "P003", lambda p: _with_points(spoiling.glasses, p.selfie("P003"), p),
         lambda p: p.portrait("P010"), "surprise"),
    Hard("beard", "P005", lambda p: p.selfie("P005"), lambda p: p.portrait("P006"), "joy"),
    Hard("dark skin in low light", "P009", lambda p: p.selfie("P009"),
         lambda p: spoiling.darken(p.portrait("P001"), DARK, NOISE), "joy"),
    Hard("light from the side", "P002", lambda p: _with_points(spoiling.side_light, p.selfie("P002"), p),
         lambda p: p.portrait("P003"), "anger"),
    Hard("turned selfie", "P001", lambda p: p.turned("P001"), lambda p: p.portrait("P009"), "joy"),
    Hard("turned scene", "P007", lambda p: p.selfie("P007"), lambda p: p.turned("P004"), "surprise"),
    Hard("eyes closed", "P008", lambda p: p.acted("P008", "pensive"), lambda p: p.portrait("P002"), "joy"),
    Hard("mouth open", "P010", lambda p: p.acted("P010", "surprised"), lambda p: p.portrait("P004"), "sadness"),
    Hard("small selfie", "P004", lambda p: _with_points(spoiling.small, p.selfie("P004"), p),
         lambda p: p.portrait("P008"), "anger"),
    Hard("grey selfie", "P006", lambda p: spoiling.grey(p.selfie("P006")), lambda p: p.portrait("P007"), "joy"),
    Hard("group", "P008", lambda p: p.selfie("P008"),
         lambda p: torch.cat([p.portrait(person, 512) for person in ("P003", "P005", "P009")], 2), "joy", "1"),
    Hard("painting", "P007", lambda p: p.selfie("P007"), lambda p: spoiling.painting(p.portrait("P005")), "surprise"),
)  # fmt: skip


def draw(cast: Cast, out: Path, note: str, hard: tuple[Hard, ...] = HARD) -> Iterator[str]:
    """Write report.csv, a case a column, sheet.jpg and each result; yields their lines of a table.

    note: which weights
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures, references = Pictures(cast.model.encoders.mesh), References.load(ASSETS / FILE)
    known = cache(lambda person: cast.read(pictures.selfie(person)))
    means, rows = [], []
    for each in hard:
        photo, scene = each.photo(pictures), each.scene(pictures)
        (case,) = cast.between(each.person, photo, scene, (each.label,), each.face)
        drawn = replace(whole(cast, case, each.name), likeness=known(each.person))
        found, result = cast.measure(case, drawn), paste_faces(drawn.crops.cpu(), case.background)[0]
        write_picture(out / f"{each.name}.png", result, cast.model.config.name)
        means += [Mean(each.name, name, value, None, None, 1) for name, value in found.items() if value is not None]
        at = transform(case.background.points[0, :, :2], invert(case.background.matrix[0]))
        boxes = square_around(pictures.points(photo)), square_around(at)
        reference = to_pil(references.pictures(each.label)[0])
        shown = to_pil(photo), boxes[0], each.label, reference, to_pil(scene), boxes[1], to_pil(result), each.name
        rows.append(Row(*shown))
    write_means(out / "report.csv", means, f"{note}; {len(rows)} cases")
    draw_rows(out / "sheet.jpg", rows, 2, cast.model.config.name)
    yield from table(means)


def table(means: list[Mean]) -> Iterator[str]:
    """A case a line."""
    return grid(("case", *MEASURED), ((name, *values) for name, values in cells(means, MEASURED).items()))
