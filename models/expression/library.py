"""The 135 expression labels as codes (ours; docs/expressions.md).

A code is what the face mesh reads on a photo minus a neutral face, in the order of BLENDSHAPES, about -1..1. The table
says what is meant, as mixtures of measured faces plus single actions; the code is what is read on rendered heads that
act it, which lies beside the table.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..faces.mesh import BLENDSHAPES
from ..files import is_number, shown
from .labels import nearest, read_expressions
from .references import FILE, References
from .words import MAX_INTENSITY, Words

LARGEST = 1e6  # number that is looked at at all
UNCHANGED = 2e-3  # how exactly the references remember what was meant
# Channels that hardly move: standard deviation below 0.03 over 3,000 press photos of training people (mouthDimple, at
# 0.032 and 0.027, stays as a pair). No label acts on them, and no distance or score should count them.
# fmt: off
STILL: frozenset[str] = frozenset((
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawRight",
    "mouthClose", "mouthFunnel", "mouthRight", "noseSneerLeft", "noseSneerRight",
))
# fmt: on
MOVING = [i for i, name in enumerate(BLENDSHAPES) if name not in STILL]  # the channels that count


@dataclass(frozen=True)
class Entry:
    """One label."""

    cluster: str  # Shaver's six: love, joy, surprise, anger, sadness, fear
    group: str  # Shaver's 25, inside the clusters
    codes: Tensor  # (variants, 51) at intensity 1
    reasons: tuple[str, ...]  # one for each variant


class ExpressionLibrary:
    """Label, variant and intensity -> expression code."""

    def __init__(self, entries: dict[str, Entry], neutral: Tensor, synonyms: Path | None = None):
        self._entries = entries
        self._synonyms = synonyms  # the table that tells what a word that is no label may mean
        self.neutral = neutral  # (51,) mean reading of neutral faces, by which the labels were written
        self.labels: tuple[str, ...] = tuple(entries)

    @classmethod
    def load(cls, path: Path) -> "ExpressionLibrary":
        """Read and check the table; ValueError names the place in the file and what is wrong there.

        Where the file of rendered references lies beside it, the codes are what was read on these, else what is meant.
        """
        library = cls.authored(path)
        references = Path(path).with_name(FILE)
        return library.rendered(References.load(references)) if references.is_file() else library

    @classmethod
    def authored(cls, path: Path) -> "ExpressionLibrary":
        """The table alone: the codes are what is meant."""
        table = read_expressions(path)
        neutral = named_vector(table["neutral"], "neutral")
        _keys(table["anchors"], None, "anchors")
        anchors = {name: named_vector(values, f'anchor "{name}"') for name, values in table["anchors"].items()}
        entries = {label: _entry(label, value, anchors, neutral) for label, value in table["labels"].items()}
        return cls(entries, neutral, Path(path).with_name("synonyms.json"))

    def rendered(self, references: References) -> "ExpressionLibrary":
        """The same labels with the codes that were read; ValueError where the table was changed since."""
        entries = {}
        for label, entry in self._entries.items():
            rows = references.rows(label)
            meant = references.meant[rows]
            if meant.shape != entry.codes.shape or (meant - entry.codes).abs().max() > UNCHANGED:
                raise ValueError(
                    f'label "{label}" was changed since it was rendered; run `python cli.py library render`, or remove '
                    f"{references.path} to use the table as it is written"
                )
            entries[label] = replace(entry, codes=references.codes[rows])
        return ExpressionLibrary(entries, self.neutral, self._synonyms)

    def variants(self, label: str) -> tuple[str, ...]:
        """Why each variant of a label looks as it does; as many as there are variants."""
        return self._entry(label).reasons

    def cluster(self, label: str) -> str:
        """Shaver's cluster: love, joy, surprise, anger, sadness or fear."""
        return self._entry(label).cluster

    def group(self, label: str) -> str:
        """Shaver's group inside the cluster, such as "affection" in love."""
        return self._entry(label).group

    def code(self, label: str, variant: int = 0, intensity: float = 1.0) -> Tensor:
        """The expression code of a label, (51,) float32 in [-1, 1].

        variant:   0 is the plainest
        intensity: 0..1.5, linear: 0 is exactly neutral, 1 as authored; above it a channel stops at -1 and 1
        """
        codes = self._entry(label).codes
        if not 0 <= variant < len(codes):
            raise ValueError(f'got variant {variant} of "{label}", want 0 to {len(codes) - 1}')
        if not 0 <= intensity <= MAX_INTENSITY:
            raise ValueError(
                f"got intensity {intensity}, want 0 (neutral) to {MAX_INTENSITY}; 1 is the label as authored"
            )
        return (codes[variant] * intensity).clamp(-1, 1)

    def _entry(self, label: str) -> Entry:
        if label not in self._entries:
            raise ValueError(f'got "{label}", want one of the {len(self.labels)} labels; {self._suggested(label)}')
        return self._entries[label]

    def _suggested(self, label: str) -> str:
        if self._synonyms is not None and self._synonyms.is_file():
            return Words.load(self._synonyms, self.labels).suggested(label)
        return f"the nearest in spelling are {', '.join(nearest(label, self.labels))}"


