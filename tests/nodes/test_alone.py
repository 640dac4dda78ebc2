"""Nodes that run by themselves: they show a face doing it, and their errors stop only what waits for them."""

import numpy as np
import pytest
from diffsfsr.models.expression.edit import SLIDERS
from diffsfsr.models.expression.file import from_values
from PIL import Image

pytestmark = pytest.mark.host

REST = dict.fromkeys((*SLIDERS, "asymmetry"), 0.0) | {"intensity": 1.0}
EDIT, MIX, TRAVEL = "DiffSFSREditExpression", "DiffSFSRMixExpressions", "DiffSFSRTravelExpressions"
READ, ENCODE = "DiffSFSRExpressionFromImage", "DiffSFSREncodeIdentity"


@pytest.fixture
def shown(host):
    """shown(node_id, ...): the picture that a node shows, (H, W, 3) in 0..1, or None."""

    def shown(node_id: str, **inputs) -> np.ndarray | None:
        images = host.nodes.NODE_CLASS_MAPPINGS[node_id].execute(**inputs).ui.get("images")
        if not images:
            return None
        (image,) = images
        return np.asarray(Image.open(f"{host.folder_paths.get_temp_directory()}/{image['filename']}"), float) / 255

    return shown


def test_a_face_does_what_comes_out(host, shown, diffsfsr, people, monkeypatch):
    rest = shown(EDIT, **REST)
    assert rest.shape == (256, 256, 3)
    wide = shown(EDIT, **REST | {"jaw": 1.0})
    assert abs(wide - rest).mean() > 0.01
    joy, anger = from_values({"mouthSmile": 0.8}), from_values({"browDown": 0.6})
    assert not np.array_equal(*(shown(MIX, first=joy, second=anger, weight=weight) for weight in (0.0, 1.0)))
    for steps, faces in ((2, 2), (40, 6)):
        assert shown(TRAVEL, first=joy, second=anger, steps=steps).shape == (128, faces * 128, 3)
    face = dict(face="largest", face_number=0, intensity=1.0)
    assert shown(READ, diffsfsr=diffsfsr, image=people(8, "amateur_selfie"), **face).shape == (256, 256, 3)
    monkeypatch.setenv("DIFFSFSR_LIVE", "0")
    assert shown(EDIT, **REST) is None


@pytest.fixture
def faceless(untrained):
    """A graph in which a photo shows no face, and another output."""
    return {
        "load": {"class_type": "DiffSFSRLoad", "inputs": {"checkpoint": "mini.safetensors"}},
        "blank": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
        "who": {
            "class_type": ENCODE,
            "inputs": {"diffsfsr": ["load", 0], "image": ["blank", 0], "face": "largest", "face_number": 0},
        },
        "what": {
            "class_type": READ,
            "inputs": {
                "diffsfsr": ["load", 0], "image": ["blank", 0], "face": "largest", "face_number": 0, "intensity": 1.0,
            },
        },
        "other": {"class_type": "PreviewImage", "inputs": {"images": ["blank", 0]}},
    }  # fmt: skip


def test_a_missing_face_stops_what_waits_for_it_and_nothing_else(queue, faceless):
    assert set(queue(faceless)) == {"other"}
    keep = {"class_type": "DiffSFSRSaveIdentity", "inputs": {"identity": ["who", 0], "filename_prefix": "nobody"}}
    anew = faceless["who"] | {"inputs": faceless["who"]["inputs"] | {"face": "centre"}}
    for who in (faceless["who"], anew):  # what the first told is kept by the host, and told to those that wait later
        with pytest.raises(ValueError, match="no face found"):
            queue(faceless | {"who": who, "keep": keep})
