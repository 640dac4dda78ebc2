import pytest
import torch
from diffsfsr.models.compositing import paste
from diffsfsr.models.grain import LEAST, grain, missing, noise


def smooth(size: int = 96) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    return torch.stack([0.5 * x * y, 0.4 * (3 * x).sin(), 0.3 * y.square()])


def noisy(picture: torch.Tensor, deviation: float) -> torch.Tensor:
    return picture + deviation * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("deviation", [0.04, 0.1, 0.2])
def test_noise_is_measured_whatever_lies_under_it(deviation):
    picture = smooth()
    picture[:, :, 40:44] = 0.9  # a line
    assert noise(noisy(picture, deviation)) == pytest.approx(deviation, rel=0.15)
    assert noise(smooth()) < 0.01 and missing(smooth(), smooth()) == 0
    assert missing(noisy(smooth(), deviation), smooth()) == pytest.approx((deviation**2 - LEAST**2) ** 0.5, rel=0.15)
    assert missing(noisy(smooth(), LEAST / 2), smooth()) == 0  # texture


def test_grain_is_noise_and_no_edge():
    picture = smooth()
    picture[:, :, 40:44] = 0.9
    found = grain(noisy(picture, 0.05), 0.05, 0.1)
    assert found[:, :, :36].std() == pytest.approx(0.1, rel=0.15)
    assert found[:, :, 39:45].abs().mean() < 0.1 and found.abs().max() < 0.4


@pytest.mark.parametrize("k", [1, 4])
def test_a_pasted_face_is_as_grainy_as_its_scene(k):
    scene, crop = noisy(smooth(), 0.1), torch.nn.functional.interpolate(smooth(64)[None], scale_factor=k)[0]
    matrix, mask = torch.tensor([[1.0, 0, -16], [0, 1.0, -16]]), torch.ones(1, 64, 64)
    inner = paste(scene, crop, matrix, mask)[:, 24:72, 24:72]
    assert noise(inner) == pytest.approx(0.1, rel=0.2)
    clean = paste(smooth(), crop, matrix, mask)[:, 24:72, 24:72]
    assert noise(clean) < 0.01 and (inner - clean).mean().abs() < 0.01
