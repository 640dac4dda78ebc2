"""What the host does around a run: previews, cached results, provenance, freeing of memory, its memory modes."""

import json
import time

import numpy as np
import pytest
import torch
from diffsfsr.evaluation.host.server import PACK, Host, HostError, find_comfyui
from diffsfsr.evaluation.host.workflow import find_node, to_prompt
from diffsfsr.models.network.precision import fast_dtype

pytestmark = pytest.mark.host

STEPS = 3


def portrait(host: Host, people) -> dict:
    """The portrait template with photos of two people, few steps, and Save Portrait at its end."""
    workflow = json.loads((PACK / "workflows" / "01 Start here - portrait from a selfie.json").read_text("utf-8"))
    prompt = to_prompt(workflow, host.get("/object_info"))
    for title, photo in (
        ("Selfie", people[8] / "amateur_selfie.jpg"),
        ("Background", people[2] / "studio_portrait.jpg"),
    ):
        find_node(prompt, "DiffSFSRPhoto", title)["inputs"]["image"] = host.upload(photo, f"{title}_native.jpg")
    find_node(prompt, "DiffSFSRSampler")["inputs"]["steps"] = STEPS
    loader, sampler = (identifier(prompt, name) for name in ("DiffSFSRLoad", "DiffSFSRSampler"))
    for key in [key for key, node in prompt.items() if node["class_type"] in ("SaveImage", "DiffSFSRSavePortrait")]:
        del prompt[key]
    prompt["save"] = {
        "class_type": "DiffSFSRSavePortrait",
        "inputs": {"diffsfsr": [loader, 0], "images": [sampler, 0], "filename_prefix": "first"},
    }
    return prompt


def identifier(prompt: dict, class_type: str) -> str:
    return next(key for key, node in prompt.items() if node["class_type"] == class_type)


@pytest.fixture
def prompt(host, people) -> dict:
    return portrait(host, people)


def follow(host: Host, prompt: dict) -> tuple[list, set[str], list]:
    """Run a graph: its pictures, the nodes whose results were there already, all events."""
    job = host.submit(prompt)
    events = list(job)
    cached = {node for event in events if event.kind == "execution_cached" for node in event.data["nodes"]}
    return job.pictures(), cached, events


def test_saved_pictures_say_what_they_are_even_if_all_but_the_saving_was_cached(host, prompt):
    (first,), _, _ = follow(host, prompt)
    prompt["save"]["inputs"]["filename_prefix"] = "again"
    (second,), cached, _ = follow(host, prompt)
    assert set(prompt) - cached == {"save"}
    for picture in (first, second):
        assert picture.text["Comment"] == "AI-generated face, DiffSFSR for ComfyUI, model mini"
        assert "compositeWithTrainedAlgorithmicMedia" in picture.text["XML:com.adobe.xmp"]
        graph = json.loads(picture.text["prompt"])
        assert {node["class_type"] for node in graph.values()} >= {"DiffSFSRSampler", "DiffSFSRSavePortrait"}
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_free_memory_forgets_everything_and_the_next_run_is_as_the_first(host, prompt):
    (first,), _, _ = follow(host, prompt)
    assert follow(host, prompt)[1] == set(prompt)
    host.free()
    for _ in range(60):  # the host sees to it when it comes to it, between two runs
        (second,), cached, _ = follow(host, prompt)
        if not cached:
            break
        time.sleep(0.5)
    assert not cached and np.array_equal(np.asarray(first), np.asarray(second))


def test_previews_while_sampling_look_like_the_result(host, prompt):
    sampler = identifier(prompt, "DiffSFSRSampler")
    prompt[sampler]["inputs"] |= {"steps": 4, "seed": 1234, "appearance": 0}  # the crop as it is painted
    prompt["crop"] = {"class_type": "SaveImage", "inputs": {"images": [sampler, 1], "filename_prefix": "crop"}}
    pictures, _, events = follow(host, prompt)
    (crop,) = [picture for picture in pictures if picture.size == (128, 128)]
    halfway, last = [event.picture for event in events if event.kind == "preview"]
    assert last.size in {picture.size for picture in pictures} - {crop.size}  # the result
    small = [picture.convert("L").resize((64, 64)) for picture in (crop, halfway)]
    fine = [np.asarray(each, float) - np.asarray(each.resize((16, 16)).resize((64, 64)), float) for each in small]
    assert np.corrcoef(np.reshape(fine, (2, -1)))[0, 1] > 0.9  # what no preview of one pixel for each latent shows


def test_what_is_found_is_shown_on_the_nodes(host, prompt):
    """Encode Identity shows the aligned face, Extract Background the crop with a line around the mask."""
    for class_type in ("DiffSFSREncodeIdentity", "DiffSFSRExtractBackground"):
        find_node(prompt, class_type)["inputs"]["face"] = "centre"  # so that they are not cached
    job = host.submit(prompt)
    list(job)
    outputs = host.get(f"/history/{job.identifier}")[job.identifier]["outputs"]
    for class_type in ("DiffSFSREncodeIdentity", "DiffSFSRExtractBackground"):
        (entry,) = outputs[identifier(prompt, class_type)]["images"]
        assert entry["type"] == "temp"


def test_modes_for_little_memory_start_and_run(people, tmp_path):
    """--lowvram and --novram need a GPU to start at all; tests/nodes/test_native_behaviour.py does what they do."""
    fast = fast_dtype("cpu") == torch.bfloat16  # elsewhere it takes eighty times as long
    options = (*(("--bf16-unet", "--bf16-vae") if fast else ()), "--disable-smart-memory", "--cache-none")
    with Host(find_comfyui(), tmp_path, options) as host:
        (picture,) = host.run(portrait(host, people))
    assert np.asarray(picture).std() > 20


def test_an_option_that_the_host_does_not_know_is_an_error_with_its_words(tmp_path):
    with pytest.raises(HostError, match="ComfyUI ended with status 2"), Host(find_comfyui(), tmp_path, ["--nonsense"]):
        pass
