"""Do moved meshes lie where people's own faces do, read as wanted, and keep from folding? `python cli.py shapes`.

From one reading of a synthetic person to another reading of the same person, acted faces; then from a neutral and from
a smiling photo to the 135 labels, in the scene of the next person. No picture is made. B meshes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...models.appearance.shape import ShapeModel
from ...models.comparison import correlation
from ...models.encoders import Encoders
from ...models.faces.mesh import Face, FaceMesh
from ...models.pictures import read_picture
from ..acted import CELLS, acted_faces
from ..people import people_in

ACTED = {"neutral": CELLS[1:], "happy": ("neutral", "sad", "angry", "surprised", "disgusted", "scared", "shocked")}
SOURCES = {"neutral": "neutral photo", "selfie": "smiling selfie"}
STEPS = (0, 1, 2)
SURFACE = slice(468)  # without irises


@dataclass(frozen=True)
class Row:
    """What was moved where, with so many steps of refinement. Correlations are of read and wanted blendshapes."""

    name: str
    steps: int
    change: Tensor  # (B,) correlation of the differences to what the face had
    folds: int  # triangles that face another side than in the photo
    error: float | None = None  # mean frontal distance to the true mesh, in parts of what it is without moving
    word: Tensor | None = None  # (B,) correlation of the differences to a neutral face

    def line(self) -> str:
        words = [f"{values.mean():.3f} ({values.min():.2f})" if values is not None else "-" for values in
                 (self.change, self.word)]  # fmt: skip
        error = "-" if self.error is None else f"{self.error:.3f}"
        return f"| {self.name} | {self.steps} | {error} | {' | '.join(words)} | {self.folds} |"


def read_person(mesh: FaceMesh, folder: Path) -> dict[str, Face]:
    """The 16 acted faces of the sheet, by the names of CELLS, and "selfie", "portrait". folder: one of openpeople's"""
    pictures = acted_faces(folder)
    pictures["selfie"] = read_picture(folder / "assets" / "amateur_selfie.jpg")
    pictures["portrait"] = read_picture(folder / "assets" / "studio_portrait.jpg")
    return {name: mesh.find(picture, limit=1)[0] for name, picture in pictures.items()}


@torch.no_grad()
def acted(model: ShapeModel, mesh: FaceMesh, people: Sequence[dict[str, Face]], steps: int) -> Iterator[Row]:
    """From one acted face to others of the same person. people: as read_person gives them"""
    for given, others in ACTED.items():
        moved, still, change, folds = [], [], [], 0
        for person in people:
            points, has = person[given].points[None], person[given].blendshapes[None]
            wants = torch.stack([person[name].blendshapes for name in others])
            true, _ = model.canonical(torch.stack([person[name].points for name in others]))
            source, _ = model.canonical(points)
            found = _wanted(model, mesh, points, has, wants, points, has, 1.0, steps)
            moved.append(_distance(found, true))
            still.append(_distance(source, true))
            change.append(correlation(model.read(found, mesh) - has, wants - has))
            folds += int(model.unfold.folds(found, source).sum())
        error = float(torch.cat(moved).mean() / torch.cat(still).mean())
        yield Row(f"{given} to {len(others)} others", steps, torch.cat(change), folds, error)


@torch.no_grad()
def words(
    model: ShapeModel, mesh: FaceMesh, people: Sequence[dict[str, Face]], neutral: Tensor, codes: Tensor, steps: int
) -> Iterator[Row]:
    """To the labels' codes (L, 51), added to neutral (51,), in the next person's scene, half of its outline kept."""
    wants = (neutral + codes).clamp(0, 1)
    for given, name in SOURCES.items():
        change, word, folds = [], [], 0
        for person, other in zip(people, [*people[1:], people[0]], strict=True):
            points, has = person[given].points[None], person[given].blendshapes[None]
            scene = other["portrait"]
            found = _wanted(model, mesh, points, has, wants, scene.points[None], scene.blendshapes[None], 0.5, steps)
            read = model.read(found, mesh)
            change.append(correlation(read - has, wants - has))
            word.append(correlation(read - neutral, codes))
            folds += int(model.unfold.folds(found, model.canonical(points)[0]).sum())
        yield Row(f"{name} to {len(codes)} labels", steps, torch.cat(change), folds, word=torch.cat(word))


def table(encoders: Encoders, people_folder: Path | None = None) -> Iterator[str]:
    """A Markdown table, line by line, of the bundled model. people_folder: openpeople's; None: the installed one's"""
    model, mesh, neutral = ShapeModel.load().to(encoders.device), encoders.mesh, encoders.conditioner.neutral
    codes = torch.stack([encoders.library.code(label) for label in encoders.library.labels]).to(neutral)
    folders = people_in(people_folder)
    people = [read_person(mesh, folder) for folder in folders]
    yield "| from one reading to others | steps | error | change: mean (least) | word: mean (least) | folds |"
    yield "|---" * 6 + "|"
    for steps in STEPS:
        for row in (*acted(model, mesh, people, steps), *words(model, mesh, people, neutral, codes, steps)):
            yield row.line()


def _wanted(
    model: ShapeModel, mesh: FaceMesh, points, has, wants, scene, scene_has, shape: float, steps: int
) -> Tensor:
    """As ShapeModel.wanted of single meshes (1, 478, 3), but brought back to where it was canonical (B, 478, 3)."""
    count = len(wants)
    scene, scene_has = scene.expand(count, -1, -1), scene_has.expand(count, -1)
    placed = model.wanted(model.person(points, has, mesh), wants, scene, scene_has, shape, steps)
    return model.canonical(scene)[1].lift(placed)


def _distance(found: Tensor, true: Tensor) -> Tensor:
    return (found - true)[:, SURFACE, :2].norm(dim=2).mean(dim=1)
