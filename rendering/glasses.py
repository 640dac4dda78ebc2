"""Spectacles: two rims, a bridge and two arms as tubes, fitted to a head. Decimetres."""

from dataclasses import dataclass

import numpy as np

BRIDGE, BROW, TEMPLE, EAR = (
    (0.0, 7.26, 1.514),
    (0.3, 7.44, 1.44),
    (0.64, 7.3, 1.05),
    (0.83, 7.28, 0.55),
)  # on the average head
SIDES = 6  # of a tube's cross-section


@dataclass(frozen=True)
class Glasses:
    width: float = 0.26  # half a lens
    height: float = 0.18
    roundness: float = 2.5  # 2 an ellipse, more: a rectangle
    thickness: float = 0.016  # radius of the rims
    colour: tuple[float, float, float] = (0.02, 0.02, 0.02)
    shine: float = 1.0


def anchors(base: np.ndarray) -> list[int]:
    """Vertices of the average head (N, 3) that `fit` asks for."""
    return [int(np.linalg.norm(base - spot, axis=1).argmin()) for spot in (BRIDGE, BROW, TEMPLE, EAR)]


def fit(glasses: Glasses, spots: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Vertices, position and normal (n, 3) each, and triangles. spots: (4, 3), where a head has what `anchors` names"""
    bridge, brow, temple, ear = spots
    front = max(bridge[2] + 0.05, brow[2] + 0.09)
    angle = np.linspace(0, 2 * np.pi, 40)
    power = 2 / glasses.roundness
    x = 0.325 + glasses.width * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    y = bridge[1] - 0.02 + glasses.height * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    rim = np.stack([x, y, front - 0.22 * x**2], 1)
    t = np.linspace(-1, 1, 9)
    inner = 0.325 - glasses.width
    span = np.stack([inner * t, bridge[1] + 0.05 - 0.03 * t**2, front + 0.01 - 0.22 * (inner * t) ** 2], 1)
    outer = np.array([0.325 + glasses.width, bridge[1] + 0.06, front - 0.22 * (0.325 + glasses.width) ** 2])
    hinge = np.array([max(temple[0], outer[0]) + 0.03, outer[1], outer[2] - 0.08])
    arm = np.stack([outer, hinge, (ear[0] + 0.03, ear[1] + 0.08, ear[2])])
    mirror = np.array([-1, 1, 1])
    tubes = [rim, rim * mirror, span, arm, arm * mirror]
    parts, triangles, count = [], [], 0
    for line in tubes:
        position, normal, faces = _tube(line, glasses.thickness)
        parts.append((position, normal))
        triangles.append(faces + count)
        count += len(position)
    position, normal = (np.concatenate(values).astype(np.float32) for values in zip(*parts, strict=True))
    return {"position": position, "normal": normal}, np.concatenate(triangles).astype(np.int32)


def _tube(line: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    up = np.cross(along, (0.3, 0.2, 1.0))
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    side = np.cross(along, up)
    angle = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    normal = np.cos(angle)[None, :, None] * up[:, None] + np.sin(angle)[None, :, None] * side[:, None]
    position = line[:, None] + radius * normal
    i, j = np.meshgrid(np.arange(len(line) - 1), np.arange(SIDES), indexing="ij")
    a, b = (i * SIDES + j).ravel(), (i * SIDES + (j + 1) % SIDES).ravel()
    faces = np.concatenate([np.stack([a, b, a + SIDES], 1), np.stack([b, b + SIDES, a + SIDES], 1)])
    return position.reshape(-1, 3), normal.reshape(-1, 3), faces
