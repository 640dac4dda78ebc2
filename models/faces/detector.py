"""MediaPipe's short-range face detector (BlazeFace), with a closer look for small faces.

MediaPipe looks once at the whole picture, shrunk to 128 x 128, and misses faces below about a tenth of it. Here (ours)
it is looked at again in overlapping windows of a half, then of a quarter of its longer side, and less in large ones.
The closer the look, the more knees and feet look like faces, so what is found there must be SURE.

It scores an upside-down face at .5 to .85, and may take it for an upright one: where it is not CLEAR, windows
are looked at in all four quarter turns (ours).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .exposure import PICTURE, brighten
from .tflite import Graph

SIDE = 128  # what the network sees, pixels
SMALLEST_WINDOW = 48  # picture pixels; nothing is gained by enlarging less than that
FINE, FINE_WINDOW = 3, 256  # from this level on, windows are many, and none is smaller than this, picture pixels
TOGETHER = 64  # windows that are looked at at a time
REACH = 0.1  # smallest face of the first look, as a part of the picture's longer side; a closer look halves it
SCORE = 0.5  # MediaPipe's default
SURE = 0.75
CLEAR = 0.9  # the right way up, or within 45 degrees of it, nearly every face scores more
OVERLAP = 0.3  # MediaPipe's default: above it two boxes are one face


@dataclass(frozen=True)
class Detections:
    """n faces of one picture, best first; all lengths in picture pixels."""

    boxes: Tensor  # (n, 4) left, top, right, bottom
    keypoints: Tensor  # (n, 6, 2) the person's right eye, left eye, nose, mouth, right ear, left ear (or fewer)
    scores: Tensor  # (n,) 0..1
    contested: Tensor | None = None  # (n,) bool, SURE of it another way up, too; None where that was not looked at


class FaceDetector(nn.Module):
    levels = 5  # whole picture, halves, quarters, eighths, sixteenths

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
        shift, fewer = ((1 - scale) / 2, 1) if level == 0 else (0.0, max(int(scale), 1))
        matrix = torch.cat([torch.eye(2).to(size) * scale, (start + shift)[:, None]], dim=1)
        if fewer > 1:
            pictures = F.avg_pool2d(pictures, fewer, ceil_mode=True)
        framed = cut(pictures, matrix / fewer, SIDE << level, 1)

        low, high = -start / scale, (size - start) / scale  # where the picture lies
        corners = torch.arange(0, framed.shape[-1] - SIDE + 1, SIDE // 2, device=size.device)
        across, down = (corners[(corners + SIDE > low[axis]) & (corners < high[axis])] for axis in (0, 1))
        places = torch.cartesian_prod(down, across)  # (n, 2) y, x
        windows = torch.stack([framed[..., y : y + SIDE, x : x + SIDE] for y, x in places.tolist()], dim=1)

        places = places.flip(1).to(scale * size)  # x, y
        return [self._look(each, places, scale, start, level == 0) for each in windows]

    def _look(self, windows: Tensor, places: Tensor, scale: float, start: Tensor, whole: bool) -> Detections:
        """The faces in all windows of one picture.

        windows       (n, 3, SIDE, SIDE); places (n, 2): the left upper corner of each, window pixels
        scale, start  window pixels to picture pixels
        whole         the one window is the whole picture: if it is blank, it is turned too
        """
        upright = self._read(windows)
        best = upright[-1]
        doubtful = (((best > SCORE) | whole) & (best < CLEAR)).nonzero()[:, 0]
        looks = [upright[:-1]]
        for turn in (1, 2, 3) if len(doubtful) else ():
            number, boxes, keypoints, scores, _ = self._read(windows[doubtful].rot90(turn, (2, 3)))
            boxes, keypoints = (_turn_back(points, turn) for points in (boxes.unflatten(1, (2, 2)), keypoints))
            boxes, sure = torch.cat([boxes.amin(1), boxes.amax(1)], dim=1), scores > SURE
            looks.append((doubtful[number][sure], boxes[sure], keypoints[sure], scores[sure]))
        merged = []
        for number, boxes, keypoints, scores in looks:
            corner = places[number] * scale + start
            boxes = boxes * scale + corner.repeat(1, 2)
            merged.append(_merge(boxes, keypoints * scale + corner[:, None], scores))
        return _best_of(merged) if len(merged) > 1 else merged[0]

    def _read(self, windows: Tensor) -> tuple[Tensor, ...]:
        """windows (n, 3, SIDE, SIDE) -> of m detections: the window's number (m,), boxes (m, 4) and keypoints (m, 6, 2)
        in pixels of the window, scores (m,); then the highest score in each window (n,)"""
        windows = brighten(windows, PICTURE).permute(0, 2, 3, 1)
        parts = [self.graph(some) for some in windows.split(TOGETHER)]
        raw, logits = (torch.cat(part) for part in zip(*parts, strict=True))
        scores = logits.clamp(-100, 100).sigmoid().view(len(windows), -1)  # (n, 896)
        number, anchor = (scores > SCORE).nonzero(as_tuple=True)
        value = raw.view(*scores.shape, 8, 2)[number, anchor]  # centre, size, six keypoints; from the anchor
        origin = self.anchors[anchor] * SIDE
        centre, half = value[:, 0] + origin, value[:, 1] / 2
        boxes = torch.cat([centre - half, centre + half], dim=1)
        return number, boxes, value[:, 2:] + origin[:, None], scores[number, anchor], scores.amax(1)


def smallest_face(longer: int) -> int:
    """About how wide a face has to be to be found in a picture of this longer side, pixels; at least 40."""
    level = max(level for level in range(FaceDetector.levels) if can_look(level, longer))
    return max(round(1.2 * REACH * (longer >> level)), 40)


def can_look(level: int, longer: int) -> bool:
    """Whether a closer look of this level is of use in a picture of this longer side, pixels."""
    return level == 0 or longer >> level >= (SMALLEST_WINDOW if level < FINE else FINE_WINDOW)


def cut(pictures: Tensor, matrix: Tensor, side: int, samples: int) -> Tensor:
    """Cut the same square out of every picture: the mean of samples x samples bilinear samples; black outside.

    pictures: (B, 3, H, W) in [-1, 1]
    matrix:   (2, 3), takes crop pixels to picture pixels
    returns   (B, 3, side, side)
    """
    steps = (torch.arange(side * samples, device=pictures.device) + 0.5).to(pictures) / samples
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1) @ matrix[:, :2].mT + matrix[:, 2]
    size = places.new_tensor([pictures.shape[3], pictures.shape[2]])
    covered = ((places + 0.5).clamp(0, 1) * (size + 0.5 - places).clamp(0, 1)).prod(-1)  # 0 outside of the picture
    grid = (places / size * 2 - 1).expand(len(pictures), -1, -1, -1)
    found = F.grid_sample(pictures, grid, mode="bilinear", align_corners=False) + covered - 1
    return found if samples == 1 else F.avg_pool2d(found, samples)


def _turn_back(points: Tensor, turn: int) -> Tensor:
    """Points (..., 2) of a window after rot90(turn), in the window as it was."""
    for _ in range(turn):
        points = torch.stack([SIDE - points[..., 1], points[..., 0]], dim=-1)
    return points


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


def _best_of(looks: list[Detections]) -> Detections:
    """Where several looks, each another way up, found a face in the same place, the surest."""
    boxes, keypoints, scores = (
        torch.cat([getattr(look, name) for look in looks]) for name in ("boxes", "keypoints", "scores")
    )
    way = torch.cat([look.scores.new_full((len(look.scores),), i) for i, look in enumerate(looks)])
    contested = torch.zeros_like(scores, dtype=torch.bool)
    kept: list[int] = []
    for i in scores.argsort(descending=True).tolist():
        common = common_area(boxes[i], boxes[kept])
        same = common / torch.minimum(area(boxes[i : i + 1]), area(boxes[kept])) > 0.5
        if not same.any():
            kept.append(i)
        elif scores[i] > SURE:
            contested[kept] |= same & (way[kept] != way[i])
    return Detections(boxes[kept], keypoints[kept], scores[kept], contested[kept])
