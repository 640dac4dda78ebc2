import pytest
import torch
from diffsfsr.models.files import all_finite
from diffsfsr.models.pixels import from_bytes, to_bytes


def test_every_level_comes_back():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    x = from_bytes(levels)
    assert (x[0, 0, 0], x[0, -1, -1]) == (-1, 1) and torch.equal(to_bytes(x), levels)
    assert torch.equal(to_bytes(x + torch.linspace(-0.49, 0.49, 16) / 127.5), levels)  # the nearest level
    assert to_bytes(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


def test_nothing_of_the_callers_is_changed():
    x = torch.full((3, 2, 2), 0.3, requires_grad=True)
    to_bytes(x)
    assert (x == 0.3).all() and x.requires_grad
    with pytest.raises(TypeError, match="got pixels in torch.float32, want torch.uint8"):
        from_bytes(x)


def test_large_numbers_are_numbers():
    assert all_finite(torch.full((4,), 3e38)) and all_finite(torch.full((4,), 6e4).half())
    for bad in (torch.nan, torch.inf, -torch.inf):
        assert not all_finite(torch.tensor([0.0, bad]))
    assert not all_finite(torch.tensor([torch.inf, -torch.inf]))
