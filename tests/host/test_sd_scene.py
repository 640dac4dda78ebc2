"""The workflows with a Stable Diffusion checkpoint: it makes the picture whose face is replaced, or goes over the face.

No such checkpoint can be downloaded here, so stand-ins are generated.
"""

import json
from collections.abc import Iterator

import pytest
from diffsfsr.evaluation.host.server import PACK, HostError
from diffsfsr.evaluation.host.workflow import find_node, to_prompt
from diffsfsr.tests.host.stand_ins import write_checkpoint
from PIL import Image

pytestmark = pytest.mark.host

SIZE, SEED = 256, 7


@pytest.fixture(scope="module")
def checkpoints(host, people) -> Iterator[dict[str, str]]:
    """Names of two checkpoints in the host's folder: one that paints a face, one with random weights in its decoder."""
    folder = host.base / "models" / "checkpoints"
    photos = {"face": people[2] / "studio_portrait.jpg", "noise": None}
    for kind, photo in photos.items():
        write_checkpoint(folder / f"{kind}.safetensors", photo, SIZE, SEED)
    yield {kind: f"{kind}.safetensors" for kind in photos}
    for kind in photos:
        (folder / f"{kind}.safetensors").unlink()  # 0.4 GB each


def scene(host, checkpoint: str) -> dict:
    """The template, at a size and a number of steps that a CPU does in seconds."""
    workflow = json.loads((PACK / "workflows" / "11 Scene by Stable Diffusion.json").read_text("utf-8"))
    prompt = to_prompt(workflow, host.get("/object_info"))
    find_node(prompt, "CheckpointLoaderSimple")["inputs"]["ckpt_name"] = checkpoint
    find_node(prompt, "EmptyLatentImage")["inputs"].update(width=SIZE, height=SIZE, batch_size=1)
    find_node(prompt, "KSampler")["inputs"].update(seed=SEED, steps=2, sampler_name="euler", scheduler="normal")
    return prompt


def test_a_scene_with_a_face_is_finished(host, people, checkpoints, find_faces):
    prompt = scene(host, checkpoints["face"])
    find_node(prompt, "DiffSFSRPhoto", "Selfie")["inputs"]["image"] = host.upload(people[8] / "amateur_selfie.jpg")
    pictures = host.run(prompt)
    assert {picture.size for picture in pictures} == {(SIZE, SIZE)}
    assert all(len(find_faces(picture)) == 1 for picture in pictures)


def test_a_scene_without_a_face_is_an_error_that_says_so(host, people, checkpoints):
    prompt = scene(host, checkpoints["noise"])
    find_node(prompt, "DiffSFSRPhoto", "Selfie")["inputs"]["image"] = host.upload(people[8] / "amateur_selfie.jpg")
    with pytest.raises(HostError, match="DiffSFSRExtractBackground: no face found"):
        host.run(prompt)


def test_a_low_denoise_pass_over_the_face_is_pasted_back(host, people, checkpoints, find_faces):
    workflow = json.loads((PACK / "workflows" / "13 Sharper with Stable Diffusion.json").read_text("utf-8"))
    prompt = to_prompt(workflow, host.get("/object_info"))
    find_node(prompt, "DiffSFSRPhoto", "Selfie")["inputs"]["image"] = host.upload(people[8] / "amateur_selfie.jpg")
    background = people[4] / "studio_portrait.jpg"
    find_node(prompt, "DiffSFSRPhoto", "Background")["inputs"]["image"] = host.upload(background)
    find_node(prompt, "CheckpointLoaderSimple")["inputs"]["ckpt_name"] = checkpoints["face"]
    find_node(prompt, "ImageScale")["inputs"].update(width=SIZE, height=SIZE)
    find_node(prompt, "KSampler")["inputs"].update(seed=SEED, steps=2)
    find_node(prompt, "DiffSFSRSampler")["inputs"]["steps"] = 2
    (picture,) = host.run(prompt)
    assert picture.size == Image.open(background).size
    assert len(find_faces(picture)) == 1
