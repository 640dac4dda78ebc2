"""Shared: a face; for the tests of the two small networks, one that does something."""

from collections.abc import Callable

import pytest
import torch
from diffsfsr.models.appearance.unet import UNet
from diffsfsr.models.faces.mesh import MEAN_FACE
from safetensors.torch import load_file


@pytest.fixture(scope="session")
def face() -> torch.Tensor:
    """(1, 478, 3) the mean face, frontal, 130 of 224 pixels high, in their middle; lips closed, eyes open."""
    points = load_file(MEAN_FACE)["points"]
    points = points - points.mean(0)
    points = points * (130 / points[:, 1].abs().max() / 2)
    return (points + torch.tensor([112.0, 112.0, 0.0]))[None]


@pytest.fixture(scope="session")
def awaken() -> Callable[[type[UNet]], UNet]:
    """awaken(Mouth): a small one that changes something and whose answer depends on all it is given: no weight is 0."""

    def draw(kind: type[UNet]) -> UNet:
        torch.manual_seed(0)
        model = kind((8, 12, 16))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        return model.eval().requires_grad_(False)

    return draw
