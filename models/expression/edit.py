"""Pure functions on expressions: sliders, strength, mixtures, and the way from one to another (ours).

Slider values are in the mesh's readings, as the labels are: what the mesh reads on a photo when the face does this
(docs/expressions.md). A slider at 1 is about the most that photos show.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor

from ..codes import Expression, broadcast
from ..faces.mesh import BLENDSHAPES
from ..files import parse_json
from .file import EXAMPLE, from_values
from .labels import nearest
from .library import named_vector
from .words import MAX_INTENSITY


@dataclass(frozen=True)
class Slider:
    """What a slider adds to a code; its range is -1..1, or 0..1 where `down` is empty."""

    meaning: str  # for the tooltip
    up: dict[str, float]  # blendshapes at +1; a name without Left or Right stands for both
    down: dict[str, float] = field(default_factory=dict)  # blendshapes at -1
    # shares of blendshapes that go as it comes, at +1 and at -1: a smiling mouth cannot be puckered
    against_up: dict[str, float] = field(default_factory=dict)
    against_down: dict[str, float] = field(default_factory=dict)

    def at(self, value: float, what: str) -> tuple[Tensor, Tensor]:
        """(51,) what it adds at a value, and (51,) the shares that it leaves of what stands against it."""
        moves, against = (self.up, self.against_up) if value > 0 else (self.down, self.against_down)
        return abs(value) * named_vector(moves, what), 1 - abs(value) * named_vector(against, what)

    @property
    def lowest(self) -> float:
        return -1.0 if self.down else 0.0


# What makes a smile, all of which has to go before the lips can do something else.
UNSMILED = {"mouthSmile": 1, "mouthUpperUp": 1, "mouthStretch": 1, "mouthLowerDown": 1, "mouthDimple": 1}
SLIDERS: Mapping[str, Slider] = {
    "smile": Slider(
        "1: a broad smile with raised cheeks, with jaw it shows teeth; -1: none, and lip corners down",
        {"mouthSmile": 0.8, "mouthUpperUp": 0.45, "eyeSquint": 0.15, "mouthStretch": 0.1, "mouthShrugLower": -0.09},
        {"mouthFrown": 0.5, "mouthShrugLower": 0.3, "mouthSmile": -0.15},
        {"mouthFrown": 1, "mouthPucker": 1},
        UNSMILED,
    ),
    "frown": Slider(
        "1: lip corners down, chin pushed up",
        {"mouthFrown": 0.7, "mouthShrugLower": 0.4, "mouthRollLower": 0.1, "mouthSmile": -0.15},
        against_up=UNSMILED,
    ),
    "brows": Slider(
        "1: raised; -1: lowered, as in anger",
        {"browInnerUp": 0.5, "browOuterUp": 0.5, "browDown": -0.2},
        {"browDown": 0.55, "browOuterUp": -0.12, "eyeSquint": 0.12},
        {"browDown": 1},
        {"browInnerUp": 1, "browOuterUp": 1},
    ),
    "sad_brows": Slider("1: only the inner ends raised, as in grief", {"browInnerUp": 0.6, "browDown": 0.1}),
    "lids": Slider(
        "1: eyes wide open; -1: closed",
        {"eyeSquint": -0.5, "eyeBlink": -0.2},
        {"eyeBlink": 0.75, "eyeLookDown": 0.4},
        {"eyeBlink": 1},
        {"eyeLookUp": 1},
    ),
    "squint": Slider("1: eyes narrowed, lower lids up", {"eyeSquint": 0.35, "eyeBlink": 0.1}),
    "jaw": Slider("1: mouth wide open", {"jawOpen": 0.6, "mouthLowerDown": 0.3, "mouthShrugLower": -0.09}),
    "pucker": Slider(
        "1: lips pushed forward, as for a kiss", {"mouthPucker": 0.8, "mouthSmile": -0.15}, against_up=UNSMILED
    ),
    "gaze_x": Slider(
        "1: eyes to the picture's right; -1: to its left",
        {"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6, "eyeLookInLeft": -0.03, "eyeLookOutRight": -0.05},
        {"eyeLookInLeft": 0.6, "eyeLookOutRight": 0.6, "eyeLookOutLeft": -0.13, "eyeLookInRight": -0.12},
    ),
    "gaze_y": Slider(
        "1: eyes up; -1: down",
        {"eyeLookUp": 0.5, "eyeLookDown": -0.12},
        {"eyeLookDown": 0.6, "eyeBlink": 0.2, "eyeLookUp": -0.1},
    ),
}
# sliders that can be moved on one side alone
SIDED = ("smile", "frown", "brows", "sad_brows", "lids", "squint", "cheeks", "dimples", "stretch", "press")
# Sliders of the face editor alone, which keeps them by name among the values that it adds.
MORE: Mapping[str, Slider] = {
    "cheeks": Slider("1: upper lip and cheeks raised", {"mouthUpperUp": 0.5}),
    "dimples": Slider("1: corners of the mouth drawn in", {"mouthDimple": 0.2}),
    "stretch": Slider("1: mouth drawn wide", {"mouthStretch": 0.5}, against_up={"mouthPucker": 1}),
    "press": Slider(
        "1: lips pressed together",
        {"mouthPress": 0.5},
        against_up={"mouthSmile": 0.5, "mouthUpperUp": 0.8, "mouthLowerDown": 0.8, "jawOpen": 1},
    ),
    "funnel": Slider(
        "1: lips rounded, as in oh",
        {"mouthFunnel": 0.3},
        against_up={"mouthSmile": 0.7, "mouthUpperUp": 0.5, "mouthStretch": 1},
    ),
    "lip_in": Slider("1: lower lip drawn in", {"mouthRollLower": 0.4}),
}
SIDES = ("Left", "Right")  # at the end of a blendshape's name: the person's own
ASYMMETRY = "1: the mouth, the brows and the lids move on the picture's right side only; -1: on its left side only"


def edit_all(
    expression: Expression,
    intensity: float,
    sliders: Mapping[str, float],
    asymmetry: float = 0.0,
    values: str = "",
    strength: float = 1.0,
) -> Expression:
    """All that Edit Expression does, in its order; values: JSON as of add(), or nothing."""
    edited = edit(scale(expression, intensity), sliders, asymmetry)
    if values.strip():
        edited = add(edited, parse_json(values, "values", f"an object such as {EXAMPLE}"), sliders)
    return scale(edited, strength)


def edit(expression: Expression, sliders: Mapping[str, float], asymmetry: float = 0.0) -> Expression:
    """Add sliders to an expression, from which they take what stands against them.

    sliders    values by the names of SLIDERS, -1..1 or 0..1; those left out are 0, and all 0 changes nothing
    asymmetry  -1..1: takes this much of brows, lids, cheeks and mouth (not of the gaze) away from one side; at 1 the
               person's right side, the picture's left, stays neutral. It acts on the sum of expression and sliders
    """
    total, left = _of_sliders(sliders)
    _within(asymmetry, -1.0, 1.0, "asymmetry")
    if not total.any() and not asymmetry:
        return expression
    code = (_relieved(expression.code, left) + total.to(expression.code)).clamp(-1, 1)
    weaker = "Right" if asymmetry > 0 else "Left"
    keep = [1 - abs(asymmetry) if name.endswith(weaker) and not _has_no_side(name) else 1.0 for name in BLENDSHAPES]
    return Expression(code * torch.tensor(keep).to(code), f"{_name(expression)}, edited")


def act(expression: Expression, moves: Mapping[str, float], strength: float = 1.0) -> Expression:
    """An expression with an action on top of it, of models/expression/actions.py.

    Where the action moves the face, the action holds, unless the expression goes farther the same way already: a smile
    on an angry face takes its mouth and leaves its brows, and a smile on a happy one changes little.

    moves     values by the names of SLIDERS or of blendshapes; 0 keeps that blendshape still
    strength  0..1.5: 0 leaves the expression, 1 is the action as it is, channels stop at -1 and 1
    """
    _within(strength, 0.0, MAX_INTENSITY, "strength")
    wanted, moved = torch.zeros(len(BLENDSHAPES)), torch.zeros(len(BLENDSHAPES), dtype=torch.bool)
    for name, value in moves.items():
        slider = SLIDERS.get(name)
        channels = {name: 1.0} if slider is None else slider.up if value > 0 else slider.down
        vector = named_vector(channels, f'"{name}" of an action')
        wanted, moved = wanted + (value if slider is None else abs(value)) * vector, moved | (vector != 0)
    code = expression.code
    wanted, moved = (wanted * max(strength, 1.0)).to(code), moved.to(code.device)
    farther = (wanted.sign() == code.sign()) & (code.abs() > wanted.abs())
    acted = torch.where(moved & ~farther, wanted, code)
    return replace(expression, code=torch.lerp(code, acted, min(strength, 1.0)).clamp(-1, 1))


def add(
    expression: Expression, values: Mapping[str, float], sliders: Mapping[str, float] = MappingProxyType({})
) -> Expression:
    """Add blendshapes by name, and sliders of one side, to an expression.

    values   as from_values() takes them; besides, the sliders of MORE by name, and "smile_left" or "smile_right" for
             each of SIDED: the slider on the person's own left or right side alone. An empty one changes nothing
    sliders  those that edit() has added: they take what stands against them from the values' blendshapes, too
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"got {type(values).__name__} in values, want an object of blendshapes such as {EXAMPLE}")
    total, plain, (_, left), own_left = torch.zeros(len(BLENDSHAPES)), {}, _of_sliders(sliders), 1.0
    for name, value in values.items():
        slider, side = _sided(name)
        if slider is None:
            plain[name] = value
            continue
        _within(value, slider.lowest, 1.0, f'"{name}"')
        if value:
            share = torch.tensor([1.0 if side is None else _share(blendshape, side) for blendshape in BLENDSHAPES])
            moves, leaves = slider.at(value, f'slider "{name}"')
            total, own_left = total + share * moves, own_left * torch.lerp(torch.ones_like(leaves), leaves, share)
    unknown, given = (), torch.zeros(len(BLENDSHAPES))
    if plain:
        read = from_values(plain, "values")
        given, unknown = _relieved(read.code[0], left * own_left), read.unknown
    if not total.any() and not given.any():
        return expression
    code = (_relieved(expression.code, own_left) + (given + total).to(expression.code)).clamp(-1, 1)
    return Expression(code, f"{_name(expression)}, edited", unknown)


