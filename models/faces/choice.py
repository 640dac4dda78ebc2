"""Which of the faces in a picture is meant, and what becomes of pictures that do not show it (ours)."""

from collections.abc import Sequence

import torch

from .detector import smallest_face
from .mesh import Face

CHOICES = (
    "largest",
    "centre",
    "all",
)  # all from the left; or a face's number, counted from 0: "1" left to right, "1 by size"
BY_SIZE = " by size"
STOP, SKIP, PASS_THROUGH = "stop", "skip", "pass through"
WITHOUT_FACE = (STOP, SKIP, PASS_THROUGH)
# Degrees of yaw as the mesh reads it, which of 75 makes 51: from SIDEWAYS on the far half of a face is guessed, and
# beyond FURTHEST nothing can be painted where it is.
SIDEWAYS, FURTHEST = 45.0, 60.0


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
    if choice == "largest":
        return [found[0]]
    centres = torch.stack([face.points[:, :2].mean(0) for face in found])
    from_left = centres[:, 0].argsort().tolist()
    if choice == "all":
        return [found[i] for i in from_left]
    if choice == "centre":
        middle = torch.tensor([width / 2, height / 2], device=centres.device)
        return [found[int((centres - middle).norm(dim=-1).argmin())]]
    if int(number) >= len(found):
        raise NoFace(f"face {choice} of the {what} was asked for, but it has {len(found)}, counted from 0")
    order = range(len(found)) if choice.endswith(BY_SIZE) else from_left
    return [found[order[int(number)]]]


def within(faces: list[Face], furthest: float, what: str) -> list[Face]:
    """Those of the faces that are turned to a side by at most so many degrees; NoFace in words if there is none."""
    kept = [face for face in faces if abs(float(face.pose[0])) <= furthest]
    if faces and not kept:
        yaw = abs(float(faces[0].pose[0]))
        raise NoFace(
            f"the face in the {what} is turned by {yaw:.0f} degrees to the side, or more; beyond {furthest:.0f} it "
            "cannot be painted. Use a picture that shows more of its front"
        )
    return kept


def turned_away(chosen: Sequence[Sequence[Face]], what: str) -> str:
    """A warning of faces in several pictures that are SIDEWAYS, naming the first and its angle; else nothing."""
    turned = [(i, yaw) for i, faces in enumerate(chosen) for yaw in [_yaw(faces)] if yaw > SIDEWAYS]
    if not turned:
        return ""
    first, yaw = turned[0]
    others = f", and so are those in {len(turned) - 1} more" if len(turned) > 1 else ""
    return (
        f"the face in the {what} {first + 1} of {len(chosen)} is turned by {yaw:.0f} degrees to the side, or "
        f"more{others}: its far half is guessed, so look at the result closely"
    )


def _yaw(faces: Sequence[Face]) -> float:
    """Of the face that is turned furthest, degrees to either side."""
    return max((abs(float(face.pose[0])) for face in faces), default=0.0)
