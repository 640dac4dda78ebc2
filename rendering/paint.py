"""Maps of the average head's face, seen from the front: where skin is red, dark, made up, bearded, where it folds.

One half only: x from 0 to WIDTH, y from LOW to HIGH, decimetres.
"""

import numpy as np

WIDTH, LOW, HIGH = 0.9, 6.0, 8.1
SIZE = (256, 512)  # columns, rows
FOLDS: dict[str, tuple[tuple[float, float, tuple[tuple[float, float], ...]], ...]] = {  # depth, width, line
    "forehead": tuple(
        (1.0, 0.028, tuple((x, y + 0.02 * np.cos(9 * x + k)) for x in np.linspace(0, 0.42, 8)))
        for k, y in enumerate((7.60, 7.70, 7.81))
    ),
    "frown": ((1.1, 0.03, ((0.06, 7.33), (0.07, 7.40), (0.08, 7.46))),),
    "nose": ((1.0, 0.025, ((0.02, 7.25), (0.09, 7.17))), (0.8, 0.025, ((0.02, 7.18), (0.10, 7.09)))),
    "eyes": (
        (0.7, 0.022, ((0.49, 7.30), (0.60, 7.36))), (0.8, 0.022, ((0.50, 7.26), (0.62, 7.26))),
        (0.6, 0.022, ((0.49, 7.22), (0.59, 7.16))), (0.8, 0.03, ((0.15, 7.18), (0.26, 7.13), (0.40, 7.15))),
    ),
    "cheeks": (
        (1.3, 0.045, ((0.15, 6.94), (0.24, 6.86), (0.33, 6.73), (0.38, 6.62))),
        (0.3, 0.03, ((0.31, 6.48), (0.325, 6.38))),
    ),
}  # fmt: skip


def tints() -> np.ndarray:
    """(rows, columns, 4) 0..1: where blood shines through, dark under the eyes, blusher, eyeshadow"""
    x, y = _grid()
    red = (
        _spot(x - 0.38, y - 6.95, 0.22, 0.2) + 0.9 * _spot(x, y - 6.93, 0.13, 0.12) + 0.3 * _spot(x, y - 6.3, 0.15, 0.1)
    )
    under = _spot(x - 0.28, y - 7.15 - 0.6 * (x - 0.28) ** 2, 0.16, 0.05)
    blush = _spot(x - 0.46, y - 6.99 - 0.3 * (x - 0.46), 0.18, 0.11)
    lid = _smooth(y, 7.28, 7.33) * (1 - _smooth(y, 7.35, 7.43)) * _spot(x - 0.33, 0 * y, 0.19, 1)
    return np.stack([red, under, blush, lid], -1).clip(0, 1)


def whiskers() -> np.ndarray:
    """(rows, columns, 4) 0..1: stubble, beard on the jaw, moustache, beard on the chin"""
    x, y = _grid()
    moustache = (
        _spot(0 * x, y - 6.765 + 0.16 * x, 1, 0.048) * (1 - _smooth(x, 0.2, 0.34)) * (0.55 + 0.45 * _smooth(x, 0, 0.04))
    )
    chin = _smooth(-np.hypot(0.95 * x, y - 6.28), -0.3, -0.14) * (1 - _smooth(y, 6.42, 6.50))
    top = 7.2 - 0.68 * _smooth(-x, -0.68, -0.30)  # of the beard, from the sideburns to the corners of the mouth
    jaw = 1 - _smooth(y, top - 0.2, top)
    stubble = np.maximum(jaw, 0.9 * moustache)
    return np.stack([stubble, jaw, moustache, chin], -1).clip(0, 1)


def folds() -> np.ndarray:
    """(rows / 2, columns / 2, 2, 5) slope of the skin along x and y for each of FOLDS at full depth"""
    x, y = (each[::2, ::2] for each in _grid())
    steps = 2 * (HIGH - LOW) / SIZE[1], 2 * WIDTH / SIZE[0]
    slopes = []
    for lines in FOLDS.values():
        height = np.zeros_like(x)
        for depth, width, line in lines:
            height -= depth * width * np.exp(-((_distance(x, y, line) / width) ** 2))
        dy, dx = np.gradient(height, *steps)
        slopes.append(np.stack([dx, dy], -1))
    return np.stack(slopes, -1).astype(np.float32)


def _distance(x: np.ndarray, y: np.ndarray, line) -> np.ndarray:
    """From each point to a line of several pieces; it grows faster beyond the line's ends, so that folds fade out."""
    found = np.full_like(x, 9.0)
    for (ax, ay), (bx, by) in zip(line, line[1:], strict=False):
        dx, dy = bx - ax, by - ay
        t = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)
        t = t.clip(0, 1)
        found = np.minimum(found, np.hypot(x - ax - t * dx, y - ay - t * dy))
    return found


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """x and y of the texels' centres, rows from the bottom"""
    return np.meshgrid(
        (np.arange(SIZE[0]) + 0.5) * WIDTH / SIZE[0], LOW + (np.arange(SIZE[1]) + 0.5) * (HIGH - LOW) / SIZE[1]
    )


def _spot(x: np.ndarray, y: np.ndarray, width: float, height: float) -> np.ndarray:
    return np.exp(-((x / width) ** 2) - (y / height) ** 2)


def _smooth(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
