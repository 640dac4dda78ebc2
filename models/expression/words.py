"""Any word or short phrase to the nearest of the 135 labels, with a score and a degree (ours). Without torch.

The table assets/synonyms.json has words and idioms with the labels that they mean, words of degree ("a bit", "utterly")
with the factor that they stand for, and fillers, which mean nothing. docs/expressions.md says how it was made.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import is_names, is_number, read_table, shown
from .labels import nearest

LONGEST = 6  # words in an idiom
LIKE = 0.85  # least likeness of a misspelt word, difflib's ratio
MAX_INTENSITY = 1.5  # the largest factor on an expression; 1 is the expression as it is
NEGATIONS = frozenset(("not", "no", "never", "without", "isnt", "doesnt", "arent", "wasnt", "neither", "nor"))
# Endings taken off and put on to find a known form: "grievingly", "smugger", "pleases".
# fmt: off
ENDINGS = (
    ("ily", "y"), ("ly", ""), ("iness", "y"), ("ness", ""), ("iest", "y"), ("ier", "y"), ("est", ""), ("er", ""),
    ("ing", ""), ("ing", "e"), ("ened", ""), ("ed", ""), ("ed", "e"), ("es", ""), ("s", ""), ("ful", ""), ("", "ed"),
)
# fmt: on


@dataclass(frozen=True)
class Match:
    label: str  # one of the 135
    score: float  # 0..1: 1 the label itself, about 0.9 a synonym, less for a relative, a misspelling, or unknown words
    degree: float  # 0..1.5, what "a bit" or "very" ask for; 1 without any. The same for all matches of a phrase


class Words:
    """Free text -> labels."""

    def __init__(
        self,
        labels: Sequence[str],
        words: dict[str, dict[str, float]],
        degrees: dict[str, float],
        fillers: Sequence[str],
    ):
        self.labels = tuple(labels)
        self._words = {plain(word): meanings for word, meanings in words.items()}
        self._words |= {label: {label: 1.0} | self._words.get(label, {}) for label in labels}
        self._degrees = {plain(word): degree for word, degree in degrees.items()}
        self._fillers = frozenset(fillers)
        self._joined = {word.replace(" ", ""): word for word in self._words}  # "eye roll" finds "eyeroll"
        self._single = [word for word in self._words if " " not in word]

    @classmethod
    def load(cls, path: Path, labels: Sequence[str]) -> "Words":
        """Read and check the table of synonyms; ValueError names what is wrong in it."""
        path = Path(path)
        table = read_table(path, "table of synonyms", {"format", "degrees", "fillers", "words"})
        if not isinstance(table["words"], dict) or not isinstance(table["degrees"], dict):
            raise ValueError(f"got no words or no degrees in {path.name}, want an object for each")
        if not is_names(table["fillers"]):
            raise ValueError(f"got no list of fillers in {path.name}, want a list of words")
        for word, meanings in table["words"].items():
            if not isinstance(meanings, dict):
                raise ValueError(f'got {shown(meanings)} for "{shown(word)}" in {path.name}, want labels with weights')
            for label, weight in meanings.items():
                if label not in labels or not is_number(weight, 0, 1) or not weight:
                    raise ValueError(
                        f'got "{shown(label)}": {shown(weight)} for "{shown(word)}" in {path.name}, want a label and '
                        "0 to 1"
                    )
        for word, degree in table["degrees"].items():
            if not is_number(degree, 0, MAX_INTENSITY):
                raise ValueError(f'got {shown(degree)} for "{shown(word)}" in {path.name}, want 0 to {MAX_INTENSITY}')
        return cls(labels, table["words"], table["degrees"], table["fillers"])

    def find(self, phrase: str, count: int = 5) -> list[Match]:
        """The labels nearest to a phrase, best first, at most `count`; fewer where the phrase has fewer meanings.

        "a bit smug" -> contempt, pride, ... of degree 0.6. Raises ValueError where no word is known, with the five
        labels nearest in spelling, and for a negation, which says only what the face does not show.
        """
        tokens = plain(phrase).split()
        if not tokens:
            raise ValueError(f'got "{phrase}", want a word or a short phrase such as "joy" or "a bit smug"')
        negated = [i for i, token in enumerate(tokens) if i and tokens[i - 1] in NEGATIONS and token in self._degrees]
        tokens = [token for i, token in enumerate(tokens) if i not in negated]  # "not very happy" is "not happy"
        degree, known, unknown = 1.0, [], []
        for text, meanings, factor in self._parts(tokens):
            if text in NEGATIONS and not meanings:
                raise ValueError(f'got "{phrase}": say what the face is to show, not what it is not to ("{text}")')
            degree *= factor
            if meanings:
                known.append(meanings)
            elif text not in self._degrees and text not in self._fillers:
                unknown.append(text)
        if not known:
            near = ", ".join(nearest(" ".join(unknown) or phrase, self.labels))
            raise ValueError(f'got "{phrase}", of which no word is known; the nearest labels in spelling are {near}')
        covered = 0.5 + 0.5 * len(known) / (len(known) + len(unknown))
        scores: dict[str, float] = {}
        for meanings in known:
            for label, weight in meanings.items():  # two words that mean the same label agree on it
                scores[label] = 1 - (1 - scores.get(label, 0)) * (1 - weight)
        ranked = sorted(scores.items(), key=lambda item: -item[1])[:count]
        degree = min(round(degree, 2), MAX_INTENSITY)
        return [Match(label, round(score * covered, 3), degree) for label, score in ranked]

    def _parts(self, tokens: list[str]) -> Iterator[tuple[str, dict[str, float], float]]:
        """The phrase in its longest known pieces: text, labels with weights ({} where none), degree (1 where none)."""
        position = 0
        while position < len(tokens):
            for length in range(min(LONGEST, len(tokens) - position), 0, -1):
                text = " ".join(tokens[position : position + length])
                meanings = self._words.get(text) or self._words.get(self._joined.get(text.replace(" ", "")), {})
                if meanings or text in self._degrees or length == 1:
                    break
            if not meanings and text not in self._degrees and text not in self._fillers and text not in NEGATIONS:
                meanings = self._inflected(text) or self._misspelt(text)
            yield text, meanings, self._degrees.get(text, 1.0)
            position += length

    def _inflected(self, word: str) -> dict[str, float]:
        for end, other in ENDINGS:
            if word.endswith(end) and len(word) - len(end) >= 3:
                stem = word[: len(word) - len(end)]
                for form in (stem + other, stem[:-1] if stem[-1] == stem[-2] else stem):  # "sadder" -> "sad"
                    if form in self._words:
                        return _weaker(self._words[form], 0.95)
        return {}

    def _misspelt(self, word: str) -> dict[str, float]:
        """Words of four letters or more, which begin with the right letter."""
        if len(word) < 4:
            return {}
        likeness = {
            known: difflib.SequenceMatcher(None, word, known).ratio()
            for known in self._single
            if known[0] == word[0] and abs(len(known) - len(word)) <= 3
        }
        best = max(likeness, key=likeness.get, default="")
        return _weaker(self._words[best], likeness[best] ** 2) if best and likeness[best] >= LIKE else {}


def plain(text: str) -> str:
    """Lower case, letters and digits only, single spaces: "I can't WAIT!" -> "i cant wait"."""
    text = unicodedata.normalize("NFKD", text).lower().replace("\u2019", "'").replace("'", "")
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[\W_]+", " ", text).split())


def _weaker(meanings: dict[str, float], factor: float) -> dict[str, float]:
    return {label: math.floor(weight * factor * 1000) / 1000 for label, weight in meanings.items()}
