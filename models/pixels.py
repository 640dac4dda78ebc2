"""Pixels in [-1, 1], in which everything computes, and the bytes in which they are stored (ours)."""

import torch
from torch import Tensor


def to_bytes(x: Tensor) -> Tensor:
    """Pixels of any shape, in [-1, 1] or cut to that, to uint8 0..255, on their device; from_bytes' inverse."""
    return x.detach().clamp(-1, 1).add_(1).mul_(127.5).round_().to(torch.uint8)


def from_bytes(pixels: Tensor) -> Tensor:
    """uint8 0..255 of any shape to float32 in [-1, 1]. With nothing but the result in memory: pictures are large."""
    if pixels.dtype != torch.uint8:
        raise TypeError(f"got pixels in {pixels.dtype}, want torch.uint8")
    return pixels.float().div_(127.5).sub_(1)
