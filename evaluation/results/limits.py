"""What photos of the same people reach on the measures of docs/results.md: `python cli.py limits` (ours).

openpeople's own pictures of each person, beside the selfie that results have their identity from: the acted faces of
the emotion sheet, and the studio portrait that is a scene of the results. These people are synthetic, and so are their
photos: what made them may have kept a face less well than a camera does. unmoved.py has the command's other table.

The kernel distance is between pictures of the same people, and the smaller for it: of ten pictures and themselves it is
near -0.5, not 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.pictures import read_picture
from ..acted import acted_faces
from ..judges.clip import FILE, Clip
from ..judges.networks import FOLDER, SAME_PERSON, Judges, Verdict
from ..people import LABELS, people_in
from .realism import face_features, spread
from .tables import grid, interval, with_interval

ACTED = dict(zip(LABELS, ("happy", "angry", "surprised", "sad"), strict=True))  # of the sheet, by label
Range = tuple[float, float, float]  # a mean or distance, and the ends of its 95 % interval over people


@dataclass(frozen=True)
class Seen:
    """What is seen in one picture."""

    verdict: Verdict
    features: Tensor  # (1, 512) CLIP's, of the face


@dataclass(frozen=True)
class Eyes:
    """Who looks: the judges, CLIP, and the mesh that finds faces for them."""

    judges: Judges
    clip: Clip
    mesh: FaceMesh

    @classmethod
    def load(cls, device: torch.device | str = "cpu", judges: Path = FOLDER, clip: Path = FILE) -> "Eyes":
        """judges, clip: as Judges.load and Clip.load take them, FileNotFoundError included; device: the mesh's"""
        return cls(Judges.load(judges), Clip.load(clip), FaceMesh.load(find_task_file()).to(device))

    def look(self, picture: Tensor, what: str) -> Seen:
        """At the largest face of a picture (3, H, W) in [-1, 1]. ValueError that names `what` where there is none."""
        faces = self.mesh.find(picture, limit=1)
        if not faces:
            raise ValueError(f"found no face in {what}, want a portrait")
        return Seen(self.judges.read(picture, faces[0]), face_features(picture, faces[0], self.clip))


@dataclass(frozen=True)
class Album:
    """What is seen in the pictures of one of openpeople's people."""

    name: str
    selfie: Seen
    portrait: Seen
    cells: dict[str, Seen]  # neutral and those of ACTED, by their names in the sheet


@dataclass(frozen=True)
class Reach:
    """What some photos reach, each beside the selfie of its person."""

    distance: Range  # dlib's; below SAME_PERSON is one person
    same: float  # share of photos that are
    cosine: float | None  # the second recogniser's; None where it is missing
    from_scenes: Range | None  # kernel distance of CLIP's features to all portraits; None of the portraits themselves
    from_neutral: Range | None  # likewise to all neutral faces of the sheets


def lines(eyes: Eyes, count: int) -> Iterator[str]:
    """A Markdown table, a row for each kind of photo; count: of people"""
    people = read_people(eyes, count)
    header = ("photos", "dlib's distance to the selfie ↓", "same person, dlib ↑", "second recogniser's cosine ↑",
              "from photographs: the scenes ↓", "from the sheets' neutral faces ↓")  # fmt: skip
    yield from grid(header, ([kind, *_cells(found)] for kind, found in reaches(people).items()))


def read_people(eyes: Eyes, count: int) -> list[Album]:
    """The first of openpeople's people. ValueError for fewer than two, whose distance to others is none."""
    folders = people_in()[: max(count, 0)]
    if len(folders) < 2:
        raise ValueError(f"got {count} people, want at least 2")
    people = []
    for folder in folders:
        selfie, portrait = (
            eyes.look(read_picture(folder / "assets" / file), f"the {file} of {folder.name}")
            for file in ("amateur_selfie.jpg", "studio_portrait.jpg")
        )
        acted = acted_faces(folder)
        names = ("neutral", *ACTED.values())
        cells = {name: eyes.look(acted[name], f'the cell "{name}" of {folder.name}') for name in names}
        people.append(Album(folder.name, selfie, portrait, cells))
    return people


def reaches(people: Sequence[Album]) -> dict[str, Reach]:
    """By kind of photo."""
    kinds = {"the selfie itself": [person.selfie for person in people]}
    kinds["studio portrait"] = scenes = [person.portrait for person in people]
    kinds["neutral"] = neutral = [person.cells["neutral"] for person in people]
    acted = {f"acted {label}": [person.cells[cell] for person in people] for label, cell in ACTED.items()}
    acted |= {"acted, all four": [look for looks in acted.values() for look in looks]}
    return {kind: reach(people, looks, scenes, neutral) for kind, looks in (kinds | acted).items()}


def reach(people: Sequence[Album], looks: list[Seen], scenes: list[Seen], neutral: list[Seen]) -> Reach:
    """looks: at one photo of each of the people, in their order, or at several times as many, likewise"""
    beside = [person.selfie.verdict for person in people] * (len(looks) // len(people))
    names = [person.name for person in people] * (len(looks) // len(people))
    found = [look.verdict for look in looks]
    distances = [float((a.identity - b.identity).norm()) for a, b in zip(found, beside, strict=True)]
    cosines = [float(a.second @ b.second) for a, b in zip(found, beside, strict=True) if a.second is not None]
    features = torch.cat([look.features for look in looks])
    from_scenes, from_neutral = (
        None if looks is real else spread(features, names, torch.cat([look.features for look in real]))
        for real in (scenes, neutral)
    )
    return Reach(
        distance=interval(names, distances),
        same=float(np.mean([each < SAME_PERSON for each in distances])),
        cosine=float(np.mean(cosines)) if cosines else None,
        from_scenes=from_scenes,
        from_neutral=from_neutral,
    )


def _cells(found: Reach) -> list[str]:
    cosine = "-" if found.cosine is None else f"{found.cosine:.3f}"
    return [shown(found.distance, 3), f"{found.same:.2f}", cosine, shown(found.from_scenes), shown(found.from_neutral)]


def shown(found: Range | None, digits: int = 2) -> str:
    """With the ends of its interval; "-" for None."""
    return "-" if found is None else with_interval(*found, digits)
