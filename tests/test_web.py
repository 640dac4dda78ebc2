"""The pack's JavaScript: short files, no build step, and all that it says in three languages."""

import re
from pathlib import Path

WEB = Path(__file__).parents[1] / "web" / "live"
FILES = sorted(WEB.glob("*.js"))
STRING = r'"((?:[^"\\]|\\.)+)"'


def test_no_file_is_long():
    assert FILES
    assert not {path.name: n for path in FILES if (n := len(path.read_text("utf-8").splitlines())) > 400}


def test_what_is_imported_is_there():
    for path in FILES:
        for target in re.findall(r'^import .* from "(.+)"$', path.read_text("utf-8"), re.MULTILINE):
            assert target.startswith("../../../scripts/") or (WEB / target).is_file(), f"{path.name}: {target}"


def test_all_that_is_said_is_translated():
    table = (WEB / "words.js").read_text("utf-8")
    names = {quoted or bare for quoted, bare in re.findall(r'^    (?:"(.+?)"|(\w+)): \[', table, re.MULTILINE)}
    rows = re.findall(rf'^    (?:".+?"|\w+): \[{STRING}, {STRING}\],$', table, re.MULTILINE)
    assert len(rows) == len(names) > 60
    assert all(any(ord(letter) > 0x3000 for letter in text) for row in rows for text in row)
    said = {text for path in FILES for text in re.findall(rf"\bt\({STRING}\)", path.read_text("utf-8"))}
    groups = re.findall(r'\["(?:\w+)", "([A-Z][\w ]*)"\]|\["([A-Z]\w+)", \[', (WEB / "values.js").read_text("utf-8"))
    said |= {one or other for one, other in groups}
    assert len(said) > 40 and not said - names
