"""Who a rendered head is (Person) and what its face does (actions), as geometry."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from .glasses import Glasses
from .head_basis import AGES, AMOUNTS, EYE, RACES, SKIN, HeadBasis

OPPOSITES = (
    ("incr", "decr"), ("up", "down"), ("out", "in"), ("forward", "backward"), ("convex", "concave"),
    ("uncompress", "compress"),
)  # fmt: skip
# Actions are drawn as these amounts of targets (ours): the face mesh reads some of them weakly, or as something else.
MIX = {
    "browDown": {"browDown": 1.7}, "browInnerUp": {"browInnerUp": 1.4}, "eyeWide": {"eyeWide": 1.9},
    "jawLeft": {"jawLeft": 1.8}, "jawRight": {"jawRight": 1.8}, "mouthFunnel": {"mouthFunnel": 1.5},
    "mouthFrown": {"mouthFrown": 1.3, "mouthShrugLower": 0.6}, "mouthLowerDown": {"mouthLowerDown": 2.2},
    "mouthPress": {"mouthPress": 0.1, "mouthRollLower": 1.2, "mouthRollUpper": 0.8},
    "mouthPucker": {"mouthPucker": 1.7},
    "mouthRollLower": {"mouthRollLower": 1.6}, "mouthRollUpper": {"mouthRollUpper": 1.5, "mouthRollLower": 0.3},
    "mouthShrugLower": {"mouthShrugLower": 1.5}, "mouthShrugUpper": {"mouthShrugUpper": 1.4},
    "mouthStretch": {"mouthStretch": 1.5}, "mouthUpperUp": {"mouthUpperUp": 1.6},
    "noseSneer": {"noseSneer": 1.6, "mouthUpperUp": 0.6},
}  # fmt: skip
EYES = np.array([0.0, 7.284, 1.245], np.float32)  # between the centres of the eyeballs of the average head
EYE_DISTANCE = 0.6155


@dataclass(frozen=True)
class Person:
    """One person. The numbers of `look` are uniforms of the shaders, see shaders/head.frag."""

    races: tuple[float, float, float]  # african, asian, caucasian; sum 1
    sex: float  # 0 female, 1 male
    age: float  # 0 child, 0.5 young, 1 old
    muscle: float  # 0..1
    weight: float  # 0..1
    dials: dict[str, float]  # face modifiers -1..1, by names of Heads.dials
    look: dict[str, float | Sequence[float]]
    glasses: Glasses | None = None


class Heads:
    """The basis with what is needed to shape heads from it quickly."""

    def __init__(self, basis: HeadBasis):
        self.basis = basis
        self.actions = tuple(name.split("/")[1] for name in basis.names if name.startswith("action/"))
        self._row = {name: i for i, name in enumerate(basis.names)}
        self._deltas = basis.deltas.reshape(len(basis.deltas), -1)
        self._action_deltas = self._mixing() @ self._deltas[[self._row[f"action/{name}"] for name in self.actions]]
        order, self._unique = np.unique(basis.vertex, return_inverse=True)
        self._corners = self._unique[basis.triangles]
        self._count = len(order)

    def _mixing(self) -> np.ndarray:
        """(A, A) how much of each target an action is drawn as; targets that have no sides take half of each side."""
        place = {name: i for i, name in enumerate(self.actions)}
        matrix = np.zeros((len(place), len(place)), np.float32)
        for name, i in place.items():
            stem = name if name in MIX else re.sub("(Left|Right)$", "", name)
            side = name[len(stem) :]
            for target, amount in MIX.get(stem, {stem: 1.0}).items():
                sided = target + side in place
                matrix[i, place[target + side if sided else target]] += amount if sided else amount / 2
        return matrix

    @cached_property
    def dials(self) -> dict[str, tuple[list[int], list[int]]]:
        """Face modifiers: for each name the rows of its positive and of its negative side (left and right together)."""
        found: dict[str, tuple[list[int], list[int]]] = {}
        for name, row in self._row.items():
            folder, target = name.split("/")
            if folder in ("race", "build", "action") or "-age-" in target:
                continue
            stem = re.sub(r"^[lr]-", "", target)
            for positive, negative in OPPOSITES:
                if re.search(rf"-({positive}|{negative})$", stem):
                    dial = found.setdefault(f"{folder}/{stem.rsplit('-', 1)[0]}-{positive}", ([], []))
                    dial[int(stem.endswith("-" + negative))].append(row)
                    break
            else:
                found[f"{folder}/{stem}"] = ([row], [])
        return found

    @cached_property
    def effects(self) -> dict[str, float]:
        """For each dial that shapes more than the place of the head: how far it moves a vertex of the face at most."""
        found = {}
        for name, sides in self.dials.items():
            if not re.search("/(head-trans|neck-[^d]|measure-neck|head-(?!(angle|back|fat|scale)))", name):
                moved = [self.basis.deltas[rows].sum(0) * self.facial[:, None] for rows in sides if rows]
                found[name] = float(np.mean([np.linalg.norm(each, axis=1).max() for each in moved])) + 1e-3
        return found

    def weights(self, person: Person) -> np.ndarray:
        """(K,) of a person in the basis"""
        weights = np.zeros(len(self._row), np.float32)
        sexes = (("female", 1 - person.sex), ("male", person.sex))
        for (sex, a), (age, b) in product(sexes, _between(AGES, person.age)):
            for race, c in zip(RACES, person.races, strict=True):
                weights[self._row[f"race/{race}-{sex}-{age}"]] += a * b * c
            for (muscle, c), (weight, d) in product(_between(AMOUNTS, person.muscle), _between(AMOUNTS, person.weight)):
                weights[self._row[f"build/{sex}-{age}-{muscle}muscle-{weight}weight"]] += a * b * c * d
        for name, value in person.dials.items():
            for row in self.dials[name][int(value < 0)]:
                weights[row] += abs(value)
        return weights

    def neutral(self, person: Person) -> np.ndarray:
        """(N, 3) moved and scaled so that the eyeballs lie where the average head has them"""
        head = self.basis.base + (self.weights(person) @ self._deltas).reshape(-1, 3)
        eyes = head[self.basis.part == EYE]
        left, right = (eyes[(eyes[:, 0] > 0) == side].mean(0) for side in (True, False))
        return (head - (left + right) / 2) * (EYE_DISTANCE / np.linalg.norm(left - right)) + EYES

    @cached_property
    def facial(self) -> np.ndarray:
        """(N,) how much each vertex belongs to the face (1) or to the skull, ears and neck (0)"""
        x, y, z = self.basis.base.T
        inside = self.basis.masks[3]
        u, v = (self.basis.uv * (np.array(inside.shape[::-1]) - 1)).round().astype(int).T
        face = _smooth(z, 0.65, 1.0) * _smooth(y, 6.05, 6.25) * (1 - _smooth(y, 7.7, 8.2))
        return np.where((self.basis.part != SKIN) | (inside[v, u] > 0.3), 1, face).astype(np.float32)

    def act(self, head: np.ndarray, actions: dict[str, float]) -> np.ndarray:
        """A neutral head (N, 3) with facial actions, by ARKit's names, 0..1 and a little beyond."""
        unknown = sorted(set(actions) - set(self.actions))
        if unknown:
            raise ValueError(f"got actions {', '.join(unknown)}, want ARKit's names, such as jawOpen or mouthSmileLeft")
        weights = np.array([actions.get(name, 0.0) for name in self.actions], np.float32)
        return head + (weights @ self._action_deltas).reshape(-1, 3)

    def normals(self, head: np.ndarray) -> np.ndarray:
        """(N, 3) of unit length; corners that share a vertex share its normal."""
        a, b, c = (head[self.basis.triangles[:, i]] for i in range(3))
        faces = np.cross(b - a, c - a)
        sums = np.stack(
            [np.bincount(self._corners.ravel(), np.repeat(faces[:, k], 3), self._count) for k in range(3)], 1
        )
        sums /= np.linalg.norm(sums, axis=1, keepdims=True) + 1e-12
        return sums[self._unique].astype(np.float32)


def _between(names: tuple[str, str, str], x: float) -> list[tuple[str, float]]:
    """Weights of three targets that stand for 0, 0.5 and 1"""
    return list(zip(names, (max(1 - 2 * x, 0.0), 1 - abs(2 * x - 1), max(2 * x - 1, 0.0)), strict=True))


def _smooth(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
