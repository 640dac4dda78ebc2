"""Names of the expression labels without torch, for the node's list, the command line and error messages."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from ..files import read_table

LONGEST = 64  # letters of a word that are looked at


def read_expressions(path: Path) -> dict:
    """The expression table as it stands in the file, its labels unchecked (docs/expressions.md)."""
    table = read_table(path, "expression library", {"format", "neutral", "anchors", "labels"})
    if not isinstance(table["labels"], dict) or not table["labels"]:
        raise ValueError(f"got no labels in {path}, want an object with one or more; get the pack anew")
    return table


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels in the file's order, which is the numbering of DiffSFSR's authors."""
    return tuple(read_expressions(path)["labels"])


def most_variants(path: Path) -> int:
    """How many faces the word with the most of them has."""
    return max(len(each["variants"]) for each in read_expressions(path)["labels"].values())


def nearest(word: str, known: Sequence[str], count: int = 5) -> list[str]:
    """The known names that are spelt most like the word, best first: common letters, and a common beginning."""
    word = word.strip().lower()[:LONGEST]

    def likeness(name: str) -> float:
        beginning = len(os.path.commonprefix([word, name.lower()])) / max(min(len(word), len(name)), 1)
        return difflib.SequenceMatcher(None, word, name.lower()).ratio() + beginning

    return sorted(known, key=likeness, reverse=True)[:count]
