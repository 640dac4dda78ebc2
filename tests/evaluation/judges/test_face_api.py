import json
import struct

import pytest
import torch
from diffsfsr.evaluation.judges.face_api import DlibRecogniser, FaceReader, load, read_weights


@pytest.fixture
def manifest(tmp_path):
    """Two floats, and four bytes that stand for -1, -0.5, 0 and 126.5, a depthwise filter of 2 x 1 pixels."""
    packing = {"dtype": "uint8", "scale": 0.5, "min": -1.0}
    weights = [
        {"name": "fc/bias", "shape": [2], "dtype": "float32"},
        {"name": "a/b/depthwise_filter", "shape": [2, 1, 2, 1], "dtype": "float32", "quantization": packing},
    ]
    path = tmp_path / "small_model-weights_manifest.json"
    path.write_text(json.dumps([{"paths": ["small_model.bin"], "weights": weights}]))
    (tmp_path / "small_model.bin").write_bytes(struct.pack("<2f4B", 3.0, -7.0, 0, 1, 2, 255))
    return path


def test_weights_are_unpacked_and_in_torchs_order(manifest):
    weights = read_weights(manifest)
    assert weights["fc.bias"].tolist() == [3.0, -7.0]
    filters = weights["a.b.depthwise_filter"]
    assert filters.shape == (2, 1, 2, 1) and filters.dtype == torch.float32
    assert filters[0, 0, :, 0].tolist() == [-1.0, 0.0] and filters[1, 0, :, 0].tolist() == [-0.5, 126.5]


def test_broken_and_foreign_files_are_refused(manifest):
    with pytest.raises(ValueError, match="weights of the judge small do not fit.*missing"):
        load(FaceReader(7), manifest.parent, "small")
    data = manifest.with_name("small_model.bin")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cannot read the judge small_model-weights_manifest.json.*make judges"):
        read_weights(manifest)
    data.unlink()
    with pytest.raises(ValueError, match="cannot read the judge"):
        read_weights(manifest)


@pytest.mark.parametrize("network, size, outputs", [
    (DlibRecogniser(), 150, 128), (FaceReader(7), 112, 7), (FaceReader(136), 112, 136),
])  # fmt: skip
def test_a_batch_is_its_single_faces(network, size, outputs):
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=generator)
    x = torch.rand(2, 3, size, size, generator=generator) * 2 - 1
    with torch.no_grad():
        both = network(x)
        assert both.shape == (2, outputs)
        torch.testing.assert_close(both, torch.cat([network(face[None]) for face in x]))
