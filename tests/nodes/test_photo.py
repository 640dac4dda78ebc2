"""Example pictures that the pack brings, beside the user's own, as Load Image and Load Video give them."""

import av
import numpy as np
import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.host


def test_every_example_shows_a_face_and_says_that_it_is_generated(host, run, diffsfsr):
    photo = host.part("nodes.photo")
    for name in photo.PHOTOS:
        image, mask = run("DiffSFSRPhoto", image=name)
        faces = diffsfsr.ready().mesh.find(image[0].movedim(-1, 0) * 2 - 1)
        assert len(faces) == (2 if "group" in name else 1), name
        assert not mask.any()
        file = photo.EXAMPLES / name
        assert b"compositeWithTrainedAlgorithmicMedia" in file.read_bytes() and file.stat().st_size < 110_000
    assert {path.name for path in photo.EXAMPLES.iterdir()} == {*photo.PHOTOS, *photo.CLIPS}


def test_a_picture_of_the_users_is_what_load_image_gives(host, run):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 4), np.uint8)
    Image.fromarray(pixels).save(host.base / "input" / "own.png")
    assert "own.png" in host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRPhoto"].INPUT_TYPES()["required"]["image"][1]["options"]
    wanted = host.nodes.NODE_CLASS_MAPPINGS["LoadImage"]().load_image("own.png")
    for got, want in zip(run("DiffSFSRPhoto", image="own.png"), wanted, strict=True):
        assert torch.equal(got, want)


def test_a_picture_of_the_users_goes_before_an_example_of_its_name(host, run):
    own = host.base / "input" / "example_calm.jpg"
    before = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRPhoto"].fingerprint_inputs("example_calm.jpg")
    Image.new("RGB", (40, 24)).save(own)
    try:
        image, _ = run("DiffSFSRPhoto", image="example_calm.jpg")
        assert image.shape == (1, 24, 40, 3)
        assert host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRPhoto"].fingerprint_inputs("example_calm.jpg") != before
    finally:
        own.unlink()


@pytest.mark.parametrize(("node", "widget"), [("DiffSFSRPhoto", "image"), ("DiffSFSRClip", "file")])
def test_a_file_that_is_gone_is_said_before_the_run(host, node, widget):
    prompt = {
        "1": {"class_type": node, "inputs": {widget: "gone.png"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    valid, _, _, errors = host.loop.run_until_complete(host.execution.validate_prompt("1", prompt, None))
    assert not valid and "upload it" in str(errors)


def test_the_example_clip_and_one_of_the_users_are_read(host, run):
    (video,) = run("DiffSFSRClip", file="example_clip.mp4")
    frames = video.get_components().images
    assert len(frames) > 20 and frames.shape[1:] == (448, 448, 3)
    assert (frames[0] - frames[6]).abs().max() > 0.2
    with av.open(str(host.base / "input" / "own.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for packet in stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))) + stream.encode():
            file.mux(packet)
    (video,) = run("DiffSFSRClip", file="own.mp4")
    assert video.get_components().images.shape == (1, 32, 32, 3)


def test_nodes_that_show_what_they_read_run_alone_and_again(queue):
    """Nothing else is wired: a face, an identity and an expression are looked at before a sampler is there."""
    loaded = {"diffsfsr": ["load", 0]}
    face = {"image": ["photo", 0], "face": "largest", "face_number": 0}
    prompt = {
        "load": {"class_type": "DiffSFSRLoad", "inputs": {"checkpoint": "mini.safetensors"}},
        "photo": {"class_type": "DiffSFSRPhoto", "inputs": {"image": "example_portrait.jpg"}},
        "who": {"class_type": "DiffSFSREncodeIdentity", "inputs": loaded | face},
        "where": {"class_type": "DiffSFSRExtractBackground", "inputs": loaded | face},
        "what": {
            "class_type": "DiffSFSRExpressionByLabel",
            "inputs": loaded | {"label": "joy", "variant": 0, "intensity": 1.0},
        },
    }
    for _ in range(2):  # the second time all of it is kept
        shown = queue(prompt)
        assert all(shown[key]["images"] for key in ("who", "where", "what"))


def test_the_examples_keep_their_names(host):
    """Workflows that people share name them."""
    photo = host.part("nodes.photo")
    assert photo.PHOTOS[0] == "example_selfie.jpg" and photo.CLIPS == ("example_clip.mp4",)
    shared = {"example_calm.jpg", "example_man.jpg", "example_smile.jpg", "example_portrait.jpg", "example_group.jpg"}
    assert shared < set(photo.PHOTOS)
