"""The reader of .tflite files: what it computes, and what it says to files that it cannot read."""

import struct
import zipfile

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.faces.tflite import Graph, _pad_same


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    with zipfile.ZipFile(find_task_file()) as archive:
        return {name: archive.read(f"{name}.tflite") for name in ("face_landmarks_detector", "face_blendshapes")}


@pytest.fixture(scope="module")
def blendshapes(files) -> Graph:
    return Graph(files["face_blendshapes"])


@pytest.fixture(scope="module")
def landmarks(files) -> Graph:
    return Graph(files["face_landmarks_detector"])


def test_shapes_follow_the_batch_although_the_file_says_one(blendshapes, landmarks):
    assert blendshapes.input_shape == (1, 146, 2)
    assert blendshapes(torch.rand(5, 146, 2))[0].shape == (5, 52)
    points, *_ = landmarks(torch.rand(2, 256, 256, 3))
    assert points.flatten(1).shape == (2, 478 * 3)


def test_a_batch_is_its_members(blendshapes, landmarks):
    generator = torch.Generator().manual_seed(0)
    for graph, shape in ((blendshapes, (3, 146, 2)), (landmarks, (3, 256, 256, 3))):
        x = torch.rand(shape, generator=generator)
        batch = graph(x)[0]
        for i in range(3):
            assert torch.allclose(batch[i], graph(x[i : i + 1])[0][0], atol=1e-3)


def test_gradients_are_those_of_the_function(files):
    graph = Graph(files["face_blendshapes"]).double()
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, 146, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(52, generator=generator, dtype=torch.float64)
    direction = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((graph(x)[0] @ weight).sum(), x)
    with torch.no_grad():
        ahead, behind = (graph(x + step * direction)[0] @ weight for step in (1e-9, -1e-9))
    expected = (ahead - behind).sum() / 2e-9
    assert expected.abs() > 1e-3
    assert (gradient * direction).sum().item() == pytest.approx(expected.item(), rel=1e-4)


def test_weights_are_float32_and_stay_out_of_checkpoints(landmarks):
    assert {buffer.dtype for buffer in landmarks.buffers()} == {torch.float32}
    assert not landmarks.state_dict()
    assert sum(buffer.numel() for buffer in landmarks.buffers()) > 1_000_000


@pytest.mark.parametrize(("side", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 1), (5, 2, 2), (4, 1, 2)])
def test_same_padding_is_tensorflows(side, kernel, stride):
    x = torch.arange(float(side)).expand(1, 1, side, side)
    padded = _pad_same(x, (kernel, kernel), (stride, stride), 0.0)
    assert F.max_pool2d(padded, kernel, stride).shape[-1] == -(-side // stride)
    added = padded.shape[-1] - side
    assert padded[0, 0, added // 2 :, added // 2 :][:side, :side].equal(x[0, 0])  # the odd pixel is the last one


def test_wrong_input_shape_is_refused(blendshapes):
    with pytest.raises(ValueError, match=r"\(1, 478, 2\).*146"):
        blendshapes(torch.rand(1, 478, 2))


def test_files_that_are_none_are_refused(files):
    whole = files["face_blendshapes"]
    for data in (b"", b"PK\x03\x04 a zip", whole[:8], whole[:1000], whole[: len(whole) // 2]):
        with pytest.raises(ValueError, match="tflite"):
            Graph(data)


def test_an_unknown_operator_is_named(files):
    data = bytearray(files["face_blendshapes"])
    model = struct.unpack_from("<I", data)[0]
    table = model - struct.unpack_from("<i", data, model)[0]
    vector = model + struct.unpack_from("<H", data, table + 4 + 2 * 1)[0]  # field 1 of Model: the operator codes
    vector += struct.unpack_from("<I", data, vector)[0]
    code = vector + 4 + struct.unpack_from("<I", data, vector + 4)[0]
    fields = code - struct.unpack_from("<i", data, code)[0]
    place = code + struct.unpack_from("<H", data, fields + 4)[0]  # field 0 of OperatorCode
    data[place] = 123
    with pytest.raises(ValueError, match="operator 123"):
        Graph(bytes(data))
