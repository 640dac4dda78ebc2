"""What travels between the parts: identity, expression and background. Immutable and batched from the start.

B faces to be generated; N faces found in P pictures; S the side of the generation frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from .appearance.photos import Appearance
from .files import all_finite


def _check(name: str, tensor: Tensor, *shape: int | None) -> None:
    got = tuple(tensor.shape)
    if len(got) != len(shape) or any(want is not None and want != have for have, want in zip(got, shape, strict=True)):
        raise ValueError(f"got {name} of shape {got}, want {tuple('any' if n is None else n for n in shape)}")
    if 0 in got:
        raise ValueError(f"got an empty {name} of shape {got}, want at least one")
    if tensor.is_floating_point() and not all_finite(tensor):
        raise ValueError(f"got {name} with NaN or infinite numbers; check the picture that it was read from")


@dataclass(frozen=True)
class Identity:
    """Who it is (compound code: paper; layout: ours)."""

    code: Tensor  # (B, D): one unit vector per recogniser, concatenated
    recognisers: tuple[str, ...]  # names, in the order of the concatenation
    photos: int = 1  # how many photos were merged
    appearances: tuple[Appearance, ...] = ()  # one for each of the B, or none at all: a code alone

    def __post_init__(self):
        _check("identity code", self.code, None, None)
        if len(self.appearances) not in (0, len(self.code)):
            raise ValueError(f"got {len(self.appearances)} appearances for {len(self.code)} people, want one each")


@dataclass(frozen=True)
class Expression:
    """What the face does: blendshapes minus a neutral, 0 = exactly neutral (ours)."""

    code: Tensor  # (B, 51), in the order of face_mesh.BLENDSHAPES; about -1..1
    name: str = ""  # for display
    unknown: tuple[str, ...] = ()  # names of blendshapes in its file that mean nothing here

    def __post_init__(self):
        _check("expression code", self.code, None, 51)


def check_readers(identities: Sequence[Identity]) -> None:
    """ValueError where people were read by different recognisers, whose codes mean nothing to each other."""
    first = identities[0]
    for each in identities:
        if each.recognisers != first.recognisers or each.code.shape[1] != first.code.shape[1]:
            raise ValueError(
                f"got people read by {', '.join(first.recognisers)} and by {', '.join(each.recognisers)}, want all by "
                "the same: encode their photos with one checkpoint"
            )


def join_identities(identities: Sequence[Identity]) -> Identity:
    """Several people as a batch, in order; without photos where one of them has none.

    ValueError as of check_readers().
    """
    check_readers(identities)
    first = identities[0]
    all_shown = all(each.appearances for each in identities)
    return Identity(
        torch.cat([each.code.to(first.code) for each in identities]),
        first.recognisers,
        max(each.photos for each in identities),
        tuple(own for each in identities for own in each.appearances) if all_shown else (),
    )


def join_expressions(expressions: Sequence[Expression]) -> Expression:
    """Several expressions as a batch, in order; their names on lines."""
    codes = [each.code.to(expressions[0].code) for each in expressions]
    return Expression(torch.cat(codes), "\n".join(each.name for each in expressions))


@dataclass(frozen=True)
class CutOut:
    """Faces cut out of their pictures: their surroundings, head poses, and the way back."""

    index: Tensor  # (N,) int64, ascending: the picture that each face is in
    crop: Tensor  # (N, 3, S, S) in [-1, 1], with the face
    mask: Tensor  # (N, 1, S, S) 0 or 1, 1 = regenerate
    pose: Tensor  # (N, 3) yaw, pitch, roll in degrees
    matrix: Tensor  # (N, 2, 3), takes picture pixels to crop pixels
    points: Tensor  # (N, 478, 3) in crop pixels, z in the same scale, smaller is nearer
    blendshapes: Tensor  # (N, 51), as read

    def __post_init__(self):
        n, size = len(self.index), self.crop.shape[-1]
        _check("index", self.index, None)
        _check("crop", self.crop, n, 3, size, size)
        _check("mask", self.mask, n, 1, size, size)
        _check("pose", self.pose, n, 3)
        _check("matrix", self.matrix, n, 2, 3)
        _check("points", self.points, n, 478, 3)
        _check("blendshapes", self.blendshapes, n, 51)

    @property
    def count(self) -> int:
        """P, the pictures that were looked at; here those up to the last with a face."""
        return int(self.index[-1]) + 1


@dataclass(frozen=True)
class Background(CutOut):
    """Everything but the face: what was cut out, and the pictures that it goes back into."""

    pictures: Tensor  # (P, 3, H, W) in [-1, 1]

    def __post_init__(self):
        super().__post_init__()
        _check("pictures", self.pictures, None, 3, None, None)

    @property
    def count(self) -> int:
        return len(self.pictures)


Faces = TypeVar("Faces", bound=CutOut)


def broadcast(batches: dict[str, Tensor]) -> list[Tensor]:
    """Repeat batches of one to the common batch size; any other difference is an error that names the sizes."""
    sizes = {name: len(batch) for name, batch in batches.items()}
    most = max(sizes.values())
    if any(size not in (1, most) for size in sizes.values()):
        raise ValueError(f"batch sizes differ: {sizes}; want them equal, or 1")
    return [batch.expand(most, *batch.shape[1:]) for batch in batches.values()]


def one_for_each_face(codes: Tensor, background: CutOut) -> Tensor:
    """Codes of every picture, such as a driving clip's, to codes of every face: taken by the picture's number.

    codes    (P, D); any other number of rows stays as it is
    returns  (N, D)
    """
    by_picture = len(codes) == background.count and len(codes) != len(background.index)
    return codes[background.index.to(codes.device)] if by_picture else codes


def repeat_background(background: Faces, count: int) -> Faces:
    """A background with one face, as `count` of them (for a batch of identities or expressions)."""
    if len(background.index) == count:
        return background
    if len(background.index) != 1:
        raise ValueError(f"got {count} for a background with {len(background.index)} faces, want one for each face")
    names = ("index", "crop", "mask", "pose", "matrix", "points", "blendshapes")
    values = broadcast({"wanted": torch.empty(count, 0), **{name: getattr(background, name) for name in names}})[1:]
    return replace(background, **dict(zip(names, values, strict=True)))
