"""Expressions from and to the world outside: files, and blendshapes by name, our own names or other tools' (ours)."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..codes import Expression
from ..faces.mesh import BLENDSHAPES
from ..files import parse_json, read_tensors, shown, write_tensors
from .library import named_vector

FORMAT = "diffsfsr-expression-1"
FORMATS = {FORMAT: {"code": ("float32", "n", len(BLENDSHAPES))}}
AGAIN = "save the expression again"
EXAMPLE = '{"jawOpen": 0.4, "mouthSmile": 0.5}'
STRONGEST = 2.0  # readings are 0..1: their difference times the largest intensity stays below it


def save_expression(path: Path, expression: Expression) -> None:
    """Write an expression; its folder must exist, a file that is there already is replaced."""
    _check_range(expression, "the expression", "make it weaker")
    metadata = {"format": FORMAT, "name": expression.name, "blendshapes": json.dumps(BLENDSHAPES)}
    write_tensors(path, {"code": expression.code.float()}, metadata)


def load_expression(path: Path) -> Expression:
    """Read an expression, bit for bit as it was written; a .json of names and values (from_values) is read as well.

    Raises ValueError for a file that is broken or of another kind.
    """
    path = Path(path)
    if path.suffix.lower() == ".json" and os.path.isfile(path):
        return from_json(path.read_bytes(), path.stem)
    tensors, metadata = read_tensors(path, "expression", FORMATS, AGAIN)
    if metadata.get("blendshapes") != json.dumps(BLENDSHAPES):
        raise ValueError(f"{path.name} has other blendshapes than this pack reads; {AGAIN}")
    expression = Expression(tensors["code"], metadata.get("name", ""))
    _check_range(expression, path.name, AGAIN)
    return expression


def from_json(text: str | bytes, name: str = "") -> Expression:
    """An expression from a JSON object of blendshapes and their differences from neutral: {"jawOpen": 0.4, ...}."""
    return from_values(parse_json(text, name or "the text", f"an object such as {EXAMPLE}"), name)


def from_values(values: Mapping[str, float], name: str = "") -> Expression:
    """An expression from blendshapes by name, as differences from neutral, -1..1; those left out are 0.

    A name without Left or Right stands for both sides; case, underscores and what stands before a dot do not matter.
    Names that mean nothing here, such as ARKit's tongueOut, are listed in the result's `unknown`; ValueError where that
    is so for all of them.
    """
    place = name or "the expression"
    if not isinstance(values, Mapping):
        raise ValueError(f"got {type(values).__name__} in {place}, want an object of blendshapes such as {EXAMPLE}")
    known, unknown = {}, []
    for given, value in values.items():
        own = own_name(given)
        if own is None:
            unknown.append(given)
        elif own in known:
            raise ValueError(f'got "{own}" in {place} twice, with the second time as "{shown(given)}"; name it once')
        else:
            known[own] = value
    code = named_vector(
        known if known else dict.fromkeys(map(shown, unknown[:1]), 0.0), place
    )  # which names the nearest
    outside = [f"{key} {value:g}" for key, value in known.items() if not -1 <= value <= 1]
    if outside:
        raise ValueError(f"got {', '.join(outside[:6])} in {place}, want differences from neutral, -1 to 1")
    return Expression(code[None], name, tuple(map(shown, unknown)))


def own_name(given: str) -> str | None:
    """Our name of a blendshape as another tool writes it: "eye_blink_left", "EyeBlink_L", "face.eyeBlinkLeft"."""
    if not isinstance(given, str) or len(given) > 100:
        return None
    name = re.sub(r"_(l|r)$", lambda side: {"l": "Left", "r": "Right"}[side[1].lower()], given, flags=re.IGNORECASE)
    return _FOLDED.get(_folded(name.rpartition(".")[2]))


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _check_range(expression: Expression, place: str, again: str) -> None:
    most = float(expression.code.abs().max())
    if not most <= STRONGEST:
        raise ValueError(
            f"got numbers up to {most:g} in {place}, want differences from neutral, -{STRONGEST:g} to {STRONGEST:g}; "
            f"{again}"
        )


_FOLDED = {_folded(name): name for own in BLENDSHAPES for name in (own, re.sub("(Left|Right)$", "", own))}
