"""Which of the faces in a picture is meant, and where they are: the inputs that ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..models.faces.choice import BY_SIZE, STOP
from ..models.faces.given import boxes_by_picture, landmarks_by_picture, look_into, read_landmarks
from .pictures import colours, picture_at

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.faces.mesh import Face, FaceMesh

BY_NUMBER = "from the left"
BY_RANK = BY_SIZE.strip()


def face_inputs(several: bool = False) -> list[io.Input]:
    """Inputs `face` and `face_number`. several: "all" can be chosen too"""
    return [
        io.Combo.Input(
            "face",
            options=["largest", "centre", BY_NUMBER] + ["all"] * several + [BY_RANK],
            default="largest",
            tooltip="Which face, where there are several: the largest, the one nearest to the middle of the picture, "
            'or one counted by "face_number", from the left or by size' + (", or all of them." if several else "."),
        ),
        io.Int.Input(
            "face_number",
            default=0,
            min=0,
            max=99,
            tooltip=f'0 is the leftmost face, or the largest, 1 the next. Read only if "face" is "{BY_NUMBER}" or '
            f'"{BY_RANK}".',
        ),
    ]


def chosen(face: str, face_number: int) -> str:
    """The choice as models/faces/choice.py wants it, which refuses what it does not know."""
    return {BY_NUMBER: str(face_number), BY_RANK: f"{face_number}{BY_SIZE}"}.get(face, face)


def without_face_input(options: Sequence[str], tooltip: str) -> io.Input:
    """Input `without_face`; options: of face_choice.WITHOUT_FACE"""
    return io.Combo.Input("without_face", options=list(options), default=STOP, optional=True, tooltip=tooltip)


def given_inputs() -> list[io.Input]:
    """Inputs `face_landmarks` and `bboxes`, of types that ComfyUI's own nodes give from 0.23 on."""
    return [
        io.Custom("FACE_LANDMARKS").Input(
            "face_landmarks",
            optional=True,
            tooltip="From ComfyUI's own face landmarker, of the very same pictures; no other face is looked for then.",
        ),
        io.Custom("BOUNDING_BOX").Input(
            "bboxes",
            optional=True,
            extra_dict={"forceInput": True},  # it is no widget here
            tooltip="Boxes to look for faces in, around faces or whole people; one face is taken from each.",
        ),
    ]


def known_faces(
    mesh: FaceMesh, image: Tensor, face_landmarks: dict | None, bboxes: dict | list | None
) -> Callable[[int], list[Face] | None]:
    """What the inputs of given_inputs() say: a picture's number -> all faces in it, None where they say nothing.

    image    (P, H, W, 3) IMAGE
    """
    colours(image[:1], "picture")  # no batch without one
    if face_landmarks is not None and bboxes is not None:
        raise ValueError("got face_landmarks and bboxes, want one of them: landmarks say where the faces are")
    if face_landmarks is not None:
        frames = landmarks_by_picture(face_landmarks, len(image), tuple(image.shape[1:3]))
        return lambda i: read_landmarks(frames[i], mesh)
    if bboxes is not None:
        boxes = boxes_by_picture(bboxes, len(image))
        return lambda i: look_into(boxes[i], picture_at(image, i), mesh)
    return lambda i: None
