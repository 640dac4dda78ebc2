"""An insightface pack made of our own recogniser; insightface's own packs are not needed."""

import dataclasses
import shutil
import sys

import pytest
import torch
from diffsfsr.models.conditions import Conditioner
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.faces.insightface_pack import PackRecogniser, find_pack, load_pack
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.frames import five_points
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.checkpoint import ASSETS, save_checkpoint
from diffsfsr.models.network.denoiser import Denoiser
from torch import nn


@pytest.fixture(scope="module")
def own() -> Recogniser:
    return Recogniser.load(ASSETS / "resnet-face.safetensors")


@pytest.fixture(scope="module")
def pack(own, tmp_path_factory):
    """models/insightface/models/ours/: what is no recogniser, by its size, comes first."""
    for package in ("insightface", "onnxscript"):
        pytest.importorskip(package, reason=f"{package} is not installed; `make test` installs it")
    import onnx
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("models") / "ours"
    folder.mkdir()
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 64, 64]) for name in ("in", "out")]
    graph = helper.make_graph([helper.make_node("Identity", ["in"], ["out"])], "other", shapes[:1], shapes[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "another_part.onnx")
    torch.onnx.export(
        own, (torch.zeros(2, 3, 112, 112),), folder / "recogniser.onnx", verbose=False,
        dynamic_shapes=({0: torch.export.Dim("n")},),
    )  # fmt: skip
    return folder


def networks(config) -> dict[str, nn.Module]:
    widths = config.autoencoder_widths
    autoencoder = build_autoencoder(widths, config.autoencoder_layers, config.latent_channels, config.latent_scale)
    return {"unet": Denoiser(config).unet, "vae": autoencoder, "conditioner": Conditioner(config)}


def test_a_pack_says_what_its_recogniser_says(own, pack, acted):
    faces = torch.stack([acted("P001", 0, 112), acted("P001", 1, 112), acted("P002", 0, 112)])
    recogniser = PackRecogniser.load(pack)
    torch.testing.assert_close(recogniser(faces), own(faces), atol=1e-4, rtol=0)
    torch.testing.assert_close(recogniser(faces.double()[:1]), own(faces[:1]), atol=1e-4, rtol=0)


def test_a_file_for_one_face_at_a_time_takes_batches_too(own, pack, acted):
    recogniser = PackRecogniser.load(pack)
    recogniser.model.input_shape = [1, 3, 112, 112]
    faces = torch.stack([acted("P001", 0, 112), acted("P002", 0, 112)])
    torch.testing.assert_close(recogniser(faces), own(faces), atol=1e-4, rtol=0)


def test_a_checkpoint_trained_with_a_pack_finds_it(own, pack, tiny, acted, tmp_path):
    config = dataclasses.replace(tiny, recognisers=("resnet-face", "insightface/ours"), identity_size=384)
    path = tmp_path / "tiny.safetensors"
    parts = networks(config)
    save_checkpoint(path, config, parts, 0)
    with pytest.raises(ValueError, match='no insightface pack "ours" in any folder.*models/insightface/models/ours/'):
        Encoders.load(path, find_task_file())
    encoders = Encoders.load(path, find_task_file(), packs=[tmp_path, pack.parent])
    identity, _ = encoders.identity([acted("P001", 0)])
    assert identity.recognisers == ("resnet-face", "insightface/ours")
    torch.testing.assert_close(*identity.code.chunk(2, dim=-1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["theirs", "", "..", "../models"])
def test_missing_packs_are_named(name, tmp_path):
    (tmp_path / "models" / "ours").mkdir(parents=True)
    assert find_pack("ours", [tmp_path, tmp_path / "models"]) == tmp_path / "models" / "ours"
    with pytest.raises(ValueError, match=f'no insightface pack "{name}" in .*models.*unpack it'):
        find_pack(name, [tmp_path / "models"])


def test_one_pack_finds_compares_and_conditions(own, pack, scrfd, tiny, acted, tmp_path):
    """A checkpoint trained with one of ours; the user's pack finds faces and compares them, and conditions nothing."""
    config = dataclasses.replace(tiny, recognisers=("resnet-face",), identity_size=192)
    path, both = tmp_path / "tiny.safetensors", tmp_path / "both"
    parts = networks(config)
    save_checkpoint(path, config, parts, 0)
    plain = Encoders.load(path, find_task_file())
    assert plain.comparer is None
    shutil.copytree(pack, both)
    usual = plain.mesh.find(acted("P001", 0, 640))[0]
    scrfd(both / "det_test.onnx", (0, 0, 640, 640), five_points(usual.points).tolist())
    encoders = Encoders.load(path, find_task_file(), packs=[tmp_path], pack="both")
    picture = acted("P001", 0, 640).clone()
    with pytest.raises(ValueError, match="no face found"):
        encoders.identity([picture])  # the detector made here goes by a red mark
    picture[:, :8, :8] = torch.tensor([1.0, -1, -1])[:, None, None]
    identity, faces = encoders.identity([picture])
    assert identity.recognisers == ("resnet-face",)
    torch.testing.assert_close(identity.code, plain.identity([picture])[0].code, atol=0.05, rtol=0)
    torch.testing.assert_close(encoders.comparer(faces), own(faces), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match='no insightface pack "theirs" in .*unpack it'):
        Encoders.load(path, find_task_file(), packs=[tmp_path], pack="theirs")


def test_packs_without_a_recogniser_are_refused(pack, tmp_path):
    with pytest.raises(ValueError, match="no .onnx file in .*unpack the insightface pack there"):
        PackRecogniser.load(tmp_path)
    shutil.copy(pack / "another_part.onnx", tmp_path)
    with pytest.raises(ValueError, match="no recogniser for 112 x 112 pixels in .*another_part.onnx"):
        PackRecogniser.load(tmp_path)
    with pytest.raises(ValueError, match="no face detector and no recogniser in"):
        load_pack(tmp_path)
    (tmp_path / "another_part.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="insightface cannot read .*another_part.onnx.*Get the pack again"):
        PackRecogniser.load(tmp_path)


def test_without_the_package_an_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "w600k.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "insightface.model_zoo", None)  # what Python does when a package is missing
    with pytest.raises(ValueError, match="needs the package insightface.*pip install insightface"):
        PackRecogniser.load(tmp_path)
