import importlib.util
from pathlib import Path

import pytest
from diffsfsr.cli import main
from diffsfsr.models.expression.user_library import UserLibrary
from PIL import Image


def test_find_prints_the_nearest_labels_best_first(capsys):
    assert main(["library", "find", "a", "bit", "smug"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {"contempt", "pride"} <= {line[0] for line in lines[:3]}
    assert all(line[-1] == "0.60" for line in lines)


def test_find_refuses_an_unknown_word_in_one_line(capsys):
    assert main(["library", "find", "quokka"]) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: got "quokka", of which no word is known') and error.count("\n") == 1


def test_build_reads_a_folder_and_names_what_it_left_out(tmp_path, capsys):
    people = Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated"
    (tmp_path / "photos" / "calm").mkdir(parents=True)
    with Image.open(people / "P002" / "assets" / "emotions_sheet.jpg") as sheet:
        face = sheet.crop((0, 0, sheet.width // 4, sheet.height // 4))
    face.save(tmp_path / "photos" / "calm" / "a.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "photos" / "calm" / "nobody.png")
    out = tmp_path / "mine.safetensors"
    assert main(["library", "build", str(tmp_path / "photos"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 photos read, 1 kept" in printed and "left out: calm/nobody.png: no face found" in printed
    assert UserLibrary.load(out).photos == ("calm/a.png",)


def test_sheet_shows_the_labels(tmp_path, capsys):
    sheet = tmp_path / "labels.jpg"
    assert main(["library", "sheet", "--output", str(sheet), "--variant", "1"]) == 0
    with Image.open(sheet) as picture:
        assert picture.width > 1500 and 1e5 < sheet.stat().st_size < 9e5
    assert main(["library", "sheet", "--output", str(tmp_path / "labels.doc")]) == 2
    assert "end the name in one of" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["build", "nowhere", "--out", "x.safetensors"], ["check", "--people", "nowhere"]]
)
def test_a_folder_that_is_not_there_is_refused(arguments, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["library", *arguments]) == 2
    assert "nowhere" in capsys.readouterr().err
