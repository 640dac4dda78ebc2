"""The portrait workflow on a real ComfyUI, with synthetic people: whole pictures, and a contact sheet of faces."""

import json
import tempfile
import time
from pathlib import Path

from PIL import Image

from ...models.expression.references import FILE, References
from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.files import check_output
from ...models.pictures import WRITABLE, save_generated, to_pil
from ..people import find_people
from ..sheets import Row, contact_sheet, face_square
from .server import PACK, Host, find_comfyui
from .workflow import find_node, to_prompt

WORKFLOW = PACK / "workflows" / "01 Start here - portrait from a selfie.json"
ROWS = (  # whose selfie, showing what, into whose portrait
    ("P007", "joy", "P008"),
    ("P002", "anger", "P003"),
    ("P006", "surprise", "P007"),
    ("P001", "joy", "P002"),
)


def run_demo(comfyui: Path, output: Path) -> None:
    """Run the workflow for each of ROWS; write each whole picture and the sheet, and say where they are.

    comfyui: folder of ComfyUI's main.py;  output: the file of the sheet, beside which the pictures get a folder
    """
    comfyui, people = find_comfyui(comfyui), find_people()
    output.parent.mkdir(parents=True, exist_ok=True)
    check_output(output, WRITABLE)
    mesh, references = FaceMesh.load(find_task_file()), References.load(PACK / "assets" / FILE)
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    rows, pictures = [], output.with_suffix("")
    pictures.mkdir(exist_ok=True)
    print("starting ComfyUI ...", flush=True)
    with tempfile.TemporaryDirectory() as base, Host(comfyui, Path(base)) as host:
        prompt = to_prompt(workflow, host.get("/object_info"))
        checkpoint = find_node(prompt, "DiffSFSRLoad")["inputs"]["checkpoint"]
        for identity, label, scene in ROWS:
            selfie = people / identity / "assets" / "amateur_selfie.jpg"
            background = people / scene / "assets" / "studio_portrait.jpg"
            boxes = face_square(mesh, selfie), face_square(mesh, background)
            find_node(prompt, "DiffSFSRPhoto", "Selfie")["inputs"]["image"] = host.upload(selfie, f"{identity}.jpg")
            find_node(prompt, "DiffSFSRPhoto", "Background")["inputs"]["image"] = host.upload(
                background, f"{scene}.jpg"
            )
            find_node(prompt, "DiffSFSRExpressionByLabel")["inputs"]["label"] = label
            start = time.monotonic()
            (result,) = host.run(prompt)
            print(f"{identity} into {scene}, {label}: {time.monotonic() - start:.1f} s", flush=True)
            save_generated(pictures / f"{identity}_{label}_{scene}.png", result, checkpoint)
            shown = to_pil(references.pictures(label)[0])
            rows.append(Row(Image.open(selfie), boxes[0], label, shown, Image.open(background), boxes[1], result))
    save_generated(output, contact_sheet(rows), checkpoint)
    print(f"the contact sheet is in {output}, each whole picture in {pictures}")
