"""Every template runs to its end on a running ComfyUI; those with a Stable Diffusion checkpoint in test_sd_scene.py."""

import json

import numpy as np
import pytest
from diffsfsr.evaluation.host.server import PACK
from diffsfsr.evaluation.host.workflow import to_prompt
from diffsfsr.tests.host.stand_ins import write_upscaler
from PIL import Image

pytestmark = pytest.mark.host

TEMPLATES = sorted(path for path in (PACK / "workflows").glob("*.json") if "_sd" not in path.stem)


@pytest.fixture(scope="module")
def pictures(host, people, tmp_path_factory):
    """Names of uploaded pictures: selfies by order of use, and two people beside each other."""
    portraits = [Image.open(people[i] / "studio_portrait.jpg").resize((640, 640)) for i in (2, 7)]
    group = Image.new("RGB", (1280, 640))
    for i, portrait in enumerate(portraits):
        group.paste(portrait, (640 * i, 0))
    path = tmp_path_factory.mktemp("group") / "group.png"
    group.save(path)
    selfies = [host.upload(people[i] / "amateur_selfie.jpg", f"template_{i}.jpg") for i in (8, 4, 1)]
    return selfies, host.upload(path), group


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_template_runs(host, pictures, path):
    selfies, group_name, group = pictures
    write_upscaler(host.base / "models" / "upscale_models" / "RealESRGAN_x4plus.safetensors")
    prompt = to_prompt(json.loads(path.read_text("utf-8")), host.get("/object_info"))
    loaders = [node for node in prompt.values() if node["class_type"] == "LoadImage"]
    for i, node in enumerate(loaders):
        together = node["_meta"]["title"] == "Group picture"
        node["inputs"]["image"] = group_name if together else selfies[i % len(selfies)]
    for node in prompt.values():
        if node["class_type"] == "DiffSFSRSampler":
            node["inputs"]["steps"] = 2
    results = host.run(prompt)
    assert results
    if path.stem == "contact_sheet_of_labels":
        (sheet,) = results
        assert six_cells_that_differ(np.asarray(sheet.convert("RGB"), int))
    if path.stem == "group_picture":
        (result,) = results
        changed = (np.abs(np.asarray(result.convert("RGB"), int) - np.asarray(group, int)).max(-1) > 24).mean(0)
        assert changed[:640].max() > 0.1 and changed[640:].max() > 0.1  # both faces, each in its half


def six_cells_that_differ(sheet: np.ndarray, gap: int = 8) -> bool:
    """Whether a sheet is two rows of three pictures of one size, each with another face."""
    (height, over), (width, beside) = divmod(sheet.shape[0] - gap, 2), divmod(sheet.shape[1] - 2 * gap, 3)
    corners = [(y * (height + gap), x * (width + gap)) for y in range(2) for x in range(3)]
    cells = [sheet[top : top + height, left : left + width] for top, left in corners]
    pairs = [np.abs(a - b).max() > 24 for i, a in enumerate(cells) for b in cells[:i]]
    return over == beside == 0 and all(pairs)
