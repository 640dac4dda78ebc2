"""Does the expression library mean what it says? Distances between labels, and acted faces that took no part in it.

Distances are Euclidean over the channels that move, at intensity 1, variant 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from pathlib import Path

import torch
from torch import Tensor

from ...models.comparison import correlation
from ...models.expression.library import MOVING, ExpressionLibrary
from ...models.faces.mesh import FaceMesh
from ..acted import CELLS, TEST_PEOPLE, read_acted

TOP = 5
FITTING = {  # written down before the test people were measured cell by cell (docs/expressions.md); neutral fits none
    "happy": {"joy"}, "sad": {"sadness"}, "angry": {"anger"}, "surprised": {"surprise"}, "disgusted": {"anger"},
    "scared": {"fear"}, "confused": {"fear", "surprise"}, "smug": {"joy", "anger"}, "flirty": {"love", "joy"},
    "thoughtful": {"sadness", "love"}, "pensive": {"sadness", "love"}, "exhausted": {"sadness"},
    "shocked": {"surprise", "fear"}, "playful": {"joy", "love"}, "determined": {"anger", "joy"},
}  # fmt: skip


@dataclass(frozen=True)
class Distances:
    pairs: list[tuple[str, str, float]]  # the ten nearest, nearest first
    median: float  # of all pairs
    tree_correlation: float  # rank correlation with the tree: same group, same cluster, other
    own_cluster: float  # share of labels whose nearest is of their own cluster


@dataclass(frozen=True)
class Cell:
    person: str
    word: str  # one of FITTING
    nearest: list[str]  # TOP labels, nearest first
    first: bool  # the first is of a fitting cluster
    hit: bool  # one of them is


def distances(library: ExpressionLibrary, pairs: int = 10) -> Distances:
    labels = library.labels
    apart = torch.cdist(*[_codes(library).double()] * 2)  # (L, L)
    rows, columns = torch.triu_indices(len(labels), len(labels), offset=1)
    between = apart[rows, columns]
    order = between.argsort()[:pairs]
    nearest = [(labels[rows[i]], labels[columns[i]], float(between[i])) for i in order]
    couples = [(labels[i], labels[j]) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)]
    tree = torch.tensor([_tree_distance(library, first, second) for first, second in couples]).double()
    closest = (apart + torch.eye(len(labels)) * 1e9).argmin(1).tolist()
    own = [library.cluster(labels[i]) == library.cluster(label) for i, label in zip(closest, labels, strict=True)]
    return Distances(nearest, float(between.median()), rank_correlation(between, tree), sum(own) / len(own))


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's, ties at their mean rank. a, b: (N,)"""
    return float(correlation(_ranks(a), _ranks(b)))


def nearest_labels(library: ExpressionLibrary, code: Tensor, count: int = TOP) -> list[str]:
    """The labels nearest to a code (51,), nearest first."""
    order = (_codes(library) - code[MOVING]).norm(dim=1).argsort()[:count]
    return [library.labels[i] for i in order]


def other_people(
    library: ExpressionLibrary, mesh: FaceMesh, people: Path, neutral: Tensor | None = None
) -> Iterator[Cell]:
    """The acted faces of the five people who took no part in the anchors, one by one.

    people: openpeople's folder of people; neutral: (51,) is taken off, else each person's own neutral face
    """
    for person in TEST_PEOPLE:
        acted = read_acted(mesh, people / person)
        rest = acted[0] if neutral is None else neutral
        for word, reading in zip(CELLS[1:], acted[1:], strict=True):
            labels = nearest_labels(library, reading - rest)
            fits = [library.cluster(label) in FITTING[word] for label in labels]
            yield Cell(person, word, labels, fits[0], any(fits))


def chance(library: ExpressionLibrary, word: str, drawn: int = TOP) -> float:
    """The probability that one of some labels drawn at random is of a fitting cluster."""
    others = sum(library.cluster(label) not in FITTING[word] for label in library.labels)
    return 1 - comb(others, drawn) / comb(len(library.labels), drawn)


def report(library: ExpressionLibrary, mesh: FaceMesh, people: Path) -> Iterator[str]:
    """All of the above as lines of Markdown."""
    found = distances(library)
    yield f"smallest distance {found.pairs[0][2]:.3f}, median of all pairs {found.median:.2f}"
    yield "ten nearest pairs: " + "; ".join(f"{a} and {b} {distance:.2f}" for a, b, distance in found.pairs)
    yield f"rank correlation with the tree {found.tree_correlation:.2f}"
    yield f"nearest label of the same cluster {found.own_cluster:.0%}\n"
    cells = list(other_people(library, mesh, people))
    yield "| word | fitting | hits of 5 | chance | first label | five nearest, person by person |"
    yield "|---|---|---|---|---|---|"
    for word, fitting in FITTING.items():
        rows = [cell for cell in cells if cell.word == word]
        hits, firsts = sum(cell.hit for cell in rows), sum(cell.first for cell in rows)
        labels = "; ".join(f"{cell.person}: {', '.join(cell.nearest)}" for cell in rows)
        yield f"| {word} | {', '.join(sorted(fitting))} | {hits} | {chance(library, word):.0%} | {firsts} | {labels} |"
    yield ""
    for name, rows in (
        ("own neutral", cells),
        ("stored neutral", list(other_people(library, mesh, people, library.neutral))),
    ):
        hits, firsts = (sum(getattr(cell, key) for cell in rows) for key in ("hit", "first"))
        yield (
            f"{name}: {hits} of {len(rows)} cells have a fitting label among {TOP} ({hits / len(rows):.0%}), "
            f"{firsts} as the first ({firsts / len(rows):.0%})"
        )
    mean, first = (sum(chance(library, word, drawn) for word in FITTING) / len(FITTING) for drawn in (TOP, 1))
    yield f"chance, mean over the words: {mean:.0%} among {TOP}, {first:.0%} as the first"


def _codes(library: ExpressionLibrary) -> Tensor:
    return torch.stack([library.code(label)[MOVING] for label in library.labels])  # (L, 39)


def _tree_distance(library: ExpressionLibrary, first: str, second: str) -> int:
    """0 in the same group, 1 in the same cluster, 2 apart."""
    if library.cluster(first) != library.cluster(second):
        return 2
    return int(library.group(first) != library.group(second))


def _ranks(values: Tensor) -> Tensor:
    _, place, count = values.unique(return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    return (last - (count - 1) / 2)[place]
