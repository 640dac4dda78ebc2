import pytest
import torch
from diffsfsr.models.appearance.bands import blur
from diffsfsr.models.compositing import paste
from diffsfsr.models.grain import LEAST, STEP, Grain, colours, missing, noise


def smooth(size: int = 96) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    return torch.stack([0.5 * x * y, 0.4 * (3 * x).sin(), 0.3 * y.square()])


def noisy(picture: torch.Tensor, deviation: float, size: float = 0) -> torch.Tensor:
    """size: pixels that the noise is softened by"""
    drawn = torch.randn((1, *picture.shape), generator=torch.Generator().manual_seed(0))
    drawn = blur(drawn, size) if size else drawn
    return picture + deviation * drawn[0] / drawn.std()


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
    found = Grain(fine=0.1, own=0.05).of(noisy(picture, 0.05))
    assert found[:, :, :36].std() == pytest.approx(0.1, rel=0.15)
    assert found[:, :, 39:45].abs().mean() < 0.1 and found.abs().max() < 0.4


def test_coarse_grain_is_told_by_its_colours_and_carries_no_line():
    lines = smooth()
    lines[:, :, 40:43] -= 0.12  # dark, as a fold in skin
    assert not Grain.lacking(lines, smooth()) and not Grain.lacking(smooth(), noisy(smooth(), 0.1, 1.0))
    scene = noisy(lines, 0.08, 1.0)
    found = Grain.lacking(scene, smooth())
    assert found and found.fine < LEAST
    laid = found.of(scene)
    assert laid.std() == pytest.approx(0.08, rel=0.25)
    assert laid[:, :, 40:43].mean() > -0.02
    part = found.of(scene, slice(20, 40), slice(30, 90))  # as a face that is pasted in strips
    torch.testing.assert_close(part, laid[:, 20:40, 30:90])


@pytest.mark.parametrize("size", [0, 1.0], ids=["fine", "coarse"])
@pytest.mark.parametrize("k", [1, 4])
def test_a_pasted_face_is_as_grainy_as_its_scene(k, size):
    scene, crop = noisy(smooth(), 0.1, size), torch.nn.functional.interpolate(smooth(64)[None], scale_factor=k)[0]
    matrix, mask = torch.tensor([[1.0, 0, -16], [0, 1.0, -16]]), torch.ones(1, 64, 64)
    inner, clean, was = (x[:, 24:72, 24:72] for x in (
        paste(scene, crop, matrix, mask), paste(smooth(), crop, matrix, mask), scene - smooth()))  # fmt: skip
    assert noise(clean) < 0.01 and (inner - clean).mean().abs() < 0.01
    assert (inner - clean).std() == pytest.approx(float(was.std()), rel=0.25)
    if size:
        for of in (colours, lambda x: x.mean(0, keepdim=True)):
            assert noise(of(inner - clean), STEP) == pytest.approx(noise(of(was), STEP), rel=0.2)
    else:
        assert noise(inner) == pytest.approx(0.1, rel=0.2)
