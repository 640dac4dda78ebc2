"""Who takes no part in training: one person in ten, by a hash of the name alone, whoever else is there (ours).

The bundled weights were trained with another split, every tenth of LFW's sorted names. Those people stay test people;
test_people.txt has hashes of their names, so that nobody is named here.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ONE_IN = 10
BUNDLED = Path(__file__).with_name("test_people.txt")


def is_test_person(person: str) -> bool:
    """Whether a person is left out of all training: by the hash, or on the list of the bundled weights."""
    digest = name_hash(person)
    return int(digest, 16) % ONE_IN == 0 or digest in bundled_test_people()


def test_people(people: Iterable[str]) -> set[str]:
    """Those of these people on whom weights are measured, which none of them was trained on.

    Where some are on the list, only they: the bundled weights were trained on LFW's others, whatever their hash says.
    """
    tested = set(filter(is_test_person, people))
    return {person for person in tested if name_hash(person) in bundled_test_people()} or tested


def name_hash(person: str) -> str:
    """16 hexadecimal digits: the first 64 bits of SHA-256 of the name in UTF-8, in Unicode's composed form (NFC)."""
    return hashlib.sha256(unicodedata.normalize("NFC", person).encode()).hexdigest()[:16]


@cache
def bundled_test_people() -> frozenset[str]:
    """Hashes of the names of the people who took no part in the training of the bundled weights."""
    return frozenset(BUNDLED.read_text(encoding="ascii").split())
