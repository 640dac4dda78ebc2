"""How well codes tell people apart, and how far a changing face leads them astray (ours).

K photos, D length of a code. Codes are unit vectors, whatever reader they come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from ..acted import CELLS

FOLDS = 10
FALSE_ACCEPTS = 1e-3
GRID = 20  # shares of a compound are looked for in steps of 1 / GRID


@dataclass(frozen=True)
class Verification:
    same: int  # pairs of photos of one person
    different: int  # and of two
    accuracy: float  # mean of the shares of both kinds that are told right; thresholds from other people's pairs
    true_accepts: float  # share of `same` above the threshold that FALSE_ACCEPTS of `different` pass


@dataclass(frozen=True)
class Retrieval:
    """Shares of the photos whose nearest portrait is that of the same person."""

    top1: float
    selfies: float
    cells: float  # of the sheets of expressions


@dataclass(frozen=True)
class Drift:
    words: dict[str, float]  # expression: cosine to the person's neutral face, mean over the people
    mean: float  # of the words
    other: float  # cosine of two people's neutral faces, mean over all pairs
    share: float  # (1 - mean) / (1 - other): how much of the way to another person an expression leads


def combine(parts: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Codes (K, D) each side by side, so weighted that a cosine of the compound is the weighted mean of theirs."""
    total = sum(shares)
    return torch.cat([part * (share / total) ** 0.5 for part, share in zip(parts, shares, strict=True)], dim=-1)


def pairs(people: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs of photos: their places (2, P), whether they show one person (P,), a number for each place's person."""
    number = {person: i for i, person in enumerate(sorted(set(people)))}
    places = torch.triu_indices(len(people), len(people), 1)
    who = torch.tensor([number[person] for person in people])[places]  # (2, P)
    same = who[0] == who[1]
    if not same.any() or same.all():
        raise ValueError(f"got {len(people)} photos of {len(number)} people, want several people with several photos")
    return places, same, who


def verify(code: Tensor, people: Sequence[str]) -> Verification:
    """Tell of all pairs of photos whether they show one person. code (K, D); people: who they are, K names."""
    places, same, who = pairs(people)
    cosine = (code @ code.T)[places[0], places[1]]
    fold, tested_in = who % FOLDS, who.amin(0) % FOLDS
    right = torch.zeros_like(same)
    for number in tested_in.unique():
        others, tested = (fold != number).all(0), tested_in == number
        if same[others].all() or not same[others].any():
            raise ValueError(f"got {len(set(people))} people, want more: a threshold comes from other people's pairs")
        threshold = best_threshold(cosine[others], same[others])
        right[tested] = (cosine[tested] > threshold) == same[tested]
    accuracy = (right[same].double().mean() + right[~same].double().mean()) / 2
    return Verification(int(same.sum()), int((~same).sum()), float(accuracy), true_accepts(cosine, same))


def best_threshold(cosine: Tensor, same: Tensor) -> float:
    """Where the mean of the two shares told right is largest. cosine (P,); same (P,) bool"""
    values, order = cosine.sort(descending=True)
    hits = same[order].double()
    gain = hits.cumsum(0) / hits.sum() - (1 - hits).cumsum(0) / (1 - hits).sum()
    best = int(gain.argmax())
    return float(values[best : best + 2].mean())


def true_accepts(cosine: Tensor, same: Tensor, rate: float = FALSE_ACCEPTS) -> float:
    """Share of the pairs of one person above the threshold that `rate` of the others pass."""
    others = cosine[~same]
    threshold = others.topk(int(rate * len(others)) + 1).values[-1]
    return float((cosine[same] > threshold).double().mean())


def fit_shares(parts: Sequence[Tensor], people: Sequence[str]) -> list[float]:
    """The shares with which a compound has the most true accepts; for training people. parts: codes (K, D) each"""
    places, same, _ = pairs(people)
    cosines = torch.stack([(part @ part.T)[places[0], places[1]] for part in parts])  # (parts, P)
    grid = [row for row in product(range(GRID + 1), repeat=len(parts)) if sum(row) == GRID]
    found = [true_accepts(cosines.new_tensor(row) @ cosines, same) for row in grid]
    best = max(range(len(grid)), key=lambda i: (found[i], -sum(n * n for n in grid[i])))  # of equals the most even
    return [count / GRID for count in grid[best]]


def retrieve(code: Tensor, people: Sequence[str], kinds: Sequence[str]) -> Retrieval:
    """Which person's portrait is nearest to every selfie and every cell?

    code (K, D); kinds: "portrait", "selfie" or one of CELLS, K of them
    """
    gallery = [i for i, kind in enumerate(kinds) if kind == "portrait"]
    nearest = (code @ code[gallery].T).argmax(1).tolist()
    right = torch.tensor([people[gallery[place]] == person for place, person in zip(nearest, people, strict=True)])
    selfie, cell = torch.tensor([[kind == "selfie", kind in CELLS] for kind in kinds]).T
    return Retrieval(*(float(right[of].double().mean()) for of in (selfie | cell, selfie, cell)))


def drift(code: Tensor, people: Sequence[str], kinds: Sequence[str]) -> Drift:
    """How near acted faces stay to their person's neutral one. code (K, D); kinds: what retrieve() takes"""
    place = {pair: i for i, pair in enumerate(zip(people, kinds, strict=True))}
    everyone = sorted(set(people))
    neutral, *acted = (code[[place[person, word] for person in everyone]] for word in CELLS)  # (people, D) each
    words = {word: float((neutral * face).sum(-1).mean()) for word, face in zip(CELLS[1:], acted, strict=True)}
    rows, columns = torch.triu_indices(len(everyone), len(everyone), 1)
    mean, other = sum(words.values()) / len(words), float((neutral[rows] * neutral[columns]).sum(-1).mean())
    return Drift(words, mean, other, (1 - mean) / (1 - other))
