"""Which of the faces in a picture is meant, and what becomes of pictures that do not show it (ours)."""

from collections.abc import Sequence

import torch

from .detector import smallest_face
from .mesh import Face

CHOICES = ("largest", "centre", "all")  # or a face's number, counted from 0: "1" left to right, "1 by size"
BY_SIZE = " by size"
STOP, SKIP, PASS_THROUGH = "stop", "skip", "pass through"
WITHOUT_FACE = (STOP, SKIP, PASS_THROUGH)


class NoFace(ValueError):
    """A picture does not show the face that is asked for."""


def choose_faces(found: Sequence[Face], choice: str, size: Sequence[int], what: str) -> list[Face]:
    """The faces that are meant; NoFace in words where they are not there.

    found   all faces of one picture, largest first
    choice  one of CHOICES, or a number
    size    (H, W) of the picture, pixels
    what    the picture's role, for messages
    """
    number = choice.removesuffix(BY_SIZE)
    if choice not in CHOICES and not number.isdecimal():
        raise ValueError(
            f'got face choice "{choice}", want {", ".join(CHOICES)} or a number from 0, left to right, or as in '
            f'"0{BY_SIZE}", largest first'
        )
    height, width = size
    if not found:
        raise NoFace(
            f"no face found in the {what} ({width}x{height} px). Use a picture in which a face is clearly seen, "
            f"not covered, and at least about {smallest_face(max(size))} px wide, or crop closer to it"
        )
    if choice == "all":
        return list(found)
    if choice == "largest":
        return [found[0]]
    centres = torch.stack([face.points[:, :2].mean(0) for face in found])
    if choice == "centre":
        middle = torch.tensor([width / 2, height / 2], device=centres.device)
        return [found[int((centres - middle).norm(dim=-1).argmin())]]
    if int(number) >= len(found):
        raise NoFace(f"face {choice} of the {what} was asked for, but it has {len(found)}, counted from 0")
    order = range(len(found)) if choice.endswith(BY_SIZE) else centres[:, 0].argsort().tolist()
    return [found[order[int(number)]]]