def scale(expression: Expression, intensity: float) -> Expression:
    """The expression stronger or weaker: 0 is exactly neutral, 1 as it is, at most 1.5; channels stop at -1 and 1."""
    _within(intensity, 0.0, MAX_INTENSITY, "intensity")
    if intensity == 0:
        return Expression(torch.zeros_like(expression.code), "neutral")
    if intensity == 1:
        return expression
    return replace(expression, code=(expression.code * intensity).clamp(-1, 1))


def mix(first: Expression, second: Expression, weight: float = 0.5) -> Expression:
    """(1 - weight) first + weight second, exactly first at 0 and exactly second at 1.

    Batches of the same size are mixed row by row, and a single expression with each row of the other.
    """
    _within(weight, 0.0, 1.0, "weight")
    a, b = _same_device(first, second)
    return Expression(torch.lerp(a, b, weight), _mixed_name(first, second, weight))


def travel(first: Expression, second: Expression, steps: int) -> Expression:
    """The way from one expression to another in equal steps, both ends among them, as a batch (steps, 51)."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= 1000:
        raise ValueError(f"got {steps} steps, want 2 (the two ends) to 1000")
    for name, expression in (("first", first), ("second", second)):
        if len(expression.code) != 1:
            raise ValueError(f"got {len(expression.code)} {name} expressions, want one to travel from and one to reach")
    a, b = _same_device(first, second)
    weights = torch.linspace(0, 1, steps).to(a)[:, None]
    return Expression(torch.lerp(a, b, weights), f"{_name(first)} to {_name(second)}")


def _same_device(first: Expression, second: Expression) -> list[Tensor]:
    return broadcast({"first": first.code, "second": second.code.to(first.code)})


def _of_sliders(sliders: Mapping[str, float]) -> tuple[Tensor, Tensor]:
    """(51,) what sliders add, and (51,) the shares that they leave of what stands against them."""
    total, left = torch.zeros(len(BLENDSHAPES)), torch.ones(len(BLENDSHAPES))
    for name, value in sliders.items():
        if name not in SLIDERS:
            raise ValueError(f'got slider "{name}", want one of {", ".join(nearest(name, tuple(SLIDERS)))}')
        _within(value, SLIDERS[name].lowest, 1.0, f'slider "{name}"')
        if value:
            moves, leaves = SLIDERS[name].at(value, f'slider "{name}"')
            total, left = total + moves, left * leaves
    return total, left


def _relieved(code: Tensor, left: Tensor | float) -> Tensor:
    """What of a code is left where it moves the face; what it holds back stays."""
    return torch.where(code > 0, code * torch.as_tensor(left).to(code), code)


def _has_no_side(blendshape: str) -> bool:
    """Both eyes look one way; mouthLeft, jawRight and the like name where the whole goes."""
    return blendshape.startswith("eyeLook") or blendshape in ("mouthLeft", "mouthRight", "jawLeft", "jawRight")


def _sided(name: str) -> tuple[Slider | None, str | None]:
    """The slider that a name among values stands for, and its side, "Left" or "Right"; None for a blendshape."""
    if name in MORE:
        return MORE[name], None
    slider, _, side = str(name).rpartition("_")
    if slider in SIDED and side.capitalize() in SIDES:
        return {**SLIDERS, **MORE}[slider], side.capitalize()
    return None, None


def _share(blendshape: str, side: str) -> float:
    """What of a blendshape one side is: all of its own, nothing of the other's, half of those in the middle."""
    return float(blendshape.endswith(side)) if blendshape.endswith(SIDES) else 0.5


def _name(expression: Expression) -> str:
    return expression.name or "expression"


def _mixed_name(first: Expression, second: Expression, weight: float) -> str:
    if weight in (0, 1):
        return (second if weight else first).name
    return f"{1 - weight:.0%} {_name(first)}, {weight:.0%} {_name(second)}"


def _within(value: float, lowest: float, highest: float, what: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not lowest <= value <= highest:
        raise ValueError(f"got {value} for {what}, want {lowest:g} to {highest:g}")
