"""The first workflow, the very template that users open, on a running ComfyUI."""

import json
import re

import numpy as np
import pytest
from diffsfsr.evaluation.host.server import PACK, HostError
from diffsfsr.evaluation.host.workflow import find_node, to_prompt
from PIL import Image

pytestmark = pytest.mark.host

SELFIE, BACKGROUND = 8, 2  # which of the people


@pytest.fixture(scope="module")
def portrait(people, tmp_path_factory):
    """The background as PNG: hosts differ in how they decode JPEG."""
    path = tmp_path_factory.mktemp("portrait") / "background.png"
    Image.open(people[BACKGROUND] / "studio_portrait.jpg").convert("RGB").save(path, compress_level=1)
    return path


@pytest.fixture
def prompt(host, people, portrait) -> dict:
    """The template with photos of two people."""
    workflow = json.loads((PACK / "workflows" / "01 Start here - portrait from a selfie.json").read_text("utf-8"))
    prompt = to_prompt(workflow, host.get("/object_info"))
    selfie = host.upload(people[SELFIE] / "amateur_selfie.jpg", "selfie.jpg")
    background = host.upload(portrait)
    find_node(prompt, "DiffSFSRPhoto", "Selfie")["inputs"]["image"] = selfie
    find_node(prompt, "DiffSFSRPhoto", "Background")["inputs"]["image"] = background
    return prompt


def steps(prompt: dict, number: int) -> None:
    find_node(prompt, "DiffSFSRSampler")["inputs"]["steps"] = number


def test_the_host_loads_the_pack_at_its_start(host):
    (said,) = re.findall(r"seconds(.*): \S*ComfyUI-DiffSFSR$", host.log.read_text("utf-8"), re.MULTILINE)
    assert "FAILED" not in said


def test_only_the_face_of_the_background_changes(host, portrait, prompt, find_faces):
    steps(prompt, 6)
    job = host.submit(prompt)
    events = list(job)
    progress = [(event.data["value"], event.data["max"]) for event in events if event.kind == "progress"]
    assert (6, 6) in progress
    (saved,) = job.pictures()
    before = Image.open(portrait)
    assert saved.size == before.size
    (face,) = find_faces(before)
    low, high = face.min(0), face.max(0)
    centre, half = (low + high) / 2, (high - low) / 2
    rows, columns = np.mgrid[: before.height, : before.width] + 0.5
    distance = np.hypot((columns - centre[0]) / half[0], (rows - centre[1]) / half[1])  # 1: the ellipse around the face
    change = np.abs(np.asarray(saved).astype(int) - np.asarray(before).astype(int)).max(-1)
    assert change[distance > 1.6].max() <= 1  # 8-bit rounding
    assert change[distance < 0.7].mean() > 4
    assert len(find_faces(saved)) == 1


def test_a_background_without_a_face_is_an_error_that_says_so(host, prompt, tmp_path):
    Image.new("RGB", (320, 240), "grey").save(tmp_path / "blank.png")
    find_node(prompt, "DiffSFSRPhoto", "Background")["inputs"]["image"] = host.upload(tmp_path / "blank.png")
    with pytest.raises(HostError, match="DiffSFSRExtractBackground: no face found"):
        host.run(prompt)


def test_an_interrupted_run_stops_and_the_next_one_works(host, prompt):
    steps(prompt, 200)
    job = host.submit(prompt)
    events = []
    for event in job:
        if event.kind == "progress" and not any(earlier.kind == "progress" for earlier in events):
            host.interrupt()
        events.append(event)
    assert events[-1].kind == "execution_interrupted"
    assert job.pictures() == []
    steps(prompt, 2)
    assert len(host.run(prompt)) == 1
