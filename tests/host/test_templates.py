"""Every template that needs no file of the user's runs to its end on a running ComfyUI."""

import json

import numpy as np
import pytest
from diffsfsr.evaluation.host import PACK
from diffsfsr.evaluation.workflow import to_prompt
from PIL import Image

pytestmark = pytest.mark.host

TEMPLATES = sorted(path for path in (PACK / "workflows").glob("*.json") if path.stem != "portrait_in_sd_scene")


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
    if path.stem == "group_picture":
        (result,) = results
        changed = (np.abs(np.asarray(result.convert("RGB"), int) - np.asarray(group, int)).max(-1) > 24).mean(0)
        assert changed[:640].max() > 0.1 and changed[640:].max() > 0.1  # both faces, each in its half
