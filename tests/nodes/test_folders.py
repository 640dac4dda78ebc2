"""Files that come, change and go, and folders that cannot be read, as the host meets them."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.host

NOBODY = 65534


@pytest.fixture(scope="module")
def checkpoint(write_checkpoint) -> Path:
    return write_checkpoint("folders.safetensors")


@pytest.fixture(scope="module")
def photos(people, tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{number}.png" for number in range(2)]
    for number, path in enumerate(paths):
        Image.fromarray((people(number)[0] * 255).round().to(torch.uint8).numpy()).save(path)
    return paths


def load(checkpoint: Path) -> dict:
    return {"class_type": "DiffSFSRLoad", "inputs": {"checkpoint": checkpoint.name}}


def show(node: str) -> dict:
    return {"class_type": "DiffSFSRSaveExpression", "inputs": {"expression": [node, 0], "filename_prefix": "shown"}}


def test_photos_that_come_and_go_are_seen(host, queue, checkpoint, photos):
    label = Path(host.folder_paths.get_input_directory()) / "mine" / "calm"
    label.mkdir(parents=True)
    shutil.copyfile(photos[0], label / "a.png")
    settings = {"folder": "mine", "label": "calm", "pick": "random", "seed": 0, "intensity": 1.0}
    drawn = {"class_type": "DiffSFSRExpressionFromFolder", "inputs": {"diffsfsr": ["load", 0], **settings}}
    graph = {"load": load(checkpoint), "drawn": drawn, "show": show("drawn")}
    assert "calm/a.png\n1 photos read" in queue(graph)["drawn"]["text"][0]
    queue(graph)
    assert queue.ran == set()
    shutil.copyfile(photos[1], label / "b.png")
    assert "2 photos read" in queue(graph)["drawn"]["text"][0] and queue.ran == {"drawn", "show"}
    (label / "a.png").unlink()
    assert "calm/b.png\n1 photos read" in queue(graph)["drawn"]["text"][0]
    shutil.copyfile(photos[0], label / "b.png")
    os.utime(label / "b.png", (10**9, 10**9))
    queue(graph)
    assert queue.ran == {"drawn", "show"}


def test_another_file_under_the_same_name_is_loaded(host, queue, checkpoint, run, diffsfsr):
    """Of a checkpoint, an identity and an expression."""
    expression = run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="joy", variant=0, intensity=1.0)[0]
    folder = Path(host.folder_paths.get_output_directory()) / "expressions"
    folder.mkdir(parents=True, exist_ok=True)
    host.part("models.expression.file").save_expression(folder / "kept.safetensors", expression)
    host.folder_paths.filename_list_cache.clear()
    kept = {"class_type": "DiffSFSRLoadExpression", "inputs": {"file": "kept.safetensors"}}
    drawn = {"class_type": "DiffSFSRExpressionByLabel",
             "inputs": {"diffsfsr": ["load", 0], "label": "joy", "variant": 0, "intensity": 1.0}}  # fmt: skip
    graph = {"load": load(checkpoint), "drawn": drawn, "show drawn": show("drawn"), "kept": kept, "show": show("kept")}
    queue(graph)
    queue(graph)
    assert queue.ran == set()
    os.utime(folder / "kept.safetensors", (10**9, 10**9))
    queue(graph)
    assert queue.ran == {"kept", "show"}
    os.utime(checkpoint, (10**9, 10**9))
    queue(graph)
    assert queue.ran == {"load", "drawn", "show drawn"}


@contextmanager
def barred(*folders: Path, open_up: Path):
    """Folders that may not be read, not even by the tests' own user."""
    root = os.geteuid() == 0
    modes = {path: path.stat().st_mode for path in (open_up, *open_up.parents) if path.stat().st_uid == os.geteuid()}
    for path in modes if root else ():
        path.chmod(modes[path] | 0o055)  # so that nobody gets as far as there
    for folder in folders:
        folder.chmod(0)
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for folder in folders:
            folder.chmod(0o755)
        for path, mode in modes.items():
            path.chmod(mode)


def test_folders_that_cannot_be_read_stop_no_node(host):
    names, models = host.folder_paths, Path(host.folder_paths.models_dir)
    top = Path(names.get_input_directory())
    (top / "open" / "label").mkdir(parents=True)
    closed = [top / "closed", models / "insightface" / "models", models / "diffsfsr" / "identities",
              Path(names.get_output_directory()) / "expressions", models / "mediapipe"]  # fmt: skip
    for folder in closed:
        folder.mkdir(parents=True, exist_ok=True)
    nodes = [node for name, node in host.nodes.NODE_CLASS_MAPPINGS.items() if name.startswith("DiffSFSR")]
    assert len(nodes) >= 22
    for shut in (closed, [top]):
        with barred(*shut, open_up=host.base):
            names.filename_list_cache.clear()
            assert not os.access(shut[0], os.R_OK, effective_ids=True)
            offered = {node.GET_SCHEMA().node_id: node.INPUT_TYPES() for node in nodes}
            listed = host.part("nodes").list_nodes()
        folders = offered["DiffSFSRExpressionFromFolder"]["required"]["folder"][1]["options"]
        assert len(listed) == len(nodes) and "closed" not in folders and ("open" in folders) == (shut == closed)
        assert "mini.safetensors" in offered["DiffSFSRLoad"]["required"]["checkpoint"][1]["options"]
    names.filename_list_cache.clear()


@pytest.mark.parametrize("node, wire", [
    ("DiffSFSREncodeIdentity", "image"), ("DiffSFSRExtractBackground", "image"),
    ("DiffSFSRExpressionFromImage", "image"), ("DiffSFSRSavePortrait", "images"),
])  # fmt: skip
def test_batches_that_are_empty_or_in_other_numbers_are_refused_in_words(run, diffsfsr, people, node, wire):
    known = dict(filename_prefix="x") if wire == "images" else dict(face="largest", face_number=0)
    known |= dict(intensity=1.0) if "Expression" in node else {}
    for image, words in ((people(1)[:0], "batch is empty"), (people(1) * 255, "pixels up to 2.., want 0 to 1")):
        with pytest.raises(ValueError, match=words):
            run(node, diffsfsr=diffsfsr, **{wire: image}, **known)


def test_blendshapes_of_other_tools_are_read_and_what_is_left_out_is_shown(queue):
    values = {"class_type": "DiffSFSRExpressionFromValues",
              "inputs": {"values": '{"_neutral": 0.9, "jaw_open": 0.4, "tongueOut": 0.2}'}}  # fmt: skip
    shown = queue({"values": values, "show": show("values")})
    assert "left out, since they mean nothing here: _neutral, tongueOut" in shown["values"]["text"][0]
