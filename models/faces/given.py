"""Faces that another node has found already, as current ComfyUI's own nodes say it (its FACE_LANDMARKS, BOUNDING_BOX).

FACE_LANDMARKS  {"frames": [[face, ...], ...], "image_size": (H, W), ...}, one list of faces a picture. Read of a face:
                "landmarks_xy" (478, 2) picture pixels, "landmarks_3d" (478, 3) in pixels of a crop, "blendshapes"
                {name: 0..1} and "presence", a logit
BOUNDING_BOX    {"x", "y", "width", "height"} in picture pixels; or a list of them; or such a list for each picture
"""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real

import torch
from torch import Tensor

from .mesh import BLENDSHAPES, Face, FaceMesh

AROUND = 0.5  # what is looked at besides a box, on each side, as a part of its longer side: a face has to fit loosely
EDGES = ("x", "y", "width", "height")


def landmarks_by_picture(landmarks: dict, count: int, size: tuple[int, int]) -> list[list[dict]]:
    """FACE_LANDMARKS of `count` pictures of (H, W) pixels, checked: the faces of each picture."""
    if not isinstance(landmarks, dict) or not {"frames", "image_size"} <= landmarks.keys():
        raise ValueError(
            f"got face landmarks without frames: {_shown(landmarks)}; connect ComfyUI's own face landmarker"
        )
    frames, wanted = landmarks["frames"], tuple(landmarks["image_size"])
    if len(frames) != count or wanted != size:
        raise ValueError(
            f"got face landmarks of {len(frames)} pictures of {wanted[1]}x{wanted[0]} px for {count} of "
            f"{size[1]}x{size[0]} px; find the landmarks in the very pictures that are connected here"
        )
    return list(frames)


def read_landmarks(faces: Sequence[dict], mesh: FaceMesh) -> list[Face]:
    """The faces of one picture, largest first; expressions as they were read, poses by our own mesh."""
    return sorted((_face(face, mesh) for face in faces), key=lambda face: -_extent(face))


def _face(face: dict, mesh: FaceMesh) -> Face:
    try:
        flat, solid = (torch.as_tensor(face[key]).to(mesh.mean_face) for key in ("landmarks_xy", "landmarks_3d"))
        blendshapes = torch.tensor([face["blendshapes"][name] for name in BLENDSHAPES]).to(mesh.mean_face)
        presence = float(face["presence"])
    except KeyError as error:
        raise ValueError(f"got face landmarks without {error}; connect ComfyUI's own face landmarker") from error
    if flat.shape != (478, 2) or solid.shape != (478, 3):
        raise ValueError(
            f"got face landmarks of shape {tuple(flat.shape)} and {tuple(solid.shape)}, want MediaPipe's (478, 2) "
            "picture pixels and (478, 3)"
        )
    spread = [(points - points.mean(0)).norm() for points in (flat, solid[:, :2])]
    depth = (solid[:, 2:] - solid[:, 2:].mean()) * (spread[0] / spread[1].clamp(min=1e-6))  # picture pixels
    points = torch.cat([flat, depth], dim=1)
    return Face(points, blendshapes, mesh.pose(points[None])[0], float(torch.tensor(presence).sigmoid()))


def boxes_by_picture(boxes: dict | list, count: int) -> list[list[dict]]:
    """BOUNDING_BOX in any of its forms, checked: the boxes of each of `count` pictures."""
    if isinstance(boxes, dict):
        boxes = [boxes]
    if not isinstance(boxes, list):
        raise ValueError(f"got {_shown(boxes)} as bounding boxes, want x, y, width and height, or a list of such boxes")
    lists = boxes if boxes and isinstance(boxes[0], list) else [boxes]
    lists = lists * count if len(lists) == 1 else lists
    if len(lists) != count:
        raise ValueError(
            f"got bounding boxes for {len(lists)} pictures, want them for all {count}, or one list for all"
        )
    for box in (box for each in lists for box in each):
        if not isinstance(box, dict) or not all(isinstance(box.get(edge), Real) for edge in EDGES):
            raise ValueError(f"got {_shown(box)} as a bounding box, want numbers for x, y, width and height")
    return lists


def look_into(boxes: Sequence[dict], picture: Tensor, mesh: FaceMesh) -> list[Face]:
    """The largest face in each box, largest first; boxes without a face are passed over.

    picture  (3, H, W) in [-1, 1]
    """
    height, width = picture.shape[-2:]
    found: list[Face] = []
    for box in boxes:
        left, top, across, down = (float(box[edge]) for edge in EDGES)
        room = AROUND * max(across, down)
        x, y = (int(min(max(start - room, 0), end)) for start, end in ((left, width), (top, height)))
        part = picture[:, y : int(max(top + down + room, 0)) + 1, x : int(max(left + across + room, 0)) + 1]
        if 0 in part.shape:
            continue
        for face in mesh.find(part.to(mesh.mean_face.device)):
            face = replace(face, points=face.points + face.points.new_tensor([x, y, 0]))
            at_x, at_y = face.points[:, :2].mean(0).tolist()
            inside = left <= at_x <= left + across and top <= at_y <= top + down
            if inside and not any(_same(face, other) for other in found):
                found.append(face)
                break
    return sorted(found, key=lambda face: -_extent(face))


def _extent(face: Face) -> float:
    """Square pixels of the box around the points."""
    low, high = face.points[:, :2].aminmax(dim=0)
    return float((high - low).prod())


def _same(one: Face, other: Face) -> bool:
    """Whether two readings are of one face: their middles are nearer than a quarter of its size."""
    away = (one.points[:, :2].mean(0) - other.points[:, :2].mean(0)).norm()
    return float(away) < 0.25 * max(_extent(one), _extent(other)) ** 0.5


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
