"""Emoji, Chinese and Japanese as the English words that models/expression/words.py knows (ours). Without torch.

The table assets/languages.json has each of the 135 labels in both languages, terms with the English phrase that they
stand for, and particles, which stand for nothing.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import read_table, shown

FILE = "languages.json"  # beside the table of synonyms
SPOKEN = ("zh", "ja")
KINDS = ("emoji", "emoticons", *SPOKEN)
# What only changes how an emoji looks: text or picture, skin, a joiner whose sequence is unknown. And Japanese endings:
# "悲しそうな" is 悲し, which is known, with an ending, which means nothing alone.
LOOKS = re.compile("[\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]")
ENDING = re.compile("(?<![\u3040-\u309f])[\u3040-\u309f\u30fc]{1,4}(?![\u3040-\u309f])")


class Languages:
    """Text in any of three languages -> English."""

    def __init__(self, labels: Mapping[str, Mapping[str, str]], terms: Mapping[str, Mapping[str, str]]):
        self.labels = labels  # English label -> "zh" or "ja" -> its name there
        own = {name[language]: label for label, name in labels.items() for language in SPOKEN}
        self._terms = {_even(term): english for kind in ("emoji", *SPOKEN) for term, english in terms[kind].items()} | {
            _even(name): label for name, label in own.items()
        }
        self._alone = {_even(term): english for term, english in terms["emoticons"].items()}
        self._pattern = re.compile(_any_of(self._terms))
        self._alone_pattern = re.compile(rf"(?<!\S)(?:{_any_of(self._alone)})(?!\S)")

    @classmethod
    def load(cls, path: Path, labels: Sequence[str]) -> "Languages":
        """Read and check the table; ValueError names what is wrong in it, such as a term with two meanings."""
        path = Path(path)
        table = read_table(path, "table of languages", {"format", "labels", "terms"})
        names, terms = table["labels"], table["terms"]
        if not isinstance(names, dict) or set(names) != set(labels):
            raise ValueError(f"got other labels in {path.name} than in the library, want the same {len(labels)}")
        if not isinstance(terms, dict) or set(terms) != set(KINDS):
            raise ValueError(f"got no terms of {', '.join(KINDS)} in {path.name}, want an object for each")
        meant: dict[str, str] = {}
        for label, name in names.items():
            if not isinstance(name, dict) or set(name) != set(SPOKEN):
                raise ValueError(f'got {shown(name)} for "{label}" in {path.name}, want its names in {SPOKEN}')
            for each in name.values():
                _note(meant, each, label, path)
        for kind in KINDS:
            if not isinstance(terms[kind], dict):
                raise ValueError(f"got {shown(terms[kind])} for {kind} in {path.name}, want an object of terms")
            for term, english in terms[kind].items():
                _note(meant, term, english, path)
        return cls(names, terms)

    def english(self, text: str) -> str:
        """The text with each term that is known, the longest first, in English; what is not known stays as it is."""
        text = _even(text)
        text = self._alone_pattern.sub(lambda found: f" {self._alone[found[0]]} ", text)
        if text.isascii():
            return text
        text = self._pattern.sub(lambda found: f" {self._terms[found[0]]} ", text)
        return ENDING.sub(" ", LOOKS.sub("", text))


def _note(meant: dict[str, str], term: str, english: str, path: Path) -> None:
    if not isinstance(english, str) or not isinstance(term, str) or not term.strip():
        raise ValueError(f'got {shown(english)} for "{shown(term)}" in {path.name}, want an English phrase')
    if meant.setdefault(_even(term), english) != english:
        raise ValueError(f'got "{english}" and "{meant[_even(term)]}" for "{term}" in {path.name}, want one of them')


def _even(text: str) -> str:
    """One spelling: full-width letters as plain ones, lower case, an emoji without its variation."""
    return unicodedata.normalize("NFKC", text).lower().replace("\ufe0f", "")


def _any_of(terms: Mapping[str, str]) -> str:
    return "|".join(map(re.escape, sorted(terms, key=len, reverse=True)))
