import pytest
import torch
from diffsfsr.models.appearance import topology
from diffsfsr.models.appearance.raster import signed_areas
from diffsfsr.models.faces.mesh import MEAN_FACE
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def connections():
    pytest.importorskip("mediapipe", reason="mediapipe is not installed; `make test` installs it")
    from mediapipe.tasks.python.vision.face_landmarker import FaceLandmarksConnections

    return {
        name.removeprefix("FACE_LANDMARKS_"): [(c.start, c.end) for c in value]
        for name, value in vars(FaceLandmarksConnections).items()
        if name.startswith("FACE_LANDMARKS_")
    }


def edges(*loops) -> set[frozenset[int]]:
    return {frozenset(pair) for loop in loops for pair in zip(loop, [*loop[1:], loop[0]], strict=True)}


def ring(opening) -> tuple[int, ...]:
    return opening[0] + opening[1][-2:0:-1]


def test_triangles_are_mediapipes(connections):
    tesselation = connections["TESSELATION"]
    theirs = {frozenset(sum(tesselation[i : i + 3], ())) for i in range(0, len(tesselation), 3)}
    assert len(topology.TRIANGLES) == len(theirs)
    assert {frozenset(t) for t in topology.TRIANGLES} == theirs


def test_outline_and_openings_are_mediapipes(connections):
    def pairs(name):
        return {frozenset(c) for c in connections[name]}

    assert edges(topology.OUTLINE) == pairs("FACE_OVAL")
    # the person's right eye is the viewer's left one
    assert edges(ring(topology.LEFT_EYE)) == pairs("RIGHT_EYE")
    assert edges(ring(topology.RIGHT_EYE)) == pairs("LEFT_EYE")
    assert edges(ring(topology.MOUTH), ring(topology.LIPS)) == pairs("LIPS")
    assert edges(topology.LEFT_IRIS[1:]) == pairs("RIGHT_IRIS")
    assert edges(topology.RIGHT_IRIS[1:]) == pairs("LEFT_IRIS")


def test_outline_and_openings_are_the_borders_of_the_triangles():
    sides = [frozenset(pair) for a, b, c in topology.TRIANGLES for pair in ((a, b), (b, c), (c, a))]
    border = {side for side in sides if sides.count(side) == 1}
    openings = map(ring, (topology.LEFT_EYE, topology.RIGHT_EYE, topology.MOUTH))
    assert border == edges(topology.OUTLINE, *openings)


def test_triangles_and_strips_show_a_frontal_face_their_front():
    face = load_file(MEAN_FACE)["points"][None]
    lids_and_lips = sum((topology.strip(o) for o in (topology.LEFT_EYE, topology.RIGHT_EYE)), [])
    for triangles in (topology.TRIANGLES, lids_and_lips):
        assert (signed_areas(face, torch.tensor(triangles)) > 0).all()


def test_mirrored_points_are_those_of_the_mirrored_mean_face():
    face = load_file(MEAN_FACE)["points"]
    order = topology.mirror()
    assert [order[i] for i in order] == list(range(478))
    flipped = face[order] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(flipped, face, atol=1e-4, rtol=0)  # metres
