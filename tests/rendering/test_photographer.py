import pytest
from diffsfsr.models.faces.mesh import FaceMesh
from diffsfsr.models.faces.task_file import find_task_file


def test_heads_are_photographed_from_any_side(opengl):
    from diffsfsr.evaluation.heads import SIDE, Photographer

    photograph, mesh = Photographer(), FaceMesh.load(find_task_file())
    faces = [mesh.find(photograph("anders", yaw))[0] for yaw in (0, 30)]
    assert photograph.place.side == SIDE
    assert [float(face.pose[0]) for face in faces] == pytest.approx([0, 30], abs=8)
    width = float(faces[0].points[:, 0].max() - faces[0].points[:, 0].min())
    assert 0.25 * SIDE < width < 0.5 * SIDE  # hair and shoulders are in the picture
