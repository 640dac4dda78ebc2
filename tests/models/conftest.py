"""Shared by the models' tests: a config that is quick on a CPU, the real face mesh, synthetic people's faces."""

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.appearance.topology import OUTLINE
from diffsfsr.models.frames import FRAMES
from diffsfsr.models.network.config import Config, mini
from diffsfsr.models.pictures import read_picture
from torch import Tensor


@pytest.fixture(scope="session")
def tiny() -> Config:
    return mini(
        name="tiny", recognisers=("small",), identity_size=16, latent_channels=4, widths=(32, 64), layers=1, heads=2,
        context=32, identity_tokens=2, expression_tokens=3, autoencoder_widths=(32, 32, 32, 32),
    )  # fmt: skip


@pytest.fixture(scope="session")
def acted() -> Callable[[str, int, int], Tensor]:
    """acted(person, cell, size): one of a synthetic person's 16 acted faces, (3, size, size) in [-1, 1]."""
    folder = Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated"
    sheets = {}

    def face(person: str, cell: int, size: int = 200) -> Tensor:
        if person not in sheets:
            sheets[person] = read_picture(folder / person / "assets" / "emotions_sheet.jpg")
        sheet = sheets[person]
        height, width = sheet.shape[1] // 4, sheet.shape[2] // 4
        top, left = cell // 4 * height, cell % 4 * width + (width - height) // 2
        square = sheet[None, :, top : top + height, left : left + height]
        return F.interpolate(square, size=(size, size), mode="bicubic", antialias=True)[0].clamp(-1, 1)

    return face


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def mesh() -> Tensor:
    """(1, 478, 2): a drawn, upright face in the middle of 128 pixels, its oval an ellipse 70 wide and 90 high."""
    angle = torch.arange(36) * (math.pi / 18)  # clockwise from the top
    points = torch.full((1, 478, 2), 64.0)
    points[0, OUTLINE] = torch.stack([64 + 35 * angle.sin(), 64 - 45 * angle.cos()], -1)
    points[0, [468, 473, 4, 61, 291]] = torch.tensor(FRAMES["mini-128"].points)
    return points


@pytest.fixture
def turned() -> Callable[[float], Tensor]:
    """turned(degrees): (1, 2, 3), a turn about the middle of 128 pixels."""

    def matrix(degrees: float, about: float = 64.0) -> Tensor:
        a, b = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return torch.tensor([[[a, -b, about - about * (a - b)], [b, a, about - about * (b + a)]]])

    return matrix


@pytest.fixture
def disc() -> Callable[[int, float], Tensor]:
    """disc(size, radius): (1, size, size), 1 within, 0 outside."""

    def mask(size: int, radius: float) -> Tensor:
        at = torch.arange(size) + 0.5 - size / 2
        return ((at[:, None] ** 2 + at**2) < radius**2).float()[None]

    return mask


@pytest.fixture
def smooth_picture() -> Callable[[int, int], Tensor]:
    """smooth_picture(height, width): (3, height, width) in [-1, 1]."""

    def picture(height: int, width: int) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        coarse = torch.rand(1, 3, height // 16 + 1, width // 16 + 1, generator=generator) * 1.6 - 0.8
        return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(-1, 1)[0]

    return picture
