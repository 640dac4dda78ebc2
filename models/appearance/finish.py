"""Painted faces finished with the pixels of a photo: the person's own for an identity, else the scene's (ours).

    photos of the person, expression, the scene's face -> shape -> the wanted mesh
    photo, scene and painter's crop, each warped onto it -> composite -> crop of k times the frame's size

Without a painter's crop the same gives a picture at once: a live preview.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..codes import CutOut, Expression, Identity, one_for_each_face
from ..compositing import FEATHER, feather
from ..faces.mesh import PRESENCE, SIDE, FaceMesh, level_frames
from ..frames import crop, invert, nearest, scale, transform_mesh
from ..pixels import to_bytes
from .bands import blur
from .composed import Composed
from .composite import Layers, beyond, compose, surroundings
from .covered import uncover
from .focus import blur_of, blurred
from .layout import Layout
from .mouth import Mouth, opened, width
from .photos import Appearance
from .retouch import Retoucher
from .shape import Person, ShapeModel
from .topology import OUTLINE
from .warp import Warped, lay_out, region, warp, warp_photos

DETAIL = 4  # pixels of the finished crop for each of the frame's
FINE = 2  # times as many where the picture has more
MORE = 0.75  # pixels of a crop for each of the picture's, below which it would lose some
FEW = 8  # faces that are finished so finely; more, as in a video, would take long and much memory
FINER = 2  # pixels of the frame's that the photo is carried at, for the painter, before it is averaged down
LARGEST = 1024  # side of a finished crop
CHIN, FOREHEAD = OUTLINE[18], OUTLINE[0]
DOUBT = 0.5  # of its trust that a photo keeps where its expression is far from the wanted one, if others are nearer
BLOCKS = 64  # across a photo, in which it is looked for what lies beyond its border
FAR = 0.04  # parts of the face's height that an expression moves a point by, for that


@dataclass(frozen=True)
class Wish:
    """How a face is to be finished."""

    appearance: float = 1.0  # 0..1: how much comes from the photo; 0 leaves the painted crop as it is
    shape: float = 1.0  # 0..1: outline of the face, the scene's (0) to the person's (1)
    detail: int = 0  # pixels for each of the frame's; 0: DETAIL, or more where the picture has more, see detail_of()
    retouch: float = 1.0  # 0..1: how far the network goes that comes last; 0 leaves the composed face as it is

    def __post_init__(self):
        for name in ("appearance", "shape", "retouch"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"got {getattr(self, name)} for {name}, want 0 to 1")
        if self.detail < 0:
            raise ValueError(f"got {self.detail} for detail, want 1 or more pixels for each of the frame's, or 0")


class Finisher:
    def __init__(
        self,
        mesh: FaceMesh,
        shape: ShapeModel,
        neutral: Tensor,
        mouth: Mouth | None = None,
        retoucher: Retoucher | None = None,
    ):
        """
        neutral    (51,) blendshapes of a neutral face, which expressions count from: the checkpoint's own
        mouth      None: what no photo shows of one is the painter's, and dark where nothing is painted
        retoucher  None where nothing painted is finished: previews are not retouched
        """
        self.mesh, self.shape, self.neutral, self.mouth, self.retoucher = mesh, shape, neutral, mouth, retoucher

    def __call__(
        self,
        painted: Tensor | None,
        background: CutOut,
        picture_at: Callable[[int], Tensor],
        identity: Identity | None,
        expression: Expression | None,
        wish: Wish = Wish(),  # noqa: B008  frozen
    ) -> Iterator[Tensor]:
        """One finished crop (3, kS, kS) in [-1, 1] after the other, for each face that is painted.

        painted     (B, 3, S or more, same) in [-1, 1]: the painter's crops; None for a preview without them
        picture_at  a picture's number -> (3, H, W) in [-1, 1]: what the background was cut from
        identity    without one, or without its appearance, see can_finish()
        expression  without one the scene's own
        """
        device, count = self.neutral.device, count_faces(painted, background, identity, expression)
        wish = replace(wish, detail=detail_of(background, wish, count))
        for i, (face, own, wants) in enumerate(self._each(painted, background, identity, expression)):
            here = self.place(background, face, picture_at, wish)
            wants = here.blendshapes.clamp(0, 1) if wants is None else wants
            own = here.appearance() if own is None else own
            crop_ = None if painted is None else painted[[i if len(painted) > 1 else 0]].to(device)
            yield self.finish(crop_, here, own, wants, wish)[0]

    def place(self, background: CutOut, i: int, picture_at: Callable[[int], Tensor], wish: Wish) -> "Place":
        """One of a background's faces at the size of the finished crop; no expression and no person changes it."""
        detail = detail_of(background, wish, len(background.index))
        size, device = detail * background.crop.shape[-1], self.neutral.device
        matrix = detail * background.matrix[i : i + 1]
        around = crop(picture_at(int(background.index[i]))[None].to(device), matrix.to(device), size, repeat=True)
        mask = F.interpolate(background.mask[i : i + 1].to(device), size=(size, size))
        soft = feather(background.mask[i : i + 1].to(device), FEATHER * background.mask.shape[-1])
        soft = F.interpolate(soft, size=(size, size), mode="bilinear", align_corners=False) * mask
        points, blendshapes = (x[i : i + 1].to(device) for x in (background.points, background.blendshapes))
        return Place(around, points * detail, blendshapes, mask, soft, float(scale(matrix)))

    def wants(self, code: Tensor) -> Tensor:
        """The blendshapes (B, 51) 0..1 that expression codes (B, 51) ask a face for."""
        return (self.neutral + code.to(self.neutral)).clamp(0, 1)

    def person(self, own: Appearance) -> Person:
        """What target() needs of somebody's photos."""
        return self.shape.person(own.points, own.blendshapes, self.mesh)

    def target(self, scene: "Place", who: Person, wants: Tensor, wish: Wish) -> Tensor:
        """The wanted mesh (1, 478, 3), crop pixels; wants: (1, 51) blendshapes 0..1."""
        return self.shape.wanted(who, wants, scene.points, scene.blendshapes, wish.shape)

    def finish(
        self,
        painted: Tensor | None,
        scene: "Place",
        own: Appearance,
        wants: Tensor,
        wish: Wish,
        target: Tensor | None = None,
    ) -> Tensor:
        """One finished crop (1, 3, kS, kS) in [-1, 1]; wants: (1, 51) blendshapes 0..1, the others as of a call.

        target  from target(), where it is there already
        """
        target = self.target(scene, self.person(own), wants, wish) if target is None else target
        composed = self.compose(painted, scene, own, wants, target, wish.appearance)
        face = composed.face
        if painted is not None and wish.retouch:
            face = self.retoucher.retouch(composed, wish.retouch)
        inside = composed.parts[:, :1]
        unknown = inside * (wish.appearance - composed.share).clamp(min=0)
        face = face + composed.in_colours(self.with_teeth(face, target, inside, unknown) - face)
        if scene.blur is not None:
            face = blurred(face, composed.edge, scene.blur, scene.finer)
        return torch.where(scene.soft > 0, torch.lerp(scene.around, face, scene.soft), scene.around)

    def compose(
        self, painted: Tensor | None, scene: "Place", own: Appearance, wants: Tensor, target: Tensor, appearance: float
    ) -> Composed:
        """One face on the wanted mesh, in its surroundings, before it is retouched; all as of finish()."""
        size, moved = scene.around.shape[-1], self._moved(own, wants)
        layout, closest = lay_out(target, size), moved.mean(1).argmin()
        layers = Layers(
            photo=_carried(own, moved, target, layout),
            scene=warp(scene.around, scene.points, target, size, layout=layout),
            painted=None if painted is None else self._painted(painted, target, layout),
            moved=moved.amin(0, keepdim=True),
            opened=opened(target) - opened(own.points)[closest],
            narrowed=1 - width(target) / width(own.points)[closest],
            target=target,
        )
        around = surroundings(scene.around, scene.points, target, scene.mask)
        return compose(layers, around, appearance)

    def with_teeth(self, face: Tensor, target: Tensor, inside: Tensor, unknown: Tensor) -> Tensor:
        """Mouth.paint(), where there is one."""
        return face if self.mouth is None else self.mouth.paint(face, target, inside, unknown)

    def selfies(
        self, background: CutOut, identity: Identity | None, expression: Expression | None, wish: Wish
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """What the painter is shown of each person, as selfie() gives it; all as of a call."""
        device, size = self.neutral.device, background.crop.shape[-1]
        for face, own, wants in self._each(None, background, identity, expression):
            points, read, crop_ = (
                getattr(background, name)[[face]].to(device) for name in ("points", "blendshapes", "crop")
            )
            own = Appearance(to_bytes(crop_), points, read, of_scene=True) if own is None else own
            yield self.selfie(points, read, own, read if wants is None else wants, size, wish.shape)

    def selfie(
        self, scene: Tensor, read: Tensor, own: Appearance, wants: Tensor, size: int, shape: float = 1.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One person's photos on the wanted mesh, as they are: under their own light, with their own folds.

        Picture (1, 3, S, S) in [-1, 1], trust in it, and where it lies, both (1, 1, S, S) 0..1.

        scene, read  (1, 478, 3) and (1, 51): points, in pixels of the frame, and blendshapes of the face there is
        wants        (1, 51) blendshapes 0..1
        size         S, the frame's
        """
        smaller = max(1, own.pictures.shape[-1] // (FINER * size))
        target = self.shape.wanted(self.person(own), wants, scene, read, shape) * FINER
        found = _carried(own, self._moved(own, wants), target, lay_out(target, FINER * size), smaller)
        edge = found.cover.maximum(beyond(found))
        picture, trust, edge = (F.avg_pool2d(x, FINER) for x in (found.picture, found.trust, edge))
        return picture, trust, edge

    def _each(
        self, painted: Tensor | None, background: CutOut, identity: Identity | None, expression: Expression | None
    ) -> Iterator[tuple[int, Appearance | None, Tensor | None]]:
        """The face of the background, the person and the wanted blendshapes (1, 51), the last two where given."""
        device = self.neutral.device
        rows = [None if code is None else _rows(len(code.code), background) for code in (identity, expression)]
        for i in range(count_faces(painted, background, identity, expression)):
            who, what = (None if row is None else row[i if len(row) > 1 else 0] for row in rows)
            own = None if who is None else identity.appearances[who].to(device)
            wants = None if what is None else self.wants(expression.code[[what]])
            yield i if len(background.index) > 1 else 0, own, wants

    def _moved(self, own: Appearance, wants: Tensor) -> Tensor:
        """(n, 478): how far the expression moves each point of the photos, parts of the face's height."""
        points, _ = self.shape.canonical(own.points)
        change = self.shape.move(points, own.blendshapes, wants.expand(len(points), -1)) - points
        height = (self.shape.mean[CHIN] - self.shape.mean[FOREHEAD]).norm()
        return change[..., :2].norm(dim=-1) / height

    def _painted(self, painted: Tensor, target: Tensor, layout: Layout) -> Warped | None:
        """The painter's face on the wanted mesh, None where it shows no face."""
        size = layout.size
        painted = F.interpolate(painted, size=(size, size), mode="bicubic", align_corners=False).clamp(-1, 1)
        frames = level_frames(target)
        points, _, presence = self.mesh.read(crop(painted, invert(frames), SIDE))
        if presence[0] < PRESENCE:
            return None
        return warp(painted, transform_mesh(points, frames), target, size, layout=layout)


def detail_of(background: CutOut, wish: Wish, count: int) -> int:
    """Pixels of a finished crop for each of the frame's: the same for all faces that are finished, count of them."""
    smallest = float(scale(background.matrix).min()) * DETAIL  # the larger a face is, the more it is scaled down
    wanted = wish.detail or (FINE * DETAIL if smallest < MORE and count <= FEW else DETAIL)
    return min(wanted, LARGEST // background.crop.shape[-1])


@dataclass(frozen=True)
class Place:
    """One face of the background at the size of the finished crop."""

    around: Tensor  # (1, 3, S, S) in [-1, 1]
    points: Tensor  # (1, 478, 3) crop pixels
    blendshapes: Tensor  # (1, 51)
    mask: Tensor  # (1, 1, S, S) 0 or 1
    soft: Tensor  # (1, 1, S, S) 0..1, the mask with a soft border
    finer: float = 1.0  # pixels of it for each of the picture's

    def appearance(self) -> Appearance:
        return Appearance(to_bytes(self.around), self.points, self.blendshapes, of_scene=True)

    @cached_property
    def blur(self) -> Tensor | None:
        """Of its face, see blur_of(); read where it is laid on first."""
        return blur_of(self.around, region(self.points, self.around.shape[-1], "face"), self.finer)


def _carried(own: Appearance, moved: Tensor, target: Tensor, layout: Layout, smaller: int = 1) -> Warped:
    """One person's photos on the wanted mesh.

    moved    (n, 478) how far each of their points has to go
    smaller  side of the square of a photo's pixels that are averaged to one before
    """
    photos, points = own.photos, own.points
    if smaller > 1:
        photos, points = F.avg_pool2d(photos, smaller), points / smaller
    photos, bare = (photos, None) if own.of_scene else uncover(photos, points, own.covered)
    photos, shown = _within(photos, points)
    shown = bare if shown is None else shown if bare is None else shown * bare
    if len(photos) == 1:
        return warp(photos, points, target, layout.size, fit=shown, layout=layout)
    fit = DOUBT + (1 - DOUBT) * torch.exp(-(moved / FAR).square())
    return warp_photos(photos, points, target[:, None], layout.size, fit=fit if shown is None else fit * shown)


def _within(photos: Tensor, points: Tensor) -> tuple[Tensor, Tensor | None]:
    """Photos whose crop goes beyond their border, where it is black: filled there, and which points (n, 478) they show.

    None for all of them.
    """
    size, block = photos.shape[-1], max(photos.shape[-1] // BLOCKS, 1)
    light = 1 - (F.avg_pool2d((photos <= -1).all(1, keepdim=True).float(), block) == 1).float()
    black = 1 - F.max_pool2d(light, 3, 1, 1)  # and so are its neighbours: no pupil, no strand of hair
    if not black.any():
        return photos, None
    outside = F.max_pool2d(black, 7, 1, 3)  # with these, those that are black in part, and some more
    inside, coarse = 1 - outside, F.avg_pool2d(photos, block)
    around = blur(coarse * inside, BLOCKS / 16) / blur(inside, BLOCKS / 16).clamp(min=1e-3)
    around = F.interpolate(around, size=(size, size), mode="bilinear", align_corners=False)
    filled = torch.where(F.interpolate(outside, size=(size, size)) > 0, around, photos)
    return filled, nearest(inside, points / block)[..., 0]


def can_finish(identity: Identity | None) -> bool:
    """Whether there are pixels to finish with: an identity's own, or the scene's where no identity is given."""
    return identity is None or bool(identity.appearances)


def count_faces(
    painted: Tensor | None, background: CutOut, identity: Identity | None, expression: Expression | None
) -> int:
    """How many faces are finished: what is given is one, or as many as the most; ValueError for any other number."""
    sizes = {"faces in the background": len(background.index)}
    for name, code in (("identities", identity), ("expressions", expression)):
        if code is not None:
            sizes[name] = len(_rows(len(code.code), background))
    if painted is not None:
        sizes["painted crops"] = len(painted)
    most = max(sizes.values())
    if any(size not in (1, most) for size in sizes.values()):
        got = ", ".join(f"{size} {name}" for name, size in sizes.items())
        raise ValueError(f"got {got} to finish; want as many of each, or 1")
    return most


def _rows(count: int, background: CutOut) -> list[int]:
    return one_for_each_face(torch.arange(count)[:, None], background)[:, 0].tolist()
