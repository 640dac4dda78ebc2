"""How far heads seem to turn that act and do not move: the lower table of `python cli.py limits` (ours).

A head is drawn at rest and acting, all else the same, so the true turn is 0 degrees, and what is read as one is the
reader's. The actions are those of assets/references.safetensors, whose two heads are one group; the other is drawn by
chance, as for training, without glasses: stranger faces than people have. Wants rendering/requirements.txt.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...models.comparison import turn
from ...models.expression.references import FILE, References
from ...models.faces.mesh import FaceMesh
from ...models.frames import FRAMES
from ...models.network.checkpoint import ASSETS
from ...models.pixels import from_bytes
from ...rendering.casting import draw_person, draw_tone
from ...rendering.hair import Hair
from ...rendering.heads import Person
from ...rendering.portraits import PORTRAITS
from ...rendering.scenes import studio
from ...rendering.staging import draw_hair
from ...rendering.studio import Studio, shrink
from ..judges.networks import Judges
from ..people import LABELS
from .limits import shown
from .tables import grid, interval

FRAME = FRAMES["ffhq-256"]  # of the pictures
Sitter = tuple[Person, Hair | None]


def table(judges: Judges, mesh: FaceMesh, count: int) -> Iterator[str]:
    """Markdown, degrees: a row for each of LABELS and one for all. count: of the heads drawn by chance"""
    place, references = Studio(FRAME.size), References.load(ASSETS / FILE)
    known = [PORTRAITS[name] for name in references.heads]
    groups = {f"{len(known)} reference heads": known, f"{count} by chance": drawn(place, count)}
    found = [turns(judges, mesh, place, references, heads) for heads in groups.values()]
    yield from grid(
        ("unmoved head, acting", *(f"{group}: {who} ↓" for group in groups for who in ("judge", "mesh"))),
        ([label, *(said(each[:, rows, reader]) for each in found for reader in (0, 1))]
         for label, rows in [*((label, [row]) for row, label in enumerate(LABELS)), ("all four", [0, 1, 2, 3])]),
    )  # fmt: skip


def drawn(place: Studio, count: int) -> list[Sitter]:
    """Head i depends on i only."""
    heads = []
    for number in range(count):
        random = np.random.default_rng(number)
        tone = draw_tone(random)
        person = replace(draw_person(random, place.heads.effects, tone), glasses=None)
        heads.append((person, draw_hair(random, tone, person.sex, person.age)))
    return heads


def turns(judges: Judges, mesh: FaceMesh, place: Studio, references: References, heads: Sequence[Sitter]) -> Tensor:
    """(H, 4, 2) degrees, by head, label and reader: the judge, the mesh.

    Mean of the absolute differences of yaw, pitch and roll between the head at rest and the head that acts a label.
    """
    found = []
    for person, hair in heads:
        place.enter(studio(hair), person)
        matrix = place.alignment(place.geometry(person, {}), FRAME)  # the camera stays where it is
        rest, *acting = (
            poses(judges, mesh, picture(place, person, actions, matrix))
            for actions in ({}, *map(references.actions_of, LABELS))
        )
        found.append(torch.stack([turn(rest, each).abs().mean(-1) for each in acting]))
    return torch.stack(found)


def picture(place: Studio, person: Person, actions: dict[str, float], matrix: Tensor) -> Tensor:
    """(3, S, S) in [-1, 1] of someone in the scene that was entered; matrix: as for Studio.draw"""
    pixels = place.draw(place.geometry(person, actions), person, actions, matrix)
    return from_bytes(torch.from_numpy(shrink(pixels, place.samples)).round().byte().permute(2, 0, 1))


def poses(judges: Judges, mesh: FaceMesh, picture: Tensor) -> Tensor:
    """(2, 3) yaw, pitch and roll in degrees, as the judge and as the mesh read them"""
    faces = mesh.find(picture, limit=1)
    if not faces:
        raise ValueError("the mesh finds no face in the picture of a rendered head")
    return torch.stack([judges.read(picture, faces[0]).pose, faces[0].pose.cpu()])


def said(degrees: Tensor) -> str:
    """degrees (H, L): the mean, and its 95 % interval over the heads where there are more than two"""
    heads = [str(head) for head in range(len(degrees)) for _ in range(degrees.shape[1])]
    found = interval(heads, degrees.flatten().tolist())
    return shown(found) if len(degrees) > 2 else f"{found[0]:.2f}"
