"""A face's shape apart from pose and expression, and how expressions move it (ours).

Meshes are MediaPipe's 478 points: x right, y down, z away, in one scale. A canonical mesh is turned, moved and scaled
so that the points that no expression moves lie on those of the mean face: frontal, centred, of unit size. Blendshapes
are readings 0..1 in the order of BLENDSHAPES. B faces, n photos of one person, K motions: the principal ways in which
one person's canonical mesh was seen to change. training/shape.py fits them; no person's own shape is stored.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..faces.mesh import BLENDSHAPES, FaceMesh
from .topology import LIPS, MOUTH, OUTLINE
from .unfold import Unfold

FILE = Path(__file__).parents[2] / "assets" / "shape.safetensors"
READING = 100.0  # pixels that a unit of canonical length has where blendshapes are read; the reader knows no scale
NOTHING = 1e-3  # blendshapes below this do not move a face more than in proportion
MOST_TURNED = 40.0  # degrees of yaw and pitch up to which the bend grows
# What parts the lips; so much of it in all does not yet, and beyond, a unit of it by so much of the mouth's width.
OPENERS = (
    "jawOpen",
    "mouthFunnel",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
)
UNSEEN, PARTED = 0.15, 2.0
GRIN = ("mouthSmileLeft", "mouthSmileRight")  # parts lips as well, and they meet again without it
ROUNDS = 5  # of weighing several photos against their mean


@dataclass(frozen=True)
class Placement:
    """Where a canonical mesh lies in a picture: points = scale * rotation @ (canonical + bend) + shift."""

    scale: Tensor  # (B,) pixels a unit of canonical length
    rotation: Tensor  # (B, 3, 3)
    shift: Tensor  # (B, 3) pixels
    bend: Tensor  # (B, 478, 3) how the mesh network sees any face in another shape when the head is turned or nods

    def place(self, canonical: Tensor) -> Tensor:
        """canonical (B, 478, 3) -> points (B, 478, 3) in pixels"""
        return self.scale[:, None, None] * ((canonical + self.bend) @ self.rotation.mT) + self.shift[:, None]

    def lift(self, points: Tensor) -> Tensor:
        """The inverse: points (B, 478, 3) in pixels -> canonical (B, 478, 3)"""
        return (points - self.shift[:, None]) @ self.rotation / self.scale[:, None, None] - self.bend


@dataclass(frozen=True)
class Person:
    """One person's photos as one mesh, which no wanted expression and no scene changes."""

    source: Tensor  # (1, 478, 3) canonical, with the photos' own expression
    had: Tensor  # (K,) amounts of the motions in it
    blendshapes: Tensor  # (1, 51)
    mesh: FaceMesh | None  # reads what was wanted; without it nothing is refined
    offset: Tensor | None  # (51,) how it reads the canonical mesh beside the photos


