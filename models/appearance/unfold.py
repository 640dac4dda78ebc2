"""Motion of a mesh that turns no triangle over: areas shrink no further than seen, lids and lips do not cross.

Ours: projection onto constraints, as position-based dynamics does it (Müller et al. 2007), all triangles at once.
B faces, T triangles.
"""

import torch
from torch import Tensor, nn

from .topology import LEFT_EYE, MOUTH, RIGHT_EYE, TRIANGLES

ROUNDS = 100
PULL = 1.5  # over-relaxation
MARGIN = 0.2  # of the bound, beyond it, so that the rounds end
SOFT = 0.3  # a triangle that is nearly a point is opened no faster than so
SMOOTHINGS = 100
EDGE_ON = 0.02  # of the median area: a smaller triangle of the source is seen edge on, and has no side to keep
RINGS = 12  # of neighbours, at most, that are held back around a fold
FALLBACK = 32  # steps of the way back to the source


class Unfold(nn.Module):
    def __init__(self, least: Tensor):
        """least: (len(TRIANGLES),) 0..1, the share of its area in the source that each triangle keeps"""
        super().__init__()
        self.register_buffer("least", least.float())
        strips = [corners for opening in (LEFT_EYE, RIGHT_EYE, MOUTH) for corners in _strip(*opening)]
        self.register_buffer("triangles", torch.tensor([*TRIANGLES, *strips]), persistent=False)
        corners = torch.tensor(TRIANGLES)
        neighbours = torch.eye(478)  # 1 for points that share an edge, and for each point itself
        for i, j in ((0, 1), (1, 2), (2, 0)):
            neighbours[corners[:, i], corners[:, j]] = neighbours[corners[:, j], corners[:, i]] = 1
        self.register_buffer("neighbours", neighbours, persistent=False)

    def forward(self, moved: Tensor, source: Tensor, home: Tensor | None = None) -> Tensor:
        """About the nearest mesh to `moved` whose triangles all face the side that they face in `source`.

        Seen from the front, which is canonical. The openings of eyes and mouth close at most, unless they are crossed
        in the source.
        home: a mesh without folds, towards which to hold back where nothing else helps; left out, the source
        moved, source, home: (B, 478, 3) canonical; returns the same, `moved` itself where nothing folds
        """
        side, bound = self._bounds(source)
        flat, corners = moved[..., :2], self.triangles.flatten()
        _, gradient = self._lack(source[..., :2], side, bound)
        least = SOFT * gradient.square().sum(dim=(2, 3)).clamp(min=1e-12)
        for number in range(ROUNDS):
            patience = min(2 - 2 * number / ROUNDS, 1)  # where bounds contradict each other, they give way
            lack, gradient = self._lack(flat, side, torch.minimum(bound, patience * bound))
            if not lack.any():
                break
            step = gradient * (lack / gradient.square().sum(dim=(2, 3)).maximum(least))[..., None, None]
            among = (lack > 0).to(flat).repeat_interleave(3, dim=1)
            total = torch.zeros_like(flat).index_add_(1, corners, step.flatten(1, 2))
            count = torch.zeros_like(flat[..., 0]).index_add_(1, corners, among)
            flat = flat + PULL * total / count.clamp(min=1)[..., None]
        moved = self._together(torch.cat([flat, moved[..., 2:]], dim=-1), source)
        return self._back(moved, source, source if home is None else home)

    def folds(self, moved: Tensor, source: Tensor) -> Tensor:
        """(B, len(TRIANGLES)) bool: which triangles of the mesh face another side than in the source.

        Those that the source shows edge on face none.
        """
        mesh = self.triangles[: len(TRIANGLES)]
        before = _areas(source[..., :2], mesh)
        return (_areas(moved[..., :2], mesh) * before.sign() < 0) & ~_edge_on(before)

    def _bounds(self, source: Tensor) -> tuple[Tensor, Tensor]:
        area = _areas(source[..., :2], self.triangles)
        side = area.sign()
        side[:, len(TRIANGLES) :] = 1
        mesh, openings = area.split([len(TRIANGLES), area.shape[1] - len(TRIANGLES)], dim=1)
        least = torch.where(_edge_on(mesh), -mesh.abs().amax(), self.least * mesh.abs())
        bound = torch.cat([least, openings.clamp(max=0)], dim=1)
        return side, bound

    def _lack(self, flat: Tensor, side: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
        """Area that each triangle lacks (B, T), and how it grows with its corners (B, T, 3, 2)."""
        a, b, c = flat[:, self.triangles].unbind(dim=2)
        u, v = b - a, c - a
        area = side * (u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]) / 2
        lack = torch.where(area < bound, bound * (1 + MARGIN) + 1e-9 - area, 0)
        edges = torch.stack([c - b, a - c, b - a], dim=2)
        turned = torch.stack([-edges[..., 1], edges[..., 0]], dim=-1) / 2
        return lack, turned * side[..., None, None]

    def _together(self, moved: Tensor, source: Tensor) -> Tensor:
        """Where a fold is left, its points move as each other does on average, until they keep their form.

        That is where a source has triangles that are seen edge on, and whose sides contradict each other.
        """
        corners = self.triangles[: len(TRIANGLES)].flatten()
        inside = torch.zeros_like(moved[..., :1])  # (B, 478, 1), 1 where a fold is or was
        for _ in range(SMOOTHINGS):
            folded = self.folds(moved, source)
            if not folded.any():
                break
            inside = inside.index_add(1, corners, folded.to(moved).repeat_interleave(3, dim=1)[..., None]).clamp(max=1)
            among = self.neighbours @ inside
            mean = self.neighbours @ (inside * (moved - source)) / among.clamp(min=1e-6)
            moved = torch.where((inside > 0) & folded.any(dim=1)[:, None, None], source + mean, moved)
        return moved

    def _back(self, moved: Tensor, source: Tensor, home: Tensor) -> Tensor:
        """Where even then a fold is left, what lies around it stays nearer to home; at worst all of the mesh."""
        folded = self.folds(moved, source).any(dim=1)
        result = moved.clone()
        for row in folded.nonzero()[:, 0].tolist():
            here, there, mesh = source[row : row + 1], home[row : row + 1], moved[row : row + 1]
            found = self._held(mesh, here, there)
            if self.folds(found, here).any():
                way = torch.linspace(1, 0, FALLBACK + 1, device=moved.device, dtype=moved.dtype)[:, None, None]
                tried = torch.lerp(there, mesh, way)
                found = tried[int((~self.folds(tried, here).any(dim=1)).int().argmax())]
            result[row] = found
        return result

    def _held(self, moved: Tensor, source: Tensor, home: Tensor) -> Tensor:
        """One mesh held back around its folds, ring after ring of neighbours, less with each."""
        corners, found = self.triangles[: len(TRIANGLES)].flatten(), moved
        middle = torch.zeros_like(moved[..., :1])
        for ring in range(1, RINGS + 1):
            folded = self.folds(found, source)
            if not folded.any():
                break
            middle = middle.index_add(1, corners, folded.to(moved).repeat_interleave(3, dim=1)[..., None]).clamp(max=1)
            held = reach = middle
            for step in range(ring):
                reach = (self.neighbours @ reach).clamp(max=1)
                held = held.maximum(reach * (1 - (step + 1) / (ring + 1)))
            found = torch.lerp(moved, home, held)
        return found


def _edge_on(area: Tensor) -> Tensor:
    """area: (B, T) signed, of a source; returns (B, T) bool"""
    return area.abs() < EDGE_ON * area.abs().median(dim=1, keepdim=True).values


def _areas(flat: Tensor, triangles: Tensor) -> Tensor:
    """Signed areas (B, T), positive where a face is seen from outside. flat: (B, 478, 2)"""
    a, b, c = flat[:, triangles].unbind(dim=2)
    u, v = b - a, c - a
    return (u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]) / 2


def _strip(upper: tuple[int, ...], lower: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Triangles across an opening, in the order of TRIANGLES, from its edges, whose ends are the same points."""
    corners = []
    for i in range(len(upper) - 1):
        quad = upper[i], upper[i + 1], lower[i + 1], lower[i]
        corners += [t for t in ((quad[0], quad[1], quad[3]), (quad[1], quad[2], quad[3])) if len(set(t)) == 3]
    return corners
