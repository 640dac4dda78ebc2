"""Landmarks and boxes of ComfyUI's own nodes in place of our search; see tests/models/faces/test_given.py."""

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.host

TAKERS = ("DiffSFSREncodeIdentity", "DiffSFSRExpressionFromImage", "DiffSFSRExtractBackground")


@pytest.fixture(scope="module")
def couple(people):
    """One picture with two people, the second somewhat smaller."""
    second = torch.nn.functional.pad(people(5, height=300).movedim(-1, 1), (0, 0, 0, 84)).movedim(1, -1)
    return torch.cat([people(2), second], dim=2)


@pytest.fixture(scope="module")
def landmarks(diffsfsr):
    """IMAGE -> FACE_LANDMARKS with all faces in it."""

    def read(image: torch.Tensor) -> dict:
        frames = []
        with torch.inference_mode():
            for picture in image:
                faces = diffsfsr.ready().mesh.find(picture.movedim(-1, 0) * 2 - 1)
                frames.append([as_comfyui(face) for face in faces])
        return {"frames": frames, "image_size": tuple(image.shape[1:3]), "connection_sets": {}}

    def as_comfyui(face) -> dict:
        flat, names = face.points[:, :2].numpy(), blendshapes()
        low, high = flat.min(0), flat.max(0)
        return {
            "bbox_xyxy": np.concatenate([low, high]),
            "blendshapes": dict(zip(names, [0.0, *face.blendshapes.tolist()], strict=True)),
            "landmarks_xy": flat,
            "landmarks_3d": face.points.numpy() * 0.7,
            "presence": 6.0,
            "score": 0.9,
            "transformation_matrix": np.eye(4),
        }

    def blendshapes() -> tuple[str, ...]:
        from diffsfsr.models.faces.mesh import BLENDSHAPES

        return ("_neutral", *BLENDSHAPES)

    return read


@pytest.fixture(scope="module")
def extract(run, diffsfsr):
    def extract(image, **inputs):
        return run(
            "DiffSFSRExtractBackground",
            diffsfsr=diffsfsr,
            image=image,
            **{"face": "largest", "face_number": 0} | inputs,
        )

    return extract


@pytest.mark.parametrize("node_id", TAKERS)
def test_where_a_face_is_looked_for_the_core_types_are_taken(host, node_id):
    optional = host.nodes.NODE_CLASS_MAPPINGS[node_id].GET_NODE_INFO_V1()["input"]["optional"]
    assert optional["face_landmarks"][0] == "FACE_LANDMARKS"
    assert optional["bboxes"][0] == "BOUNDING_BOX" and optional["bboxes"][1]["forceInput"]
    assert list(optional).index("bboxes") == list(optional).index("face_landmarks") + 1


def test_landmarks_give_the_background_that_our_own_search_gives(extract, couple, landmarks):
    own, given = extract(couple, face="all")[0], extract(couple, face="all", face_landmarks=landmarks(couple))[0]
    assert len(own.index) == len(given.index) == 2
    for name, tolerance in (("crop", 1e-3), ("matrix", 1e-2), ("pose", 0.2), ("blendshapes", 1e-5)):
        torch.testing.assert_close(getattr(given, name), getattr(own, name), atol=tolerance, rtol=0)
    assert torch.equal(given.mask, own.mask)


def test_the_choice_is_among_the_faces_given(extract, couple, landmarks):
    given = landmarks(couple)
    assert extract(couple, face="from the left", face_number=1, face_landmarks=given)[0].matrix.shape == (1, 2, 3)
    given["frames"][0] = given["frames"][0][1:]  # as if the larger face had been left out on purpose
    smaller = extract(couple, face="from the left", face_number=1)[1]
    torch.testing.assert_close(extract(couple, face_landmarks=given)[1], smaller, atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="face 1 of the background picture 1 of 1 was asked for, but it has 1"):
        extract(couple, face="from the left", face_number=1, face_landmarks=given)


def test_frames_without_landmarks_are_frames_without_a_face(extract, couple, landmarks):
    frames = couple.expand(2, -1, -1, -1)
    given = landmarks(couple)
    given["frames"].append([])
    assert extract(frames, face_landmarks=given, without_face="pass through")[0].index.tolist() == [0]
    with pytest.raises(ValueError, match="no face found in the background picture 2 of 2"):
        extract(frames, face_landmarks=given)


def test_a_box_chooses_the_person(extract, couple, people):
    width = people(2).shape[2]
    person = {"x": width, "y": 0, "width": couple.shape[2] - width, "height": 384, "label": "person", "score": 0.8}
    scene, *_ = extract(couple, bboxes=[[person]])
    wanted = extract(couple, face="from the left", face_number=1)[0]
    assert (scene.matrix - wanted.matrix).abs().max() < 2
    with pytest.raises(ValueError, match="no face found"):
        extract(couple, bboxes={"x": 0, "y": 300, "width": 60, "height": 60})


def test_identity_and_expression_are_of_the_face_given(run, diffsfsr, couple, people, landmarks):
    given = landmarks(couple)
    given["frames"][0] = given["frames"][0][1:]
    choice = dict(diffsfsr=diffsfsr, image=couple, face="largest", face_number=0)
    box = {"x": people(2).shape[2], "y": 0, "width": 300, "height": 384}
    right = run("DiffSFSREncodeIdentity", **choice | {"face": "from the left", "face_number": 1})[1]
    torch.testing.assert_close(
        run("DiffSFSREncodeIdentity", **choice, face_landmarks=given)[1], right, atol=1e-3, rtol=0
    )
    assert (run("DiffSFSREncodeIdentity", **choice, bboxes=box)[1] - right).abs().mean() < 0.03
    read = run("DiffSFSRExpressionFromImage", **choice, intensity=1.0, face_landmarks=given)[0].code[0]
    neutral = diffsfsr.ready().conditioner.neutral
    values = torch.tensor([given["frames"][0][0]["blendshapes"][name] for name in
                           list(given["frames"][0][0]["blendshapes"])[1:]])  # fmt: skip
    torch.testing.assert_close(read, values - neutral)


def test_landmarks_and_boxes_at_once_are_refused(extract, couple, landmarks):
    with pytest.raises(ValueError, match="got face_landmarks and bboxes, want one of them"):
        extract(couple, face_landmarks=landmarks(couple), bboxes=[])
