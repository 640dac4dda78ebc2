import numpy as np
import pytest
from diffsfsr.evaluation.sheets import CROP, SMALL, Row, contact_sheet
from PIL import Image


def test_the_sheet_shows_the_squares_around_the_faces():
    selfie, background, result = (Image.new("RGB", (400, 300), colour) for colour in ("red", "blue", "blue"))
    result.paste("green", (100, 50, 300, 250))
    shown = Image.new("RGB", (160, 160), "yellow")
    row = Row(selfie, (0, 0, 100, 100), "joy", shown, background, (100, 50, 300, 250), result)
    sheet = np.asarray(contact_sheet([row] * 3))

    def area(*colour: int) -> int:
        return (sheet == colour).all(-1).sum()

    whole = 200 * 200 / 400**2 * SMALL**2  # of the result's face in the whole picture, at the sheet's scale
    assert area(255, 0, 0) == area(255, 255, 0) == 3 * SMALL**2
    assert area(0, 128, 0) == pytest.approx(3 * (CROP**2 + whole), rel=0.01)
    assert area(0, 0, 255) == pytest.approx(3 * (SMALL**2 + 300 / 400 * SMALL**2 - whole), rel=0.05)
