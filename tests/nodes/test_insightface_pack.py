"""insightface packs that users have in models/insightface/models: chosen in Load DiffSFSR, used by the other nodes."""

import sys

import pytest
import torch

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def photo(people) -> torch.Tensor:
    """IMAGE (1, 640, 640, 3): a portrait, with a red cell in its corner."""
    image = people(2, height=640).clone()
    image[:, :8, :8] = torch.tensor([1.0, 0, 0])
    return image


@pytest.fixture(scope="module")
def folder(host):
    folder = host.base / "models" / "insightface" / "models"
    (folder / "empty").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def pack(host, diffsfsr, scrfd, photo, folder) -> str:
    """Its detector finds the portrait's face by the red cell; its recogniser sees colours only."""
    import onnx
    from onnx import TensorProto, helper

    usual = diffsfsr.ready().mesh.find(photo[0].movedim(-1, 0) * 2 - 1)[0].points
    (folder / "ours").mkdir()
    five = host.part("models.frames").five_points(usual)
    scrfd(folder / "ours" / "det_ours.onnx", (0, 0, 640, 640), five.tolist())
    nodes = [
        helper.make_node("AveragePool", ["face"], ["cells"], kernel_shape=[56, 56], strides=[56, 56]),
        helper.make_node("Flatten", ["cells"], ["code"]),
    ]
    ends = [helper.make_tensor_value_info("face", TensorProto.FLOAT, [1, 3, 112, 112])]
    ends.append(helper.make_tensor_value_info("code", TensorProto.FLOAT, [1, 12]))
    graph = helper.make_graph(nodes, "colours", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "ours" / "w_ours.onnx")
    return "ours"


def test_packs_that_are_there_can_be_chosen(host, pack):
    kind, options = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRLoad"].INPUT_TYPES()["optional"]["insightface_pack"]
    assert options["options"] == ["none", "ours"] and options["default"] == "none"


def test_folders_that_others_named_are_looked_in(host, folder, tmp_path):
    names, load = host.folder_paths.folder_names_and_paths, host.part("nodes.load")
    (tmp_path / "models" / "theirs").mkdir(parents=True)
    (tmp_path / "models" / "theirs" / "det.onnx").touch()
    before = names.get("insightface")
    names["insightface"] = ([str(tmp_path)], set())
    try:
        assert "theirs" in load.packs() and load.pack_folders() == [tmp_path / "models", folder]
    finally:
        del names["insightface"]
        if before:
            names["insightface"] = before


def test_its_detector_finds_faces_and_its_recogniser_compares_them(run, pack, photo):
    plain = run("DiffSFSRLoad", checkpoint="mini.safetensors")[0]
    loaded = run("DiffSFSRLoad", checkpoint="mini.safetensors", insightface_pack=pack)[0]
    face = dict(face="largest", face_number=0)
    found, usual = (run("DiffSFSREncodeIdentity", diffsfsr=each, image=photo, **face)[0] for each in (loaded, plain))
    assert found.recognisers == usual.recognisers
    torch.testing.assert_close(found.code, usual.code, atol=0.05, rtol=0)
    with pytest.raises(ValueError, match="no face found"):
        run("DiffSFSREncodeIdentity", diffsfsr=loaded, image=photo.flip(2), **face)  # the red cell is elsewhere
    report, cosine, *_ = run("DiffSFSRFaceReport", diffsfsr=loaded, first=photo, second=photo, **face)
    assert "by the insightface pack 1.000" in report and cosine == pytest.approx(1)
    assert "insightface" not in run("DiffSFSRFaceReport", diffsfsr=plain, first=photo, second=photo, **face)[0]


def test_packs_and_packages_that_are_missing_are_named(run, pack, monkeypatch):
    with pytest.raises(ValueError, match='no insightface pack "gone" in .*unpack it to ComfyUI/models/insightface'):
        run("DiffSFSRLoad", checkpoint="mini.safetensors", insightface_pack="gone")
    monkeypatch.setitem(sys.modules, "insightface.model_zoo", None)  # what Python does when a package is missing
    with pytest.raises(ValueError, match='pack "ours" needs the package insightface.*pip install insightface'):
        run("DiffSFSRLoad", checkpoint="mini.safetensors", insightface_pack=pack)
