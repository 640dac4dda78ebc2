"""Contact sheets: results beside what went into them, of the demo and of evaluations (ours)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from ..models.faces.mesh import FaceMesh
from ..models.pictures import read_picture, save_generated
from ..models.pipeline import DiffSFSR

CROP = 512  # side of a result's face, pixels
GAP, CAPTION = 8, 30
SMALL = (CROP - 2 * CAPTION - GAP) // 2  # side of what went into it
ROOM = 1.6  # side of the square that is shown / side of the face in it
SIDE = 320  # of each picture of a sheet of rows
CELL, MOST = 208, 40  # of a sheet of many results: side of a picture, and so many lines at most

Box = tuple[float, float, float, float]  # left, top, right, bottom, pixels


@dataclass(frozen=True)
class Row:
    """One result and what went into it; the boxes are the shown squares."""

    selfie: Image.Image
    selfie_box: Box
    label: str
    reference: Image.Image  # a rendered head that shows the label
    background: Image.Image
    background_box: Box
    result: Image.Image
    name: str = "selfie"  # above the selfie


def face_square(mesh: FaceMesh, path: Path) -> Box:
    """The square around a photo's largest face that is shown on the sheet."""
    faces = mesh.find(read_picture(path))
    if not faces:
        raise ValueError(f"no face found in {path.name}; choose another photo for the sheet")
    return square_around(faces[0].points)


def square_around(points: Tensor) -> Box:
    """The same of a face's mesh, (478, 2 or 3) in pixels."""
    low, high = points[:, :2].amin(0), points[:, :2].amax(0)
    (x, y), half = ((low + high) / 2).tolist(), (high - low).max().item() * ROOM / 2
    return x - half, y - half, x + half, y + half


def contact_sheet(rows: Sequence[Row], across: int = 2) -> Image.Image:
    """So many results a line: the face large, beside it four small pictures under their names."""
    width, height = 2 * (SMALL + GAP) + CROP, CROP
    lines = -(-len(rows) // across)
    step = width + 4 * GAP, height + 4 * GAP
    sheet = Image.new("RGB", (across * step[0], lines * step[1]), "white")
    for number, row in enumerate(rows):
        left, top = 2 * GAP + number % across * step[0], 2 * GAP + number // across * step[1]
        small = {
            "selfie": draw_cell(row.selfie, row.selfie_box, SMALL),
            row.label: row.reference.convert("RGB").resize((SMALL, SMALL), Image.Resampling.LANCZOS),
            "background": draw_cell(row.background, row.background_box, SMALL),
            "result, whole picture": draw_cell(row.result, (0, 0, *row.result.size), SMALL),
        }
        for place, (name, picture) in enumerate(small.items()):
            x, y = left + place % 2 * (SMALL + GAP), top + place // 2 * (SMALL + CAPTION + GAP)
            sheet.paste(picture, (x, y))
            middle = x + SMALL / 2, y + SMALL + CAPTION / 2
            ImageDraw.Draw(sheet).text(middle, name, "black", ImageFont.load_default(20), "mm")
        sheet.paste(draw_cell(row.result, row.background_box, CROP), (left + 2 * (SMALL + GAP), top))
    return sheet


def draw_cell(picture: Image.Image, box: Box, side: int) -> Image.Image:
    """The part of a picture inside a box, fitted into a cell; black outside of the picture."""
    part = picture.convert("RGB").crop(tuple(round(edge) for edge in box))
    return ImageOps.pad(part, (side, side), Image.Resampling.LANCZOS, "white")


def draw_results(path: Path, model: DiffSFSR, sources: Sequence[tuple[Path, Path]], results: Sequence[Path]) -> None:
    """Write a sheet of many results: a line for each selfie and background, two lines beside each other.

    sources  of each result the selfie and the background
    """
    lines: dict[tuple[Path, Path], list[Path]] = {}
    for pair, result in zip(sources, results, strict=True):
        lines.setdefault(pair, []).append(result)
    lines = dict(list(lines.items())[:MOST])
    long = 2 + max(len(found) for found in lines.values())
    half = -(-len(lines) // 2)
    sheet = Image.new("RGB", (2 * long * CELL + 2 * GAP, half * CELL), "white")
    for number, ((selfie, background), found) in enumerate(lines.items()):
        boxes = [face_square(model.encoders.mesh, each) for each in (selfie, background)]
        shown = [(selfie, boxes[0]), *((each, boxes[1]) for each in (background, *found))]
        for place, (file, box) in enumerate(shown):
            with Image.open(file) as picture:
                cell = draw_cell(ImageOps.exif_transpose(picture), box, CELL)
            x = number // half * (long * CELL + 2 * GAP) + place * CELL
            sheet.paste(cell, (x, number % half * CELL))
    save_generated(path, sheet, model.config.name)


def draw_rows(path: Path, rows: Sequence[Row], across: int, name: str) -> None:
    """Write a sheet of what went into results and what came out: selfie, expression, scene, result, as large each.

    across  so many rows beside each other; name: of the model
    """
    lines = -(-len(rows) // across)
    sheet = Image.new("RGB", (across * (4 * SIDE + GAP) - GAP, lines * (SIDE + CAPTION)), "white")
    for number, row in enumerate(rows):
        left, top = number % across * (4 * SIDE + GAP), number // across * (SIDE + CAPTION)
        cells = {
            row.name: draw_cell(row.selfie, row.selfie_box, SIDE),
            row.label: row.reference.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS),
            "scene": draw_cell(row.background, row.background_box, SIDE),
            "result": draw_cell(row.result, row.background_box, SIDE),
        }
        for place, (caption, picture) in enumerate(cells.items()):
            sheet.paste(picture, (left + place * SIDE, top + CAPTION))
            middle = left + (place + 0.5) * SIDE, top + CAPTION / 2
            ImageDraw.Draw(sheet).text(middle, caption, "black", ImageFont.load_default(18), "mm")
    save_generated(path, sheet, name)
