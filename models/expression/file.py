"""Expressions from and to the world outside: files, named blendshapes, and face landmarks of ComfyUI's core (ours)."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..code_file import load_code, save_code
from ..codes import Expression
from ..faces.mesh import BLENDSHAPES
from .library import named_vector

FORMAT = "diffsfsr-expression-1"
EXAMPLE = '{"jawOpen": 0.4, "mouthSmile": 0.5}'


def save_expression(path: Path, expression: Expression) -> None:
    """Write an expression; its folder must exist, a file that is there already is replaced."""
    metadata = {"format": FORMAT, "name": expression.name, "blendshapes": json.dumps(BLENDSHAPES)}
    save_code(path, expression.code, metadata)


def load_expression(path: Path) -> Expression:
    """Read an expression, bit for bit as it was written; a .json of names and values (from_values) is read as well.

    Raises ValueError for a file that is broken or of another kind.
    """
    path = Path(path)
    if path.suffix.lower() == ".json" and path.is_file():
        return from_json(path.read_text(encoding="utf-8", errors="replace"), path.stem)
    code, metadata = load_code(path, "expression", FORMAT)
    if metadata.get("blendshapes") != json.dumps(BLENDSHAPES):
        raise ValueError(f"{path.name} has other blendshapes than this pack reads; save the expression again")
    return Expression(code, metadata.get("name", ""))


def from_json(text: str, name: str = "") -> Expression:
    """An expression from a JSON object of blendshapes and their differences from neutral: {"jawOpen": 0.4, ...}."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"cannot read {name or 'the text'} as JSON ({error}); want an object such as {EXAMPLE}"
        ) from error
    return from_values(values, name)


def from_values(values: dict[str, float], name: str = "") -> Expression:
    """An expression from blendshapes by name, as differences from neutral, -1..1; those left out are 0.

    A name without Left or Right stands for both sides.
    """
    place = name or "the expression"
    if not isinstance(values, dict):
        raise ValueError(f"got {type(values).__name__} in {place}, want an object of blendshapes such as {EXAMPLE}")
    code = named_vector(values, place)
    outside = [f"{key} {value:g}" for key, value in values.items() if not -1 <= value <= 1]
    if outside:
        raise ValueError(f"got {', '.join(outside)} in {place}, want differences from neutral, -1 to 1")
    return Expression(code[None], name)


def to_values(expression: Expression, row: int = 0) -> dict[str, float]:
    """One row by name, rounded to 0.0001, zeros left out; from_values reads it back."""
    if not 0 <= row < len(expression.code):
        raise ValueError(f"got row {row} of {len(expression.code)} expressions, want 0 to {len(expression.code) - 1}")
    values = zip(BLENDSHAPES, expression.code[row].tolist(), strict=True)
    return {name: round(value, 4) for name, value in values if round(value, 4)}


def from_landmarks(landmarks: Mapping, neutral: Tensor) -> Expression:
    """An expression from FACE_LANDMARKS of ComfyUI's core, one row for each frame: that of its largest face.

    landmarks  {"frames": [[face, ...], ...]}; face["blendshapes"] by ARKit's names, 0..1; face["bbox_xyxy"] in pixels
    neutral    (51,) the reading of a neutral face that is taken off: a stored mean, or the person's own
    """
    if not isinstance(landmarks, Mapping) or not isinstance(landmarks.get("frames"), list) or not landmarks["frames"]:
        raise ValueError('got no face landmarks, want {"frames": [[face, ...], ...]} with at least one frame')
    rows = []
    for number, faces in enumerate(landmarks["frames"]):
        if not faces:
            raise ValueError(
                f"no face in frame {number} of {len(landmarks['frames'])} of the face landmarks; lower the confidence "
                "that the detector asks for, let it fill missing frames, or leave the frame out"
            )
        rows.append(_reading(max(faces, key=_area), number))
    readings = torch.stack(rows).to(neutral)
    return Expression(readings - neutral, "landmarks")


def _area(face: Mapping) -> float:
    left, top, right, bottom = (float(edge) for edge in face.get("bbox_xyxy", (0, 0, 0, 0)))
    return (right - left) * (bottom - top)


def _reading(face: Mapping, frame: int) -> Tensor:
    shapes = face.get("blendshapes")
    if not shapes:
        raise ValueError(f"the face landmarks of frame {frame} have no blendshapes; use a detector that reads them")
    missing = [name for name in BLENDSHAPES if name not in shapes]
    if missing:
        raise ValueError(
            f"the face landmarks of frame {frame} lack {len(missing)} blendshapes, such as {', '.join(missing[:3])}; "
            "want all of ARKit's by name"
        )
    values = [float(shapes[name]) for name in BLENDSHAPES]
    wrong = [f"{n} {v:g}" for n, v in zip(BLENDSHAPES, values, strict=True) if not -0.01 <= v <= 1.01]  # NaN is neither
    if wrong:
        raise ValueError(f"got {', '.join(wrong[:3])} in frame {frame} of the face landmarks, want readings of 0 to 1")
    return torch.tensor(values).clamp(0, 1)  # half precision may round past the ends
