"""MediaPipe's short-range face detector (BlazeFace), with a closer look where it finds nothing.

MediaPipe looks once at the whole picture, shrunk to 128 x 128, and misses faces below about a tenth of it. Here (ours)
a picture without a face is looked at again in overlapping windows of a half, then of a quarter of its longer side.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tflite import Graph

SIDE = 128  # what the network sees, pixels
LEVELS = 3  # whole picture, halves, quarters
SMALLEST_WINDOW = 48  # picture pixels; nothing is gained by enlarging less than that
SCORE = 0.5  # MediaPipe's default
OVERLAP = 0.3  # MediaPipe's default: above it two boxes are one face


@dataclass(frozen=True)
class Detections:
    """n faces of one picture, best first; all lengths in picture pixels."""

    boxes: Tensor  # (n, 4) left, top, right, bottom
    keypoints: Tensor  # (n, 6, 2) the person's right eye, left eye, nose, mouth, right ear, left ear
    scores: Tensor  # (n,) 0..1


class FaceDetector(nn.Module):
    def __init__(self, graph: Graph):
        super().__init__()
        if graph.input_shape[1:] != (SIDE, SIDE, 3) or len(graph.outputs) != 2:
            raise ValueError(f"got a detector of {graph.input_shape}, want MediaPipe's short-range one, 128 x 128")
        self.graph = graph
        self.register_buffer("anchors", _anchors(), persistent=False)

    def forward(self, pictures: Tensor, level: int = 0) -> list[Detections]:
        """Look for faces in windows of 1 / 2**level of the longer side, each overlapping the next by a half.

        pictures: (B, 3, H, W), RGB in [-1, 1]
        """
        size = pictures.new_tensor([pictures.shape[3], pictures.shape[2]])
        scale = float(size.max()) / (SIDE << level)  # picture pixels per window pixel
        start = (size - size.max()) / 2  # the square around the picture
        # At level 0 as in MediaPipe: one sample a pixel, half a pixel off; so its boxes are met. Finer ones smoothed.
        samples, shift = (1, (1 - scale) / 2) if level == 0 else (min(max(round(scale), 1), 4), 0.0)
        matrix = torch.cat([torch.eye(2).to(size) * scale, (start + shift)[:, None]], dim=1)
        framed = cut(pictures, matrix, SIDE << level, samples)

        windows = framed.unfold(2, SIDE, SIDE // 2).unfold(3, SIDE, SIDE // 2)  # (B, 3, n, n, SIDE, SIDE)
        corners = torch.arange(windows.shape[2], device=size.device) * (SIDE // 2)
        low, high = -start / scale, (size - start) / scale  # where the picture lies
        across, down = ((corners + SIDE > low[axis]) & (corners < high[axis]) for axis in (0, 1))
        rows, columns = (down[:, None] & across).nonzero(as_tuple=True)
        windows = windows[:, :, rows, columns].permute(0, 2, 3, 4, 1)  # (B, n, SIDE, SIDE, 3)

        raw, logits = self.graph(windows.flatten(0, 1))
        scores = logits.clamp(-100, 100).sigmoid().view(len(pictures), len(rows), -1)  # (B, n, 896)
        values = raw.view(*scores.shape, 8, 2)  # centre, size, six keypoints; window pixels from the anchor
        origin = self.anchors * SIDE + torch.stack([corners[columns], corners[rows]], dim=1)[:, None]
        found = []
        for score, value in zip(scores, values, strict=True):
            window, anchor = (score > SCORE).nonzero(as_tuple=True)
            value, shift = value[window, anchor] * scale, origin[window, anchor] * scale + start
            centre, half = value[:, 0] + shift, value[:, 1] / 2
            boxes = torch.cat([centre - half, centre + half], dim=1)
            found.append(_merge(boxes, value[:, 2:] + shift[:, None], score[window, anchor]))
        return found


def cut(pictures: Tensor, matrix: Tensor, side: int, samples: int) -> Tensor:
    """Cut the same square out of every picture: the mean of samples x samples bilinear samples; black outside.

    pictures: (B, 3, H, W) in [-1, 1]
    matrix:   (2, 3), takes crop pixels to picture pixels
    returns   (B, 3, side, side)
    """
    steps = (torch.arange(side * samples, device=pictures.device) + 0.5).to(pictures) / samples
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1) @ matrix[:, :2].mT + matrix[:, 2]
    grid = places / places.new_tensor([pictures.shape[3], pictures.shape[2]]) * 2 - 1
    grid = grid.expand(len(pictures), -1, -1, -1)
    return F.avg_pool2d(F.grid_sample(pictures + 1, grid, mode="bilinear", align_corners=False) - 1, samples)


def _anchors() -> Tensor:
    """(896, 2) x, y in 0..1: two to every cell of a 16 x 16 grid, then six to every cell of an 8 x 8 one."""
    grids = []
    for cells, repeats in ((16, 2), (8, 6)):
        centres = (torch.arange(cells) + 0.5) / cells
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        grids.append(torch.stack([x, y], dim=-1).view(-1, 1, 2).expand(-1, repeats, -1).reshape(-1, 2))
    return torch.cat(grids)


def common_area(box: Tensor, boxes: Tensor) -> Tensor:
    """box: (4,), boxes: (n, 4), left, top, right, bottom; returns (n,) square pixels"""
    corner = torch.minimum(box[2:], boxes[:, 2:]) - torch.maximum(box[:2], boxes[:, :2])
    return corner.clamp(min=0).prod(dim=1)


def area(boxes: Tensor) -> Tensor:
    """boxes: (n, 4), left, top, right, bottom; returns (n,) square pixels, at least a little"""
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3).prod(dim=1)


def _merge(boxes: Tensor, keypoints: Tensor, scores: Tensor) -> Detections:
    """Weighted non-maximum suppression as in MediaPipe: a face is the mean of its boxes, weighted with their scores."""
    order = scores.argsort(descending=True)
    boxes, keypoints, scores = boxes[order], keypoints[order], scores[order]
    merged: list[tuple[Tensor, Tensor, Tensor]] = []
    while len(scores):
        common = common_area(boxes[0], boxes)
        same = common / (area(boxes[:1]) + area(boxes) - common) > OVERLAP
        same[0] = True
        weight = scores[same] / scores[same].sum()
        merged.append((weight @ boxes[same], torch.einsum("n,nkc->kc", weight, keypoints[same]), scores[0]))
        boxes, keypoints, scores = boxes[~same], keypoints[~same], scores[~same]
    if not merged:
        return Detections(boxes, keypoints, scores)
    return Detections(*(torch.stack(part) for part in zip(*merged, strict=True)))
