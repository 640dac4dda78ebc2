"""The three networks of face-api.js that judge results, in torch: who it is, what the face shows, 68 landmarks.

Architectures as published in face-api.js (MIT); the recogniser is dlib's (CC0). Weights are read from its npm package,
which `make judges` fetches. They took no part in conditioning or training, and must not: nothing but evaluation/
imports this file. Parameters are named as in the package's manifests.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.network.checkpoint import fill

MEAN = (122.782, 117.001, 104.298)  # of RGB, 0..255
EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
# TFJS stores filters as height, width, in, out; torch wants out, in, height, width
ORDER = {"filters": (3, 2, 0, 1), "pointwise_filter": (3, 2, 0, 1), "depthwise_filter": (2, 3, 0, 1)}


def read_weights(manifest: Path) -> dict[str, Tensor]:
    """Weights of a TFJS model, float32, keyed "block.layer.name"; 8-bit ones are scaled back.

    manifest: the path of *-weights_manifest.json, its .bin files beside it
    """
    tensors = {}
    try:
        for group in json.loads(manifest.read_text(encoding="utf-8")):
            data, start = b"".join((manifest.parent / name).read_bytes() for name in group["paths"]), 0
            for entry in group["weights"]:
                packing = entry.get("quantization")
                count = math.prod(entry["shape"])
                values = np.frombuffer(data, np.uint8 if packing else "<f4", count, start)
                start += values.nbytes
                values = values.astype(np.float32).reshape(entry["shape"])
                if packing:
                    values = values * np.float32(packing["scale"]) + np.float32(packing["min"])
                *_, kind = entry["name"].split("/")
                order = ORDER.get(kind, range(values.ndim))
                tensors[entry["name"].replace("/", ".")] = torch.from_numpy(values.transpose(order).copy())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"cannot read the judge {manifest.name}: {error}. Remove .judges, `make judges`") from error
    return tensors


def load(network: nn.Module, folder: Path, name: str) -> nn.Module:
    """folder: the package's `model`; name: such as "face_expression"."""
    return fill(network, read_weights(folder / f"{name}_model-weights_manifest.json"), f"judge {name}")


def _parameters(**shapes: tuple[int, ...]) -> nn.ParameterDict:
    return nn.ParameterDict({name: nn.Parameter(torch.empty(shape)) for name, shape in shapes.items()})


def _normalise(x: Tensor, divisor: float) -> Tensor:
    return ((x + 1) * 127.5 - x.new_tensor(MEAN)[:, None, None]) / divisor


class ScaledConv(nn.Module):
    """Convolution, then a scale and a shift for each channel (dlib's batch norm, frozen)."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1):
        super().__init__()
        self.stride, self.padding = stride, side // 2 if stride == 1 else 0
        self.conv = _parameters(filters=(outputs, inputs, side, side), bias=(outputs,))
        self.scale = _parameters(weights=(outputs,), biases=(outputs,))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.conv["filters"], self.conv["bias"], self.stride, self.padding)
        return x * self.scale["weights"][:, None, None] + self.scale["biases"][:, None, None]


class Residual(nn.Module):
    """dlib's residual block; with `down` it halves the picture, the shortcut by a mean pool, zeros for new channels."""

    def __init__(self, inputs: int, outputs: int, down: bool = False):
        super().__init__()
        self.down = down
        self.conv1 = ScaledConv(inputs, outputs, 3, 2 if down else 1)
        self.conv2 = ScaledConv(outputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(self.conv1(x).relu())
        if not self.down:
            return (out + x).relu()
        x = F.avg_pool2d(x, 2)
        (channels, height, width), (more, low, narrow) = x.shape[1:], out.shape[1:]
        x = F.pad(x, (0, 0, 0, 0, 0, more - channels))
        return (F.pad(out, (0, width - narrow, 0, height - low)) + x).relu()


class DlibRecogniser(nn.Module):
    """dlib's ResNet: a chip of 150 x 150 pixels to 128 numbers; one person's are nearer than 0.6."""

    def __init__(self):
        super().__init__()
        self.conv32_down = ScaledConv(3, 32, 7, 2)
        width = 32
        for outputs, count in ((32, 3), (64, 3), (128, 2), (256, 2)):
            if outputs != width:
                self.add_module(f"conv{outputs}_down", Residual(width, outputs, down=True))
            for i in range(count):
                self.add_module(f"conv{outputs}_{i + 1}", Residual(outputs, outputs))
            width = outputs
        self.conv256_down_out = Residual(256, 256, down=True)
        self.fc = nn.Parameter(torch.empty(256, 128))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, 150, 150) RGB in [-1, 1], dlib's face chip -> (B, 128), length about 1.5."""
        x = _normalise(x, 256)  # as dlib does; face-api.js divides by 255
        first, *blocks = self.children()
        x = F.max_pool2d(first(x).relu(), 3, 2)  # (B, 32, 35, 35)
        for block in blocks:
            x = block(x)
        return x.mean((2, 3)) @ self.fc  # (B, 128)


class Separable(nn.Module):
    """A 3x3 convolution by channel, then one by pixel."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.stride = stride
        self.depthwise_filter = nn.Parameter(torch.empty(inputs, 1, 3, 3))
        self.pointwise_filter = nn.Parameter(torch.empty(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(_same(x, self.stride), self.depthwise_filter, stride=self.stride, groups=x.shape[1])
        return F.conv2d(x, self.pointwise_filter, self.bias)


class Dense(nn.Module):
    """Four convolutions; each one reads the sum of all before it. Halves the picture."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        if inputs == 3:
            self.conv0 = _parameters(filters=(outputs, 3, 3, 3), bias=(outputs,))
        else:
            self.conv0 = Separable(inputs, outputs, 2)
        self.conv1, self.conv2, self.conv3 = (Separable(outputs, outputs) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.conv0, Separable):
            total = self.conv0(x).relu()
        else:
            total = F.conv2d(_same(x, 2), self.conv0["filters"], self.conv0["bias"], 2).relu()
        last = total
        for layer in (self.conv1, self.conv2, self.conv3):
            total = total + layer(last)
            last = total.relu()
        return last


class FaceReader(nn.Module):
    """The network that face-api.js uses twice: with 7 outputs for expressions, with 136 for landmarks."""

    def __init__(self, outputs: int):
        super().__init__()
        self.dense0, self.dense1 = Dense(3, 32), Dense(32, 64)
        self.dense2, self.dense3 = Dense(64, 128), Dense(128, 256)
        self.fc = _parameters(weights=(256, outputs), bias=(outputs,))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, 112, 112) RGB in [-1, 1], a square around the face -> (B, outputs).

        7 logits in the order of EMOTIONS, or x and y of 68 points, 0..1 of the square
        """
        x = self.dense3(self.dense2(self.dense1(self.dense0(_normalise(x, 255)))))  # (B, 256, 7, 7)
        return x.mean((2, 3)) @ self.fc["weights"] + self.fc["bias"]


def _same(x: Tensor, stride: int) -> Tensor:
    """TensorFlow's padding for a 3x3 filter on an even side: with stride 2 at the right and the bottom only."""
    return F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
