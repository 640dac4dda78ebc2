"""Every template runs to its end on a running ComfyUI, as it is opened: with the pack's example pictures.

Those with a Stable Diffusion checkpoint are in test_sd_scene.py.
"""

import json

import numpy as np
import pytest
from diffsfsr.evaluation.host.server import PACK
from diffsfsr.evaluation.host.workflow import to_prompt
from diffsfsr.tests.host.stand_ins import write_upscaler
from PIL import Image

pytestmark = pytest.mark.host

TEMPLATES = sorted(path for path in (PACK / "workflows").glob("*.json") if "Stable" not in path.stem)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_template_runs(host, path):
    write_upscaler(host.base / "models" / "upscale_models" / "RealESRGAN_x4plus.safetensors")
    prompt = to_prompt(json.loads(path.read_text("utf-8")), host.get("/object_info"))
    for node in prompt.values():
        if node["class_type"] == "DiffSFSRSampler":
            node["inputs"]["steps"] = 2
        if node["class_type"] == "ImageFromBatch":  # frames of a video
            node["inputs"]["length"] = min(node["inputs"]["length"], 3)
        if node["class_type"] == "PrimitiveFloat":  # frames a second
            node["inputs"]["value"] = 1.0
    results = host.run(prompt)
    assert results
    if path.stem.startswith("06"):
        (sheet,) = results
        assert six_cells_that_differ(np.asarray(sheet.convert("RGB"), int))
    if path.stem.startswith("08"):
        (result,) = results
        group = np.asarray(Image.open(PACK / "web" / "examples" / "example_group.jpg").convert("RGB"), int)
        changed = (np.abs(np.asarray(result.convert("RGB"), int) - group).max(-1) > 24).mean(0)
        half = group.shape[1] // 2
        assert changed[:half].max() > 0.1 and changed[half:].max() > 0.1  # both faces, each in its half


def six_cells_that_differ(sheet: np.ndarray, gap: int = 8) -> bool:
    """Whether a sheet is two rows of three pictures of one size, each with another face."""
    (height, over), (width, beside) = divmod(sheet.shape[0] - gap, 2), divmod(sheet.shape[1] - 2 * gap, 3)
    corners = [(y * (height + gap), x * (width + gap)) for y in range(2) for x in range(3)]
    cells = [sheet[top : top + height, left : left + width] for top, left in corners]
    pairs = [np.abs(a - b).max() > 24 for i, a in enumerate(cells) for b in cells[:i]]
    return over == beside == 0 and all(pairs)
