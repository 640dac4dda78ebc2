import pytest
import torch
from diffsfsr.evaluation.results.reconstruction import decibels, measure
from diffsfsr.models import DiffSFSR


def test_decibels_count_what_is_asked_for():
    x, where = torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    where[..., :4] = 1
    y = torch.where(where > 0, 0.2, 0.9).expand(2, 3, 8, 8)  # 0.2 of 2: 20 dB
    torch.testing.assert_close(decibels(x, y, where), torch.full((2,), 20.0))


def test_the_bundled_autoencoder_keeps_a_face(judges, prepared_people):
    found = measure(DiffSFSR.load("mini"), [prepared_people], judges)
    assert found.photos == 4 and found.whole > 25 and found.face > 25
    assert 0.5 < found.acting < 1  # two neutral portraits: little to correlate
    assert 0.95 < found.lowest <= found.cosine < 1
    assert "photo and reconstruction" in found.markdown()


def test_without_a_judge_pixels_alone_are_compared(prepared_people):
    found = measure(DiffSFSR.load("mini"), [prepared_people], None)
    assert found.cosine is None and "judge" not in found.markdown() and found.whole == pytest.approx(30, abs=4)
