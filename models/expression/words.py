"""Any word or short phrase to labels and actions, with scores and degrees (ours). Without torch.

The table assets/synonyms.json has words and idioms with the labels that they mean, words of degree ("a bit", "utterly")
with the factor that they stand for, and fillers, which mean nothing; beside it lie the actions, such as smile or wink,
and what is said in Chinese, Japanese and emoji. docs/expressions.md says how they were made.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import is_names, is_number, read_table, shown
from . import actions, languages
from .actions import Action, read_actions
from .labels import nearest
from .languages import Languages

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


@dataclass(frozen=True)
class Meaning:
    """One of the things that a phrase asks for."""

    what: str  # one of the 135 labels, or of the actions
    score: float  # as a Match's; 1 for an action
    degree: float  # 0..1.5
    action: Action | None = None


@dataclass
class _Piece:
    text: str
    meanings: dict[str, float]  # labels with weights, {} for an action and for what is not known
    degree: float  # 1 where the piece is no word of degree
    action: Action | None = None


class Words:
    """Free text -> labels and actions."""

    def __init__(
        self,
        labels: Sequence[str],
        words: dict[str, dict[str, float]],
        degrees: dict[str, float],
        fillers: Sequence[str],
        acts: Mapping[str, Action] | None = None,
        spoken: Languages | None = None,
    ):
        self.labels = tuple(labels)
        self.languages = spoken
        self.actions = acts or {}
        self._acts = {plain(word): action for action in self.actions.values() for word in action.words}
        self._words = {plain(word): meanings for word, meanings in words.items()}
        self._words |= {label: {label: 1.0} | self._words.get(label, {}) for label in labels}
        self._degrees = {plain(word): degree for word, degree in degrees.items()}
        self._fillers = frozenset(fillers)
        self._joined = {word.replace(" ", ""): word for word in self._words}  # "eye roll" finds "eyeroll"
        self._single = [word for word in (*self._words, *self._acts) if " " not in word]

    @classmethod
    def load(cls, path: Path, labels: Sequence[str]) -> "Words":
        """Read and check the table of synonyms, and actions and languages where they lie beside it.

        ValueError names what is wrong in a table.
        """
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
        beside = {file: path.with_name(file) for file in (actions.FILE, languages.FILE)}
        acts = read_actions(beside[actions.FILE]) if beside[actions.FILE].is_file() else None
        spoken = Languages.load(beside[languages.FILE], labels) if beside[languages.FILE].is_file() else None
        return cls(labels, table["words"], table["degrees"], table["fillers"], acts, spoken)

    def synonyms(self) -> dict[str, list[str]]:
        """The words that mean each label more than any other."""
        found: dict[str, list[str]] = {}
        for word, meanings in self._words.items():
            best = max(meanings, key=meanings.get)
            if word != best:
                found.setdefault(best, []).append(word)
        return found

    def find(self, phrase: str, count: int = 5) -> list[Match]:
        """The labels nearest to a phrase, best first, at most `count`; fewer where the phrase has fewer meanings.

        "a bit smug" -> contempt, pride, ... of degree 0.6. Raises ValueError where no word is known, with those that
        are spelt most like it, and for a negation, which says only what the face does not show.
        """
        pieces = self._cut(phrase, {})
        scores: dict[str, float] = {}
        degree, covered = math.prod(piece.degree for piece in pieces), self._covered(phrase, pieces)
        for piece in pieces:
            _agree(scores, piece.meanings)
        ranked = sorted(scores.items(), key=lambda item: -item[1])[:count]
        degree = min(round(degree, 2), MAX_INTENSITY)
        return [Match(label, round(score * covered, 3), degree) for label, score in ranked]

    def read(self, phrase: str) -> list[Meaning]:
        """What a phrase asks for, in its order: labels to be mixed by their scores, and actions on top of them.

        Words that share a label are one label ("sad and sorrowful"), others are mixed ("happy but worried"); a word of
        degree belongs to what follows it, or else to what is before it. Raises ValueError as `find` does.
        """
        pieces = self._cut(phrase, self._acts)
        covered, pending, groups = self._covered(phrase, pieces), 1.0, []  # of [scores, degree, action]
        for piece in pieces:
            pending *= piece.degree
            if not piece.meanings and piece.action is None:
                continue
            same = next((each for each in groups if each[0].keys() & piece.meanings.keys()), None)
            if piece.action is not None:
                same = next((each for each in groups if each[2] is piece.action), None)
            if same is None:
                groups.append(same := [{}, 1.0, piece.action])
            _agree(same[0], piece.meanings)
            same[1] *= pending
            pending = 1.0
        groups[-1][1] *= pending
        found = []
        for scores, degree, action in groups:
            best = max(scores, key=scores.get, default=None)
            degree = min(round(degree, 2), MAX_INTENSITY)
            if best is None:
                found.append(Meaning(action.name, 1.0, degree, action))
            else:
                found.append(Meaning(best, round(scores[best] * covered, 3), degree))
        return found

    def suggested(self, word: str) -> str:
        """What a word that is no label may mean, as the end of an error's sentence."""
        try:
            return f'"{shown(word)}" means {", ".join(match.label for match in self.find(word))}'
        except ValueError:
            return f"the nearest in spelling are {', '.join(nearest(word, self.labels))}"

    def _cut(self, phrase: str, acts: Mapping[str, Action]) -> list[_Piece]:
        """The phrase in its longest known pieces; ValueError where nothing is said, or what is not to be shown."""
        tokens = plain(self.languages.english(phrase) if self.languages else phrase).split()
        if not tokens:
            raise ValueError(f'got "{phrase}", want a word or a short phrase such as "joy" or "a bit smug"')
        negated = [i for i, token in enumerate(tokens) if i and tokens[i - 1] in NEGATIONS and token in self._degrees]
        tokens = [token for i, token in enumerate(tokens) if i not in negated]  # "not very happy" is "not happy"
        pieces = list(self._pieces(tokens, acts))
        for piece in pieces:
            if piece.text in NEGATIONS and not piece.meanings:
                raise ValueError(
                    f'got "{phrase}": say what the face is to show, not what it is not to ("{piece.text}")'
                )
        return pieces

    def _covered(self, phrase: str, pieces: list[_Piece]) -> float:
        """How much of a phrase is understood, 0.5..1; ValueError where nothing is."""
        known = [piece for piece in pieces if piece.meanings or piece.action]
        unknown = [
            piece.text
            for piece in pieces
            if piece not in known and piece.text not in self._degrees and piece.text not in self._fillers
        ]
        if known:
            return 0.5 + 0.5 * len(known) / (len(known) + len(unknown))
        words = nearest(" ".join(unknown) or phrase, self._single)
        near = ", ".join(dict.fromkeys(self._meant(word) for word in words))
        also = f". There are actions, too: {', '.join(self.actions)}" if self.actions else ""
        spoken = "English, Chinese and Japanese, besides emoji" if self.languages else "English"
        raise ValueError(
            f'got "{phrase}", of which no word is known; words are understood in {spoken}; the nearest in spelling are '
            f"{near}{also}"
        )

    def _meant(self, word: str) -> str:
        """A known word with what it stands for."""
        meanings = self._words.get(word, {})
        label = self._acts[word].name if word in self._acts else max(meanings, key=meanings.get)
        return word if word == label else f"{word} ({label})"

    def _pieces(self, tokens: list[str], acts: Mapping[str, Action]) -> Iterator[_Piece]:
        position = 0
        while position < len(tokens):
            for length in range(min(LONGEST, len(tokens) - position), 0, -1):
                text = " ".join(tokens[position : position + length])
                action = acts.get(text)
                meanings = self._words.get(text) or self._words.get(self._joined.get(text.replace(" ", "")), {})
                if action or meanings or text in self._degrees or length == 1:
                    break
            known = action or meanings or text in self._degrees or text in self._fillers or text in NEGATIONS
            if not known:
                form, weaker = self._form(text)
                action, meanings = acts.get(form), _weaker(self._words.get(form, {}), weaker)
            if action:
                yield _Piece(text, {}, 1.0, action)
            else:
                yield _Piece(text, meanings, self._degrees.get(text, 1.0))
            position += length

    def _form(self, word: str) -> tuple[str, float]:
        """The known word of which this is another form or a misspelling, and how sure that is; "" where none is."""
        known = self._words.keys() | self._acts.keys()
        for end, other in ENDINGS:
            if word.endswith(end) and len(word) - len(end) >= 3:
                stem = word[: len(word) - len(end)]
                for form in (stem + other, stem[:-1] if stem[-1] == stem[-2] else stem):  # "sadder" -> "sad"
                    if form in known:
                        return form, 0.95
        if len(word) < 4:
            return "", 0.0
        likeness = {
            known: difflib.SequenceMatcher(None, word, known).ratio()
            for known in self._single
            if known[0] == word[0] and abs(len(known) - len(word)) <= 3
        }
        best = max(likeness, key=likeness.get, default="")
        return (best, likeness[best] ** 2) if best and likeness[best] >= LIKE else ("", 0.0)


def plain(text: str) -> str:
    """Lower case, letters and digits only, single spaces: "I can't WAIT!" -> "i cant wait"."""
    text = unicodedata.normalize("NFKD", text).lower().replace("\u2019", "'").replace("'", "")
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[\W_]+", " ", text).split())


def _weaker(meanings: dict[str, float], factor: float) -> dict[str, float]:
    return {label: math.floor(weight * factor * 1000) / 1000 for label, weight in meanings.items()}


def _agree(scores: dict[str, float], meanings: dict[str, float]) -> None:
    """Add a word's labels to the scores; two words that mean the same label agree on it."""
    for label, weight in meanings.items():
        scores[label] = 1 - (1 - scores.get(label, 0)) * (1 - weight)
