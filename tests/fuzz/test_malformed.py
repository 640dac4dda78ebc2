"""Spoiled files end in words, or in a sound object: a few for each reader; malformed.py tries as many as are wanted."""

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the two files beside this one are a program, too
from malformed import readers, table, try_out  # noqa: E402
from spoil import spoil_json, spoil_safetensors  # noqa: E402


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.name)
def test_no_spoiled_file_gets_through(reader, tmp_path):
    counts = try_out(reader, 25, 1, tmp_path)
    assert not counts.faults
    assert counts.refused > 3 and counts.refused + counts.accepted == 25
    assert f"| {reader.name} | 25 | {counts.refused} |" in list(table({reader.name: counts}))[2]


def test_the_same_seed_spoils_in_the_same_way(tmp_path):
    reader = readers()[0]
    reader.write(tmp_path / reader.file)
    good = (tmp_path / reader.file).read_bytes()
    spoiled = [[spoil_safetensors(good, random.Random(seed)) for seed in range(40)] for _ in range(2)]
    assert spoiled[0] == spoiled[1] and len(set(spoiled[0])) > 30
    texts = {spoil_json('{"jawOpen": 0.4, "mouthSmile": 0.5}', random.Random(seed)) for seed in range(40)}
    assert len(texts) > 10


@pytest.mark.parametrize("length", [0, 10**9], ids=["believes everything", "raises what comes"])
def test_a_reader_with_a_fault_is_found(tmp_path, length):
    reader = next(reader for reader in readers() if reader.name == "expression values")
    good = '{"jawOpen": 0.4, "mouthSmile": 0.5}'

    def read(path: Path) -> None:
        text = path.read_text(errors="replace")
        if text != good and length:
            text[length]
        assert text == good, "this should have been refused"

    counts = try_out(replace(reader, read=read), 10, 0, tmp_path)
    assert len(counts.faults) == 10 and ("IndexError" if length else "AssertionError") in counts.faults[0]
    assert counts.faults[0].startswith("expression values 0 0: ")
