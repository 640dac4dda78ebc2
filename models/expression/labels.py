"""Names of the expression labels without torch, for the node's list, the command line and error messages."""

import difflib
import json
import os
from collections.abc import Sequence
from pathlib import Path


def read_table(path: Path) -> dict:
    """The expression table as it stands in the file, unchecked but for being one (docs/expressions.md)."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no expression library {path}; it belongs to this pack: get the pack anew")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"got {path}, want an expression library in JSON ({error})") from error
    if not isinstance(table, dict) or not isinstance(table.get("labels"), dict):
        raise ValueError(f'got {path}, want an expression library: an object with "format", "anchors" and "labels"')
    return table


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels in the file's order, which is the numbering of DiffSFSR's authors."""
    return tuple(read_table(path)["labels"])


def nearest(word: str, known: Sequence[str], count: int = 5) -> list[str]:
    """The known names that are spelt most like the word, best first: common letters, and a common beginning."""
    word = word.strip().lower()

    def likeness(name: str) -> float:
        beginning = len(os.path.commonprefix([word, name.lower()])) / max(min(len(word), len(name)), 1)
        return difflib.SequenceMatcher(None, word, name.lower()).ratio() + beginning

    return sorted(known, key=likeness, reverse=True)[:count]
