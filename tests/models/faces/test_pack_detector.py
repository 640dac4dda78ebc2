"""A face detector in SCRFD's layout, made here, loaded and run by insightface: it finds a face by a red mark."""

import sys

import pytest
import torch
from diffsfsr.models.faces.insightface_pack import PackDetector, load_pack
from diffsfsr.models.faces.mesh import Face, FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.frames import five_points
from torch import Tensor

MARK = 16  # pixels from the left and the top


@pytest.fixture(scope="module")
def marked(acted) -> Tensor:
    """(3, 640, 640): a face, and a red cell in the corner."""
    picture = acted("P001", 0, 640).clone()
    picture[:, MARK : MARK + 8, MARK : MARK + 8] = torch.tensor([1.0, -1, -1])[:, None, None]
    return picture


@pytest.fixture(scope="module")
def usual(face_mesh, marked) -> Face:
    """The face as the mesh's own detector finds it."""
    return face_mesh.find(marked)[0]


@pytest.fixture(scope="module")
def pack(scrfd, usual, tmp_path_factory):
    """A pack whose detector says where that face is, with the five points that insightface's detectors give."""
    folder = tmp_path_factory.mktemp("models") / "ours"
    folder.mkdir()
    points = five_points(usual.points) - MARK
    low, high = points.amin(0) - 60, points.amax(0) + 60
    scrfd(folder / "det_test.onnx", [*low.tolist(), *high.tolist()], points.tolist())
    return folder


def test_the_detector_looks_at_the_picture_in_the_right_colours(pack, marked, usual):
    detector = PackDetector.load(pack)
    blue, moved = marked.flip(0), marked.roll((24, 40), (1, 2))
    red, none, shifted = detector(torch.stack([marked, blue, moved]))
    assert len(red.boxes) == len(shifted.boxes) == 1 and not len(none.boxes) and red.scores[0] > 0.99
    torch.testing.assert_close(red.keypoints[0], five_points(usual.points), atol=0.1, rtol=0)
    torch.testing.assert_close(shifted.keypoints - red.keypoints, torch.tensor([40.0, 24]).expand(1, 5, 2))
    torch.testing.assert_close(shifted.boxes - red.boxes, torch.tensor([[40.0, 24, 40, 24]]), atol=0.01, rtol=0)


def test_its_box_is_about_that_of_the_usual_detector(face_mesh, pack, marked):
    with torch.no_grad():
        wanted, got = (detector(marked[None])[0].boxes[0] for detector in (face_mesh.detector, PackDetector.load(pack)))
    assert (got - wanted).abs().max() < 0.1 * (wanted[2] - wanted[0])


def test_the_mesh_reads_the_same_face(pack, marked, usual):
    mesh = FaceMesh.load(find_task_file(), detector=PackDetector.load(pack))
    (face,) = mesh.find(marked)
    size = usual.points[:, 1].amax() - usual.points[:, 1].amin()
    assert (face.points - usual.points)[:, :2].norm(dim=1).mean() < 0.01 * size
    assert (face.blendshapes - usual.blendshapes).abs().mean() < 0.02
    assert mesh.find(marked.flip(0)) == []  # what the detector does not find, nothing else looks for


def test_what_is_no_face_the_mesh_rejects(pack, marked):
    mesh = FaceMesh.load(find_task_file(), detector=PackDetector.load(pack))
    assert mesh.find(marked.roll((0, 320), (1, 2)).clone().index_fill(2, torch.arange(360, 640), 0.5)) == []


def test_a_pack_gives_what_it_has(pack, tmp_path):
    detector, recogniser = load_pack(pack)
    assert isinstance(detector, PackDetector) and recogniser is None
    with pytest.raises(ValueError, match="no .onnx file in .*unpack the insightface pack there"):
        load_pack(tmp_path)


def test_without_the_package_an_error_says_what_to_install(pack, monkeypatch):
    monkeypatch.setitem(sys.modules, "insightface.model_zoo", None)  # what Python does when a package is missing
    with pytest.raises(ValueError, match='pack "ours" needs the package insightface.*pip install insightface'):
        PackDetector.load(pack)
