"""Heads turned to the side: up to where faces are found, and how they are read (ours).

`python cli.py benchmark profiles`. Heads are rendered, so that the true angle is known, and where eyes, nose and mouth
are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...models.faces.choice import FURTHEST, SIDEWAYS
from ...models.faces.mesh import Face, FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.frames import FRAMES, Frame, five_points
from ...models.pixels import from_bytes
from ...rendering.portraits import PORTRAITS
from ...rendering.scenes import studio
from ...rendering.studio import Studio, shrink

SIDE = 512  # pixels of a picture, of which a head takes half
ANGLES = range(0, 91, 5)  # degrees of yaw, to both sides
OPEN = 40  # up to which angle the far eye and the far corner of the mouth are seen


@dataclass(frozen=True)
class Look:
    """One head at one angle."""

    face: Face | None  # None where none was found
    points: Tensor  # (5, 2) pixels, where irises, nose tip and mouth corners are
    seen: Tensor  # (5,) bool: not on the far side
    size: float  # distance of the eyes, seen from the front, pixels

    @property
    def away(self) -> float:
        """How far the mesh's points are from where they are, those that are seen, parts of the eyes' distance."""
        found = five_points(self.face.points[None])[0].cpu()
        return float((found - self.points).norm(dim=-1)[self.seen].mean()) / self.size


def run() -> None:
    """Of rendering's two people."""
    mesh = FaceMesh.load(find_task_file())
    for line in lines(mesh):
        print(line, flush=True)


@torch.inference_mode()
def lines(mesh: FaceMesh, angles: Sequence[int] = ANGLES) -> Iterator[str]:
    """A Markdown table, a row for each angle."""
    looks = {angle: look_at(mesh, angle) for angle in angles}
    yield "| yaw | faces found | yaw as read | points off, % of the eyes' distance | warned of | refused |"
    yield "|---" * 6 + "|"
    for angle, each in looks.items():
        found = [look for look in each if look.face is not None]
        yaws = [abs(float(look.face.pose[0])) for look in found]
        read = f"{sum(yaws) / len(yaws):.0f}" if yaws else ""
        off = f"{100 * sum(look.away for look in found) / len(found):.1f}" if found else ""
        refused = sum(yaw > FURTHEST for yaw in yaws)
        warned = sum(yaw > SIDEWAYS for yaw in yaws) - refused
        yield f"| {angle} | {len(found)} of {len(each)} | {read} | {off} | {warned} | {refused} |"


def look_at(mesh: FaceMesh, angle: int) -> list[Look]:
    """Every head of PORTRAITS, turned by so many degrees to one side and to the other."""
    half = FRAMES["ffhq-256"]
    room = (SIDE - half.size) / 2
    frame = Frame(SIDE, tuple((x + room, y + room) for x, y in half.points))
    place, looks = Studio(SIDE), []
    for person, hair in PORTRAITS.values():
        straight = studio(hair)
        place.enter(straight, person)
        head = place.geometry(person, {})
        matrix = place.alignment(head, frame)
        front = place.five_points(head, matrix)
        size = float((front[1] - front[0]).norm())
        for yaw in {angle, -angle}:
            place.enter(replace(straight, yaw=float(yaw)), person)
            pixels = shrink(place.draw(head, person, {}, matrix), place.samples)
            picture = from_bytes(torch.from_numpy(pixels).round().byte().permute(2, 0, 1))
            faces = mesh.find(picture, limit=1)
            near = torch.tensor([yaw >= -OPEN, yaw <= OPEN, True, yaw >= -OPEN, yaw <= OPEN])
            looks.append(Look(faces[0] if faces else None, place.five_points(head, matrix), near, size))
    return looks