class ShapeModel(nn.Module):
    def __init__(self, mean: Tensor, steady: Tensor, turning: Tensor, motions: Tensor, response: Tensor, gain: Tensor,
                 follow: Tensor, least: Tensor):  # fmt: skip
        """
        mean      (478, 3) the mean face
        steady    (478,) weight of each point in the fit to it
        turning   (5, 478, 3) features of yaw and pitch to the bend of Placement
        motions   (K, 478, 3) of unit spread within persons; irises stay round
        response  (3 * 51, K) features of blendshapes to amounts of the motions
        gain      (51, K) what a reading still lacks to amounts of the motions
        follow    (478, len(OUTLINE)) how far each point goes along with those of the outline
        least     (len(TRIANGLES),) share of its area that each triangle keeps
        """
        super().__init__()
        for name, value in (("mean", mean), ("steady", steady), ("turning", turning), ("motions", motions),
                            ("response", response), ("gain", gain), ("follow", follow)):  # fmt: skip
            self.register_buffer(name, value.float())
        self.unfold = Unfold(least)

    @classmethod
    def load(cls, path: Path = FILE) -> "ShapeModel":
        return cls(**load_file(path))

    def canonical(self, points: Tensor) -> tuple[Tensor, Placement]:
        """points (B, 478, 3) in pixels -> canonical meshes (B, 478, 3), and where they lay. Weighted Umeyama (1991)."""
        weight = (self.steady / self.steady.sum())[:, None]
        centre = (weight * points).sum(dim=1, keepdim=True)
        mean_centre = (weight * self.mean).sum(dim=0)
        target = self.mean - mean_centre
        u, s, vh = torch.linalg.svd((weight * (points - centre)).mT @ target)
        proper = torch.ones_like(s)
        proper[:, 2] = torch.linalg.det(u @ vh)  # -1 where the best fit is a mirror image, which is no rotation
        rotation = (u * proper[:, None]) @ vh
        scale = (s * proper).sum(dim=1) / (weight * target.square()).sum()
        shift = centre[:, 0] - scale[:, None] * (rotation @ mean_centre)
        bend = torch.einsum("bf,fpc->bpc", turn_features(rotation), self.turning)
        placement = Placement(scale, rotation, shift, bend)
        return placement.lift(points), placement

    def amounts(self, blendshapes: Tensor) -> Tensor:
        """How far an expression (B, 51) moves a face along each motion (B, K), from where all blendshapes are 0."""
        return features(blendshapes) @ self.response

    def move(self, canonical: Tensor, has: Tensor, wants: Tensor) -> Tensor:
        """The mesh of a face that has one expression with another: no matter by which way, and back again exactly.

        canonical: (B, 478, 3); has, wants: (B, 51) 0..1; returns (B, 478, 3), which may be folded: see `unfold`
        """
        return canonical + torch.einsum("bk,kpc->bpc", self.amounts(wants) - self.amounts(has), self.motions)

    def read(self, canonical: Tensor, mesh: FaceMesh) -> Tensor:
        """Blendshapes (B, 51) of canonical meshes: tilted and turned heads are read upright and from the front."""
        return mesh.blendshapes(canonical * READING)

    def refine(self, canonical: Tensor, wants: Tensor, mesh: FaceMesh, steps: int = 2) -> Tensor:
        """Steps towards a mesh that reads as wanted: Newton's with one Jacobian for all faces, and a Gaussian prior.

        No gradient is taken; a mesh that reads as wanted stays exactly as it is.
        canonical: (B, 478, 3) moved already; wants: (B, 51) 0..1; returns (B, 478, 3), see `move`
        """
        for _ in range(steps):
            amounts = (wants - self.read(canonical, mesh)) @ self.gain
            canonical = canonical + torch.einsum("bk,kpc->bpc", amounts, self.motions)
        return canonical

    def person(self, photos: Tensor, photo_blendshapes: Tensor, mesh: FaceMesh | None = None) -> Person:
        """Photos of one person, for any number of expressions.

        photos             (n, 478, 3) meshes, each in pixels of its own photo
        photo_blendshapes  (n, 51) of each
        mesh               reads what wanted() made, which is then refined; None: by the map alone
        """
        if photos.ndim != 3 or len(photos) == 0 or photos.shape[1:] != (478, 3):
            raise ValueError(f"got photos' meshes of shape {tuple(photos.shape)}, want (n, 478, 3), at least one")
        photos, placed = self.canonical(photos)
        amounts = self.amounts(photo_blendshapes)
        calm = photos - torch.einsum("bk,kpc->bpc", amounts, self.motions)
        weight = self._weights(calm, placed)[:, None, None]
        offset = None
        if mesh is not None:
            # Readings of the canonical mesh differ from those given by the photo's pose: only the change counts.
            offset = (weight[:, 0] * (self.read(photos, mesh) - photo_blendshapes)).sum(dim=0)
        return Person(
            source=(weight * photos).sum(dim=0, keepdim=True),
            had=(weight[:, 0] * amounts).sum(dim=0),
            blendshapes=(weight[:, 0] * photo_blendshapes).sum(dim=0, keepdim=True),
            mesh=mesh,
            offset=offset,
        )

    def wanted(
        self, who: Person, wants: Tensor, scene: Tensor, scene_blendshapes: Tensor, shape: float = 0.5, steps: int = 2
    ) -> Tensor:
        """The mesh that a person's face has in a scene with an expression.

        wants              (B, 51) blendshapes, 0..1
        scene              (B, 478, 3) the face that is there now, in pixels
        scene_blendshapes  (B, 51)
        shape              0: the outline of the scene's face, 1: of the person's; the jaw of both opens as wanted
        steps              of `refine`, where the person comes with a mesh that reads
        returns            (B, 478, 3) in the scene's pixels: rotation, place and size are the scene's. No triangle
                           faces another side than in the photos. With the photo's own expression and scene, and
                           shape 1, the photo's own points
        """
        if not 0 <= shape <= 1:
            raise ValueError(f"got {shape} for shape, want 0 (the scene's outline) to 1 (the person's)")
        person = who.source + torch.einsum("bk,kpc->bpc", self.amounts(wants) - who.had, self.motions)
        if who.mesh is not None:
            person = self.refine(person, wants + who.offset, who.mesh, steps)
        source = who.source.expand_as(person)
        person = keep_shut(person, source, who.blendshapes, wants)
        person = self.unfold(person, source)
        other, placement = self.canonical(scene)
        if shape < 1:
            other = self.move(other, scene_blendshapes, wants)
            outline = list(OUTLINE)
            shift = self.follow @ (other[:, outline] - person[:, outline])
            person = self.unfold(person + (1 - shape) * shift, source, person)
        return placement.place(person)

    def _weights(self, calm: Tensor, placed: Placement) -> Tensor:
        """Weight of each photo (n,) in the person's shape: less for heads turned away and what differs from the rest.

        calm: (n, 478, 3) canonical, without expression. The geometric median, by iteration (Weiszfeld 1937)
        """
        facing = placed.rotation[:, 2, 2].clamp(min=0.1) ** 4
        weight = facing / facing.sum()
        for _ in range(ROUNDS if len(calm) > 2 else 0):
            away = (calm - (weight[:, None, None] * calm).sum(dim=0)).flatten(1).norm(dim=1)
            weight = facing / (away + 0.1 * away.mean()).clamp(min=1e-9)
            weight = weight / weight.sum()
        return weight


