"""Hair, and caps, as layers of strands that grow from one point of the scalp and follow the head of the scene's body.

Angles on the head are degrees of azimuth, 0 at the front, 180 at the back; lengths are decimetres.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import Delaunay

from .head_basis import SKIN, HeadBasis

MIDDLE = np.array([0.0, 7.35, 0.3], np.float32)  # of the head, from where directions are counted
STEP = 20  # degrees between the values of a hairline
AROUND, ALONG = 64, 18  # strands drawn as one sheet: vertices around the head and from root to tip


@dataclass(frozen=True)
class Hair:
    colour: tuple[float, float, float]  # linear
    hairline: tuple[float, ...]  # height on the average head where hair begins, every STEP degrees from 0 to 180
    origin: tuple[float, float] = (180.0, 70.0)  # azimuth and elevation of the crown or parting, where strands begin
    volume: float = 0.12  # thickness
    edge: float = 0.4  # thickness at the hairline, part of the volume
    fringe: float = 0.0  # how far strands go on over the forehead
    hang_from: float = 181.0  # azimuth behind which hair hangs down; above 180: none does
    hang_to: float = 6.0  # height at which hanging hair ends
    wave: float = 0.0  # sideways waves of the strands
    curl: float = 0.0  # 0 straight strands .. 1 tight curls
    density: float = 1.0
    layers: int = 3
    cloth: bool = False  # a cap or a scarf
    gloss: float = 1.0

    @property
    def look(self) -> dict[str, float | tuple[float, ...]]:
        """Uniforms of shaders/hair.frag and, for the roots, of head.frag"""
        return {
            "hair_colour": self.colour, "curl": self.curl, "hair_density": self.density, "cloth": float(self.cloth),
            "hair_gloss": self.gloss, "hairline": self.hairline, "scalp_colour": tuple(0.8 * c for c in self.colour),
            "scalp": 0.0 if self.cloth else 0.9 * min(self.density, 1),
        }  # fmt: skip


class HairDresser:
    """Makes hair for any head of a basis."""

    def __init__(self, basis: HeadBasis):
        self.basis = basis
        ears = basis.masks[2]
        u, v = (basis.uv * (np.array(ears.shape[::-1]) - 1)).round().astype(int).T
        outside = (basis.part == SKIN) & (ears[v, u] < 0.02) & (basis.base[:, 1] > 6.2)
        outside &= np.linalg.norm(basis.base - MIDDLE, axis=1) > 0.62
        self._vertices = np.flatnonzero(outside)
        angles = np.degrees(_angles(basis.base[outside] - MIDDLE))
        self._vertices = np.tile(self._vertices, 3)
        angles = np.concatenate([angles + [turn, 0] for turn in (-360, 0, 360)])
        self._mesh = Delaunay(angles)

    def grow(self, hair: Hair, head: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        """Vertices of hair on a neutral head (N, 3): position, normal, tangent (n, 3) and strand (n, 3): around 0..1,
        from root to tip 0..1, layer 0..1; layer after layer, each an AROUND x ALONG grid."""
        random = np.random.default_rng(seed)
        theta = np.linspace(0, 2 * np.pi, AROUND)
        psi = np.linspace(0.02, np.radians(175), 60)
        directions = _directions(hair.origin, theta[:, None], psi[None])
        surface, canonical = self._surface(directions, head)
        azimuth = np.degrees(np.abs(np.arctan2(canonical[..., 0], canonical[..., 2] - MIDDLE[2])))
        line = np.interp(azimuth, np.arange(0, 181, STEP), hair.hairline)
        front = np.clip(1 - azimuth / 70, 0, 1)
        above = canonical[..., 1] - line + hair.fringe * front * (1 + 0.15 * np.sin(5 * theta))[:, None]
        hangs = (azimuth > hair.hang_from) & (canonical[..., 1] < 7.5)
        over = (above < 0) | hangs
        ends = np.where(over.any(1), over.argmax(1), len(psi) - 1)
        rows = np.arange(AROUND)
        before, after = above[rows, ends - 1], above[rows, ends]  # where between two steps the hairline is crossed
        crossed = np.where(after < 0, before / np.maximum(before - after, 1e-6), 1).clip(0, 1)
        hanging = hangs[rows, ends].astype(np.float32)
        hanging = np.maximum.reduce([np.roll(hanging[:-1], k) for k in (-1, 0, 1)])
        hanging = np.append(hanging, hanging[:1])
        t = np.linspace(0, 1, ALONG)
        on_head = np.where(hanging[:, None] > 0, np.minimum(t / 0.55, 1), t)
        at = on_head * (ends - 1 + crossed)[:, None]
        low = np.minimum(at.astype(int), len(psi) - 2)
        rows, part = rows[:, None], (at - low)[..., None]
        path = surface[rows, low] * (1 - part) + surface[rows, low + 1] * part
        out = directions[rows, low] * (1 - part) + directions[rows, low + 1] * part
        drop = np.clip((t - 0.55) / 0.45, 0, 1) * hanging[:, None]
        path[..., 1] -= drop * np.maximum(path[..., 1] - hair.hang_to, 0)
        path[..., :3:2] *= 1 + 0.10 * np.sin(np.pi * drop)[..., None]
        sway = hair.wave * np.sin(9 * t[None] + 2 * np.sin(3 * theta)[:, None] + random.uniform(0, 6)) * (0.2 + drop)
        path[..., 0] += sway
        path[..., 2] += 0.5 * sway
        profile = hair.volume * (
            hair.edge + (1 - hair.edge) * np.sin(np.pi * np.clip(0.3 + 0.7 * on_head, 0, 1)) ** 0.7
        )
        profile = np.where(hanging[:, None] > 0, hair.volume * np.minimum(1, 0.7 + t), profile)
        lumps = 1 + 0.25 * np.sin(4 * theta + random.uniform(0, 6))[:, None] * np.sin(5 * t + random.uniform(0, 6))
        parts = []
        for layer in np.linspace(0.25, 1, hair.layers):
            position = path + out * (profile * lumps * layer)[..., None]
            tangent = _unit(np.gradient(position, axis=1))
            across = np.gradient(position, axis=0)
            across[[0, -1]] = (position[1] - position[-2])[None] / 2
            normal = _unit(np.cross(across, tangent))
            normal *= np.sign((normal * out).sum(-1, keepdims=True) + 1e-6)
            strand = np.stack(np.broadcast_arrays(theta[:, None] / (2 * np.pi), t[None], layer), -1)
            parts.append([each.reshape(-1, 3) for each in (position, normal, tangent, strand)])
        names = ("position", "normal", "tangent", "strand")
        return {name: np.concatenate(values).astype(np.float32) for name, values in zip(names, zip(*parts, strict=True), strict=True)}  # noqa: E501  # fmt: skip

    def _surface(self, directions: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where directions (..., 3) from MIDDLE meet the head, and the same spots on the average head."""
        angles = np.degrees(_angles(directions.reshape(-1, 3)))
        angles[:, 1] = angles[:, 1].clip(-45, 84)
        triangle = self._mesh.find_simplex(angles).clip(0)
        affine = self._mesh.transform[triangle]
        first = np.einsum("nij,nj->ni", affine[:, :2], angles - affine[:, 2])
        weights = np.concatenate([first, 1 - first.sum(1, keepdims=True)], 1).clip(0, 1)[..., None]
        corners = self._vertices[self._mesh.simplices[triangle]]
        spots = [(geometry[corners] * weights).sum(1) for geometry in (head, self.basis.base)]
        radius = [np.linalg.norm(spot - MIDDLE, axis=1, keepdims=True) for spot in spots]
        flat = directions.reshape(-1, 3)
        return tuple((MIDDLE + flat * r).reshape(directions.shape) for r in radius)


def grid_triangles(layers: int) -> np.ndarray:
    i, j = np.meshgrid(np.arange(AROUND - 1), np.arange(ALONG - 1), indexing="ij")
    a = (i * ALONG + j).ravel()
    one = np.concatenate([np.stack([a, a + ALONG, a + 1], 1), np.stack([a + 1, a + ALONG, a + ALONG + 1], 1)])
    return np.concatenate([one + k * AROUND * ALONG for k in range(layers)]).astype(np.int32)


def _directions(origin: tuple[float, float], theta: np.ndarray, psi: np.ndarray) -> np.ndarray:
    azimuth, elevation = np.radians(origin)
    pole = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    side = _unit(np.cross(pole, (0, 0, 1) if abs(pole[2]) < 0.9 else (1, 0, 0)))
    ahead = np.cross(side, pole)
    ring = np.cos(theta)[..., None] * ahead + np.sin(theta)[..., None] * side
    return np.cos(psi)[..., None] * pole + np.sin(psi)[..., None] * ring


def _angles(directions: np.ndarray) -> np.ndarray:
    """(n, 2) azimuth and elevation"""
    x, y, z = directions.T
    return np.stack([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))], 1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)
