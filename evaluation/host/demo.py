"""The portrait workflow on a real ComfyUI, with synthetic people, drawn as a contact sheet."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ...models.expression.references import FILE, References
from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.pictures import check_output, read_picture, save_generated, to_pil
from ..people import LABELS, find_people
from .server import PACK, Host, find_comfyui
from .workflow import find_node, to_prompt

WORKFLOW = PACK / "workflows" / "portrait_from_selfie.json"
PAIRS = (("P009", "P003"), ("P005", "P008"))  # whose selfie, into whose portrait

CELL = 288  # side of a picture on the sheet, pixels
ROOM = 1.6  # side of the square that is shown / side of the face in it: the face is drawn at 180 pixels
GAP, CAPTION = 12, 30
WORD = 44  # height of the line with the label, pixels
COLUMNS = ("selfie", "expression", "background", "result", "result, whole picture")


@dataclass(frozen=True)
class Row:
    """One result and what went into it; the boxes are the shown squares (left, top, right, bottom) in pixels."""

    selfie: Image.Image
    selfie_box: tuple[float, float, float, float]
    label: str
    reference: Image.Image  # a rendered head that shows the label
    background: Image.Image
    background_box: tuple[float, float, float, float]
    result: Image.Image


def run_demo(comfyui: Path, output: Path) -> None:
    """Run the workflow for every pair of people and every label; write the sheet and say where it is.

    comfyui: folder of ComfyUI's main.py;  output: the picture file to write
    """
    comfyui, people = find_comfyui(comfyui), find_people()
    output.parent.mkdir(parents=True, exist_ok=True)
    check_output(output)
    mesh, references = FaceMesh.load(find_task_file()), References.load(PACK / "assets" / FILE)
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    rows = []
    print("starting ComfyUI ...", flush=True)
    with tempfile.TemporaryDirectory() as base, Host(comfyui, Path(base)) as host:
        prompt = to_prompt(workflow, host.get("/object_info"))
        for identity, scene in PAIRS:
            selfie = people / identity / "assets" / "amateur_selfie.jpg"
            background = people / scene / "assets" / "studio_portrait.jpg"
            boxes = face_square(mesh, selfie), face_square(mesh, background)
            find_node(prompt, "LoadImage", "Selfie")["inputs"]["image"] = host.upload(selfie, f"{identity}.jpg")
            find_node(prompt, "LoadImage", "Background")["inputs"]["image"] = host.upload(background, f"{scene}.jpg")
            for label in LABELS:
                find_node(prompt, "DiffSFSRExpressionByLabel")["inputs"]["label"] = label
                start = time.monotonic()
                (result,) = host.run(prompt)
                print(f"{identity} into {scene}, {label}: {time.monotonic() - start:.1f} s", flush=True)
                shown = to_pil(references.pictures(label)[0])
                rows.append(Row(Image.open(selfie), boxes[0], label, shown, Image.open(background), boxes[1], result))
    save_generated(output, contact_sheet(rows), find_node(prompt, "DiffSFSRLoad")["inputs"]["checkpoint"])
    print(f"the contact sheet is in {output}")


def face_square(mesh: FaceMesh, path: Path) -> tuple[float, float, float, float]:
    """The square around a photo's largest face that is shown on the sheet."""
    faces = mesh.find(read_picture(path))
    if not faces:
        raise ValueError(f"no face found in {path.name}; choose another photo for the demo")
    low, high = faces[0].points[:, :2].amin(0), faces[0].points[:, :2].amax(0)
    (x, y), half = ((low + high) / 2).tolist(), (high - low).max().item() * ROOM / 2
    return x - half, y - half, x + half, y + half


def contact_sheet(rows: Sequence[Row]) -> Image.Image:
    """One line a result, under the names of the columns."""
    step = CELL + GAP
    sheet = Image.new("RGB", (GAP + step * len(COLUMNS), CAPTION + step * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(COLUMNS):
        draw.text((GAP + column * step + CELL / 2, CAPTION / 2), name, "black", ImageFont.load_default(18), "mm")
    for number, row in enumerate(rows):
        top = CAPTION + number * step
        pictures = [
            draw_cell(row.selfie, row.selfie_box),
            draw_label(row.label, row.reference),
            draw_cell(row.background, row.background_box),
            draw_cell(row.result, row.background_box),
            draw_cell(row.result, (0, 0, *row.result.size)),
        ]
        for column, picture in enumerate(pictures):
            sheet.paste(picture, (GAP + column * step, top))
    return sheet


def draw_cell(picture: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """The part of a picture inside a box, fitted into a cell; black outside of the picture."""
    part = picture.convert("RGB").crop(tuple(round(edge) for edge in box))
    return ImageOps.pad(part, (CELL, CELL), Image.Resampling.LANCZOS, "white")


def draw_label(label: str, reference: Image.Image) -> Image.Image:
    """A cell with what a word looks like, above the word."""
    cell = Image.new("RGB", (CELL, CELL), "#e8e8e8")
    side = CELL - WORD
    cell.paste(reference.resize((side, side), Image.Resampling.LANCZOS), (WORD // 2, 0))
    ImageDraw.Draw(cell).text((CELL / 2, CELL - WORD / 2), label, "black", ImageFont.load_default(24), "mm")
    return cell