def keep_shut(moved: Tensor, source: Tensor, had: Tensor, wants: Tensor) -> Tensor:
    """A mesh whose lips part no further than what was asked for parts them, and as little as what is left of it.

    Lips that are pressed less, or shrugged less, are thicker; the motions, those of mouths of all kinds, would open
    them as well, on nothing that a photo with a shut mouth shows. And they leave a grin's lips apart when it goes.

    moved, source  (B, 478, 3) canonical, after and before the motion
    had, wants     (B or 1, 51) blendshapes, before and after it
    """
    openers, grin = ([BLENDSHAPES.index(name) for name in names] for names in (OPENERS, GRIN))
    opening = (wants - had)[:, openers].clamp(min=0).sum(dim=1)
    parting, parted = (x[:, openers + grin].sum(dim=1) + UNSEEN for x in (wants, had))
    upper, lower, above, below = (list(edge) for edge in (*MOUTH, *LIPS))
    width = (source[:, upper[0], :2] - source[:, upper[-1], :2]).norm(dim=-1)
    allowed = (PARTED * (opening - UNSEEN).clamp(min=0) * width)[:, None]
    left = (parting / parted).clamp(max=1)[:, None]
    allowed = allowed + left * (source[:, lower, 1] - source[:, upper, 1]).clamp(min=0)
    excess = (moved[:, lower, 1] - moved[:, upper, 1] - allowed).clamp(min=0)
    moved = moved.clone()
    for edge, way in ((upper, 0.5), (lower, -0.5), (above, 0.25), (below, -0.25)):
        moved[:, edge[1:-1], 1] += way * excess[:, 1:-1]
    return moved


def features(blendshapes: Tensor) -> Tensor:
    """(B, 51) -> (B, 3 * 51): themselves, their squares and roots, since the reader answers in curves of both kinds."""
    given = blendshapes.clamp(0, 1)
    return torch.cat([given, given.square(), (given + NOTHING).sqrt()], dim=1)


def turn_features(rotation: Tensor) -> Tensor:
    """Rotation (B, 3, 3) of the mean face -> (B, 5): yaw, pitch, their squares and product, in units of 20 degrees.

    From where the head is seen; how it is tilted in the picture does not count, since crops are read upright.
    """
    x, y, z = rotation[:, 2].unbind(dim=1)  # the line of sight in the head's own axes
    yaw, pitch = torch.atan2(x, z), torch.atan2(y, torch.hypot(x, z))
    yaw, pitch = (angle.rad2deg().clamp(-MOST_TURNED, MOST_TURNED) / 20 for angle in (yaw, pitch))
    return torch.stack([yaw, pitch, yaw.square(), pitch.square(), yaw * pitch], dim=1)
