"""%date:...% and %Node.widget% in the names that Save Portrait gives."""

from datetime import datetime
from pathlib import Path

import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.host

NOW = datetime(2031, 4, 5, 16, 7, 9)
PROMPT = {
    "3": {"class_type": "DiffSFSRSampler", "inputs": {"seed": 41, "scheduler": ["9", 0]}, "_meta": {"title": "Paint"}},
    "5": {"class_type": "LoadImage", "inputs": {"image": "family/anna: 1.png"}},
}
WORKFLOW = {"nodes": [{"id": 3, "properties": {"Node name for S&R": "painter"}}]}


@pytest.fixture(scope="module")
def filled(host):
    return lambda prefix: host.part("nodes.placeholders").filled(prefix, PROMPT, WORKFLOW, NOW)


@pytest.mark.parametrize(
    "prefix, name",
    [
        ("anna", "anna"),
        ("%date:yyyy-MM-dd%/a", "2031-04-05/a"),
        ("%date:yy/M/d%_%date:hh:mm:ss%", "31/4/5_16_07_09"),  # no : in a name on Windows
        ("%painter.seed%", "41"),
        ("%Paint.seed%", "41"),
        ("%DiffSFSRSampler.seed%", "41"),
        ("%LoadImage.image%", "family_anna_ 1.png"),
        ("%width%x%height%_%year%", "%width%x%height%_%year%"),  # the host's own
        ("100 %", "100 %"),
    ],
)
def test_placeholders_are_filled_in_as_the_front_end_does(filled, prefix, name):
    assert filled(prefix) == (name, [])


def test_what_means_nothing_is_kept_and_told(filled):
    assert filled("a_%Nobody.seed%_%DiffSFSRSampler.scheduler%") == (
        "a_Nobody.seed_DiffSFSRSampler.scheduler",
        ["%Nobody.seed%", "%DiffSFSRSampler.scheduler%"],  # the second is wired
    )


@pytest.mark.parametrize(
    "prefix, name",
    [
        ("family/anna", "family/anna"),
        ("con/a?b", "_con/a_b"),
        ("nul.", "_nul"),
        ("a. /b", "a/b"),
        ("mean: 1", "mean_ 1"),
    ],
)
def test_names_are_such_as_windows_takes(host, prefix, name):
    assert host.part("nodes.folders").check_prefix(prefix) == name


def test_a_picture_is_saved_by_the_model_it_comes_from(host, queue, untrained, write_checkpoint):
    """Without a wire from Load DiffSFSR; and an error where the workflow has none."""
    path, began = write_checkpoint("named.safetensors"), datetime.now()
    grey = torch.full((64, 64, 3), 128, dtype=torch.uint8)
    Image.fromarray(grey.numpy()).save(Path(host.folder_paths.get_input_directory()) / "grey.png")
    graph = {
        "load": {"class_type": "DiffSFSRLoad", "inputs": {"checkpoint": path.name}},
        "vae": {"class_type": "VAEEncode", "inputs": {"pixels": ["grey", 0], "vae": ["load", 2]}},
        "grey": {"class_type": "LoadImage", "inputs": {"image": "grey.png"}},
        "paint": {"class_type": "VAEDecode", "inputs": {"samples": ["vae", 0], "vae": ["load", 2]}},
        "save": {"class_type": "DiffSFSRSavePortrait", "inputs": {"images": ["paint", 0],
                 "filename_prefix": "%date:yyyy%/%LoadImage.image%"}},
    }  # fmt: skip
    (saved,) = queue(graph)["save"]["images"]
    assert saved["subfolder"] in (str(began.year), str(datetime.now().year))  # it may end meanwhile
    assert saved["filename"].startswith("grey.png_")
    with Image.open(Path(host.folder_paths.get_output_directory()) / saved["subfolder"] / saved["filename"]) as picture:
        assert picture.text["Comment"].endswith(f"model {untrained.config.name}")
    graph["save"]["inputs"]["images"] = ["grey", 0]
    with pytest.raises(ValueError, match="no Load DiffSFSR comes before these pictures"):
        queue(graph)
