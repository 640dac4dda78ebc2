import pytest
import torch
from diffsfsr.models.appearance.bands import blur
from diffsfsr.models.appearance.focus import blur_of, blurred, smear, variances

WHOLE = torch.ones(1, 1, 192, 192)


def shapes() -> torch.Tensor:
    """(1, 3, 192, 192): sharp discs, lighter and darker than what they lie on."""
    y, x = torch.meshgrid(torch.arange(192.0), torch.arange(192.0), indexing="ij")
    picture = torch.zeros(192, 192)
    for i, (a, b, radius) in enumerate([(50, 60, 30), (130, 50, 22), (90, 130, 34), (150, 140, 18)]):
        inside = (radius - ((x - a).square() + (y - b).square()).sqrt() + 0.5).clamp(0, 1)
        picture = torch.lerp(picture, torch.full_like(picture, (-0.6, 0.5)[i % 2]), inside)
    return picture.expand(1, 3, -1, -1).contiguous()


@pytest.mark.parametrize("sigma", [1.5, 3.0, 8.0])
@pytest.mark.parametrize("grain", [0, 0.08])
def test_blur_is_read_from_edges(sigma, grain):
    picture = blur(shapes(), sigma).mean(1, keepdim=True)
    picture = picture + grain * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    assert variances(picture, WHOLE).mean().sqrt() == pytest.approx(sigma, rel=0.3)


def test_motion_has_a_direction():
    moved = smear(shapes(), torch.tensor([8.0, 8, 16, 0]))  # along one diagonal
    found = blur_of(moved, WHOLE, 1.0)
    assert found[2] > 3 * found[3] and found[:2].max() < found[2]


def test_a_sharp_picture_has_none_and_a_softer_face_stays():
    assert blur_of(shapes(), WHOLE, 1.0) is None
    enlarged = torch.nn.functional.interpolate(shapes(), scale_factor=3, mode="bicubic")
    assert blur_of(enlarged, torch.ones(1, 1, 576, 576), 3.0) is None  # nor one that has no more pixels
    soft = blur(shapes(), 5.0)
    assert torch.equal(blurred(soft, WHOLE, blur_of(blur(shapes(), 2.0), WHOLE, 1.0), 1.0), soft)


@pytest.mark.parametrize("finer", [1.0, 2.0])
def test_a_face_gets_the_blur_that_it_lacks(finer):
    wanted = blur_of(blur(shapes(), 4.0), WHOLE, finer)
    found = blurred(shapes(), WHOLE, wanted, finer)
    torch.testing.assert_close(blur_of(found, WHOLE, finer), wanted, rtol=0.15, atol=0.2)
