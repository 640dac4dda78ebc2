"""Structures as ComfyUI 0.33's nodes give them: Detect Face Landmarks (MediaPipe), SDPose Face Bounding Boxes, ..."""

import numpy as np
import pytest
import torch
from diffsfsr.models.faces.given import boxes_by_picture, landmarks_by_picture, look_into, read_landmarks
from diffsfsr.models.faces.mesh import BLENDSHAPES, Face

CROP = 192  # side of the crop that ComfyUI's mesh reads, pixels


def as_comfyui(face: Face, score: float = 0.9) -> dict:
    """One face of FACE_LANDMARKS: the crop is upright by the eyes and may be of other proportions than the picture."""
    flat = face.points[:, :2].numpy()
    low, high = flat.min(0), flat.max(0)
    angle = torch.deg2rad(-face.pose[2])
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    scale = CROP / (1.5 * float((high - low).max()))
    solid = torch.cat([(face.points[:, :2] - face.points[:, :2].mean(0)) @ turn.T, face.points[:, 2:]], dim=1) * scale
    names = ("_neutral", *BLENDSHAPES)
    return {
        "bbox_xyxy": np.concatenate([low, high]).astype(np.float32),
        "blendshapes": dict(zip(names, [0.0, *face.blendshapes.tolist()], strict=True)),
        "landmarks_xy": flat.astype(np.float32),
        "landmarks_3d": (solid.numpy() + [CROP / 2, CROP / 2, 0]).astype(np.float32),
        "presence": 8.0,
        "score": score,
        "transformation_matrix": np.eye(4, dtype=np.float32),
    }


def landmarks(*frames: list[dict], size: tuple[int, int] = (200, 200)) -> dict:
    return {"frames": list(frames), "image_size": size, "connection_sets": {"face_oval": frozenset({(10, 338)})}}


@pytest.fixture(scope="module")
def found(face_mesh, acted) -> Face:
    return face_mesh.find(acted("P001", 0))[0]


def test_landmarks_say_what_our_own_mesh_says(face_mesh, found):
    ((given,),) = landmarks_by_picture(landmarks([as_comfyui(found)]), 1, (200, 200))
    (read,) = read_landmarks([given], face_mesh)
    torch.testing.assert_close(read.points[:, :2], found.points[:, :2])
    torch.testing.assert_close(read.blendshapes, found.blendshapes)
    torch.testing.assert_close(read.pose, found.pose, atol=0.2, rtol=0)
    away = (read.points - read.points.mean(0))[:, 2] - (found.points - found.points.mean(0))[:, 2]
    assert away.abs().max() < 0.02 * (found.points[:, 2].max() - found.points[:, 2].min())
    assert read.score > 0.99


def test_faces_come_largest_first_and_frames_may_be_empty(face_mesh, found):
    small = Face(found.points * 0.4, found.blendshapes, found.pose, 1.0)
    frames = landmarks_by_picture(landmarks([as_comfyui(small), as_comfyui(found)], []), 2, (200, 200))
    widths = [float(face.points[:, 0].max() - face.points[:, 0].min()) for face in read_landmarks(frames[0], face_mesh)]
    assert widths[0] > 2 * widths[1] and read_landmarks(frames[1], face_mesh) == []


@pytest.mark.parametrize("count, size, words", [
    (2, (200, 200), "landmarks of 1 pictures of 200x200 px for 2 of 200x200 px; find the landmarks in the very"),
    (1, (200, 100), "for 1 of 100x200 px"),
])  # fmt: skip
def test_landmarks_of_other_pictures_are_refused(found, count, size, words):
    with pytest.raises(ValueError, match=words):
        landmarks_by_picture(landmarks([as_comfyui(found)]), count, size)


def test_what_is_no_landmarks_is_refused(face_mesh, found):
    with pytest.raises(ValueError, match="landmarks without frames: 'none'"):
        landmarks_by_picture("none", 1, (200, 200))
    face = as_comfyui(found)
    with pytest.raises(ValueError, match="without 'landmarks_3d'"):
        read_landmarks([{key: face[key] for key in face if key != "landmarks_3d"}], face_mesh)
    with pytest.raises(ValueError, match=r"of shape \(468, 2\) and \(478, 3\), want MediaPipe's \(478, 2\)"):
        read_landmarks([face | {"landmarks_xy": face["landmarks_xy"][:468]}], face_mesh)


BOX = {"x": 10, "y": 20, "width": 30, "height": 40}


@pytest.mark.parametrize("boxes, lists", [
    (BOX, [[BOX], [BOX]]),  # Bounding Box
    ([BOX, BOX], [[BOX, BOX], [BOX, BOX]]),  # one list for every picture
    ([[BOX]], [[BOX], [BOX]]),
    ([[BOX | {"label": "face", "score": 0.8}], []], [[BOX | {"label": "face", "score": 0.8}], []]),  # one for each
    ([], [[], []]),
])  # fmt: skip
def test_boxes_come_in_several_forms(boxes, lists):
    assert boxes_by_picture(boxes, 2) == lists


@pytest.mark.parametrize("boxes, words", [
    ([[BOX], [BOX], [BOX]], "bounding boxes for 3 pictures, want them for all 2"),
    (7, "got 7 as bounding boxes"),
    ([{"x": 1, "y": 2, "width": 3}], "as a bounding box, want numbers for x, y, width and height"),
    ([[(1, 2, 3, 4)]], r"got \(1, 2, 3, 4\) as a bounding box"),
])  # fmt: skip
def test_other_boxes_are_refused(boxes, words):
    with pytest.raises(ValueError, match=words):
        boxes_by_picture(boxes, 2)


@pytest.fixture(scope="module")
def crowd(acted) -> torch.Tensor:
    """(3, 300, 900): three faces beside each other, the middle one small."""
    picture = torch.zeros(3, 300, 900)
    picture[:, :260, :260] = acted("P001", 0, 260)
    picture[:, 100:200, 400:500] = acted("P002", 0, 100)
    picture[:, :240, 640:880] = acted("P003", 0, 240)
    return picture


def middles(faces: list[Face]) -> list[float]:
    return [float(face.points[:, 0].mean()) for face in faces]


def test_a_box_says_where_to_look(face_mesh, crowd):
    tight = {"x": 425.0, "y": 115.0, "width": 50.0, "height": 60.0, "label": "face", "score": 0.7}
    (face,) = look_into([tight], crowd, face_mesh)
    assert 430 < middles([face])[0] < 470
    near = face_mesh.find(crowd[:, 100:200, 400:500])[0].points[:, :2] + torch.tensor([400.0, 100.0])
    assert (face.points[:, :2] - near).norm(dim=1).mean() < 2  # read from a crop of its own, at nearly the same scale


def test_of_a_persons_box_the_face_is_taken_and_empty_ones_are_passed_over(face_mesh, crowd):
    person = {"x": 0, "y": 0, "width": 260, "height": 300}
    wall = {"x": 520, "y": 0, "width": 60, "height": 80}
    outside = {"x": 2000, "y": 10, "width": 50, "height": 50}
    right = {"x": 640, "y": 0, "width": 240, "height": 240}
    found = middles(look_into([wall, right, outside, person, person], crowd, face_mesh))
    assert sorted(found) == pytest.approx([150, 780], abs=20)
