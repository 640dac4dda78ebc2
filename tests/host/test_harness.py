"""The harness itself, on ComfyUI's own nodes."""

import numpy as np
import pytest
from diffsfsr.evaluation.host.server import HostError
from PIL import Image

pytestmark = pytest.mark.host


def graph(name: str) -> dict:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "inverted"}},
    }


def test_an_uploaded_picture_goes_through_a_graph_and_comes_back(host, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "noise.png")
    job = host.submit(graph(host.upload(tmp_path / "noise.png")))
    kinds = [event.kind for event in job]
    assert kinds[0] == "execution_start" and kinds[-1] == "execution_success"
    (saved,) = job.pictures()
    error = np.asarray(saved).astype(int) - (255 - picture.astype(int))
    assert np.abs(error).max() <= 1  # the host truncates when it saves


def test_a_refused_graph_is_an_error_that_says_why(host):
    with pytest.raises(HostError, match="nowhere.png"):
        host.submit(graph("nowhere.png"))