def _entry(label: str, value: dict, anchors: dict[str, Tensor], neutral: Tensor) -> Entry:
    place = f'label "{label}"'
    _keys(value, {"cluster", "group", "variants"}, place)
    if not isinstance(value["variants"], list) or not value["variants"]:
        raise ValueError(f"got no list of variants in {place}, want at least one variant")
    codes, reasons = [], []
    for number, variant in enumerate(value["variants"]):
        where = f"{place}, variant {number}"
        _keys(variant, {"anchors", "actions", "why"}, where)
        code = named_vector(variant["actions"], where)
        _keys(variant["anchors"], None, f"the anchors of {where}")
        for name, weight in variant["anchors"].items():
            if name not in anchors:
                raise ValueError(f'got anchor "{shown(name)}" in {where}, want one of {", ".join(anchors)}')
            code = code + _number(weight, name, where) * anchors[name]
        code = code.clamp(-neutral, 1 - neutral)  # what a mesh can read, 0..1, on a face with a usual neutral
        codes.append(code)
        reasons.append(variant["why"])
    if not all(isinstance(text, str) for text in (value["cluster"], value["group"], *reasons)):
        raise ValueError(f"got {place} with a cluster, a group or a why that is no text")
    return Entry(value["cluster"], value["group"], torch.stack(codes), tuple(reasons))


def named_vector(values: dict[str, float], place: str) -> Tensor:
    """Named numbers -> (51,). A name without Left or Right stands for both sides: "mouthSmile"."""
    _keys(values, None, place)
    vector = torch.zeros(len(BLENDSHAPES))
    seen: set[str] = set()
    for name, value in values.items():
        channels = [name] if name in BLENDSHAPES else [f"{name}Left", f"{name}Right"]
        if channels[0] not in BLENDSHAPES or channels[-1] not in BLENDSHAPES:
            near = ", ".join(nearest(name, BLENDSHAPES))
            raise ValueError(
                f'got blendshape "{shown(name)}" in {place}, want one of the mesh\'s names, such as {near}'
            )
        if seen & set(channels):
            raise ValueError(f'got "{name}" in {place} twice, once as one side and once as both; name each side once')
        seen |= set(channels)
        for channel in channels:
            vector[BLENDSHAPES.index(channel)] = _number(value, name, place)
    return vector


def _number(value: float, name: str, place: str) -> float:
    if not is_number(value, -LARGEST, LARGEST):  # NaN, infinity and endless integers are outside
        raise ValueError(f'got {shown(repr(value))} for "{name}" in {place}, want a number')
    return value


def _keys(value: dict, wanted: set[str] | None, place: str) -> None:
    """wanted: exactly these keys; None for an object with any keys."""
    if not isinstance(value, dict):
        raise ValueError(f"got {type(value).__name__} in {place}, want an object")
    if wanted is not None and set(value) != wanted:
        raise ValueError(f"got {shown(', '.join(sorted(value)), 200)} in {place}, want {', '.join(sorted(wanted))}")
