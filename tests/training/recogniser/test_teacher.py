import zipfile

import pytest
import torch
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.faces.tflite import Graph
from diffsfsr.training.recogniser.teacher import Teacher, hint_values


@pytest.fixture(scope="module")
def face_detector_file() -> bytes:
    with zipfile.ZipFile(find_task_file()) as archive:
        return archive.read("face_detector.tflite")


def test_values_inside_a_graph_come_after_its_outputs(face_detector_file):
    plain = Graph(face_detector_file)
    inner = plain.steps[3].output
    x = torch.rand(2, *plain.input_shape[1:])
    *outputs, value = Graph(face_detector_file, (inner,))(x)
    assert all(torch.equal(a, b) for a, b in zip(outputs, plain(x), strict=True))
    assert value.shape[0] == 2 and value.std() > 0


def test_a_network_of_another_kind_cannot_teach(face_detector_file):
    with pytest.raises(ValueError, match="want a network such as MobileFaceNet"):
        hint_values(face_detector_file)
    with pytest.raises(ValueError, match="TFL3"):
        Teacher(b"not a network")
