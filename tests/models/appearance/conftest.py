"""Shared by the tests of the two small networks."""

from collections.abc import Callable

import pytest
import torch
from diffsfsr.models.appearance.unet import UNet


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
