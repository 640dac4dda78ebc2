"""Is a picture somebody who was trained on? The nearest training photo by the judge: `python cli.py nearest` (ours)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...models.faces.mesh import FaceMesh
from ...models.pictures import read_picture
from ...training.data.photos import SUFFIXES
from ...training.data.shards import Shards
from ...training.data.split import test_people
from ..judges.networks import SAME_PERSON, Judges
from .recognition import judge_rows


@dataclass(frozen=True)
class Nearest:
    picture: str
    face: int  # its place in the picture, the largest first
    person: str  # of the nearest training photo
    distance: float  # the judge's; below SAME_PERSON it calls both one person


def training_faces(folders: Sequence[Path], judges: Judges) -> tuple[list[str], Tensor]:
    """Names (K) and codes (K, 128) of all photos of those who are no test people."""
    prepared = [Shards(folder) for folder in folders]
    tested = test_people(person for shards in prepared if not shards.rendered for person in shards.people)
    people, codes = [], []
    for shards in prepared:
        rows = [row for row, person in enumerate(shards.people) if person not in tested]
        people += [shards.people[row] for row in rows]
        codes.append(judge_rows(judges, shards, rows))
    return people, torch.cat(codes)


def nearest(
    pictures: Sequence[Path], people: Sequence[str], codes: Tensor, mesh: FaceMesh, judges: Judges
) -> Iterator[Nearest]:
    """people (K names), codes (K, 128): as training_faces gives them. One for each face in the pictures."""
    for path in pictures:
        picture = read_picture(path)
        for i, face in enumerate(mesh.find(picture)):
            distance = (judges.read(picture, face).identity - codes).norm(dim=-1)
            place = int(distance.argmin())
            yield Nearest(path.name, i, people[place], round(float(distance[place]), 4))


def pictures_in(paths: Sequence[Path]) -> list[Path]:
    """Picture files, and those directly in folders."""
    found = [each for path in paths for each in (sorted(path.iterdir()) if path.is_dir() else [path])]
    return [path for path in found if path.suffix.lower() in SUFFIXES]


def table(found: Sequence[Nearest]) -> str:
    """Markdown: the nearest of all first, and how many the judge takes for somebody who was trained on."""
    rows = sorted(found, key=lambda each: each.distance)
    lines = ["| picture | face | distance to the nearest training photo |", "|---|---|---|"]
    lines += [f"| {each.picture} | {each.face} | {each.distance:.3f} |" for each in rows]
    below = sum(each.distance < SAME_PERSON for each in rows)
    return "\n".join([*lines, "", f"{below} of {len(rows)} are nearer than {SAME_PERSON}, the judge's one person."])
