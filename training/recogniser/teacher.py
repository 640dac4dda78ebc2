"""A teacher of recognisers: a .tflite network whose codes, and maps on the way to them, are read once for all faces.

N faces, D length of the code, h side of a map.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.faces.tflite import Graph
from ..progress import shown

SIDES = (28, 14, 7)  # of the maps that serve as hints (FitNets, Romero et al. 2015)


class Teacher(nn.Module):
    def __init__(self, data: bytes):
        """data: a .tflite recogniser with 112 px input in the ArcFace frame, such as MobileFaceNet.

        raises   ValueError for a graph without maps of the sides 28, 14 and 7
        """
        super().__init__()
        self.graph = Graph(data, hint_values(data))

    @classmethod
    def load(cls, path: Path) -> "Teacher":
        return cls(path.read_bytes())

    @torch.no_grad()
    def read(self, faces: Tensor, batch: int = 32) -> tuple[Tensor, list[Tensor]]:
        """faces (N, 3, 112, 112) uint8 -> unit vectors (N, D); hints, each (N, c, h, h) float16, unit variance."""
        device = next(self.buffers()).device
        codes, hints = [], [[] for _ in SIDES]
        for part in shown(faces.split(batch), "parts of the faces read by the teacher"):
            pixels = (part.to(device).float().permute(0, 2, 3, 1) - 127.5) / 128
            code, *maps = (value.cpu() for value in self.graph(pixels))
            codes.append(F.normalize(code, dim=-1))
            if not hints[0]:
                moments = [(m.mean((0, 1, 2)), m.std((0, 1, 2)).clamp(min=1e-3)) for m in maps]  # of the first batch
            for hint, m, (mean, deviation) in zip(hints, maps, moments, strict=True):
                hint.append(((m - mean) / deviation).permute(0, 3, 1, 2).half())
        return torch.cat(codes), [torch.cat(hint) for hint in hints]


def hint_values(data: bytes) -> tuple[int, ...]:
    """For each side, the last of the graph's narrowest maps: the sum at the end of its residual blocks."""
    graph = Graph(data)
    every = tuple(step.output for step in graph.steps)
    with torch.no_grad():
        values = Graph(data, every)(torch.zeros(1, *graph.input_shape[1:]))[len(graph.outputs) :]
    chosen = []
    for side in SIDES:
        maps = [(v.shape[-1], -i) for i, v in enumerate(values) if v.dim() == 4 and v.shape[1:3] == (side, side)]
        if not maps:
            raise ValueError(f"got a teacher without a map of {side}x{side}, want a network such as MobileFaceNet")
        chosen.append(every[-min(maps)[1]])
    return tuple(chosen)
