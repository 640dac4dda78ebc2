"""Folds on drawn skin: a line is one, a mole and pores are none."""

import pytest
import torch
from diffsfsr.models.appearance.folds import folds
from torch import Tensor

SIZE, LIT, SHADE = 512, 0.3, -0.1


@pytest.fixture
def skin() -> Tensor:
    """(1, 3, SIZE, SIZE) with pores."""
    pores = 0.03 * torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return (LIT + pores).repeat(1, 3, 1, 1)


@pytest.fixture
def bare() -> Tensor:
    return torch.ones(1, 1, SIZE, SIZE)


def test_a_line_is_a_fold(skin, bare):
    skin[..., 150:300, 197:203] = SHADE
    found = folds(skin, bare)
    assert found[..., 180:270, 200].min() > 0.5 and found[..., :130, :].mean() < 0.2


def test_a_mole_is_none(skin, bare):
    skin[..., 200:206, 200:206] = -0.5
    assert folds(skin, bare)[..., 200:206, 200:206].max() < 0.3


def test_where_no_bare_skin_is_there_is_none(skin, bare):
    skin[..., 150:300, 197:203] = SHADE
    assert folds(skin, torch.zeros_like(bare)).max() == 0
