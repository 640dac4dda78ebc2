import numpy as np
import pytest
from diffsfsr.evaluation.host.demo import CELL, PAIRS, WORD, Row, contact_sheet, run_demo
from diffsfsr.evaluation.people import find_people
from PIL import Image


def test_the_sheet_shows_the_squares_around_the_faces():
    selfie, background, result = (Image.new("RGB", (400, 300), colour) for colour in ("red", "blue", "blue"))
    result.paste("green", (100, 50, 300, 250))
    shown = Image.new("RGB", (160, 160), "yellow")
    row = Row(selfie, (0, 0, 100, 100), "joy", shown, background, (100, 50, 300, 250), result)
    sheet = np.asarray(contact_sheet([row, row]))

    def area(*colour: int) -> float:
        return (sheet == colour).all(-1).sum() / CELL**2  # in cells

    assert area(255, 0, 0) == 2
    assert area(255, 255, 0) == pytest.approx(2 * (1 - WORD / CELL) ** 2)
    assert area(0, 0, 255) == pytest.approx(2 + 2 * (300 / 400 - 200 * 200 / 400**2), abs=0.05)
    assert area(0, 128, 0) == pytest.approx(2 + 2 * 200 * 200 / 400**2, abs=0.05)


def test_the_people_of_the_demo_are_there():
    for identity, scene in PAIRS:
        assert (find_people() / identity / "assets" / "amateur_selfie.jpg").is_file()
        assert (find_people() / scene / "assets" / "studio_portrait.jpg").is_file()


def test_a_folder_without_comfyui_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no ComfyUI in"):
        run_demo(tmp_path, tmp_path / "demo.png")
