"""Who is drawn and measured: openpeople's ten synthetic people, whom tests, demo and docs show, and the test people
among the photos of real people, whom nothing shows. None of them was trained on.
"""

import csv
import importlib.util
import itertools
import random
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..models.expression.labels import read_labels
from ..models.faces.mesh import FaceMesh
from ..models.faces.task_file import find_task_file
from ..models.network.checkpoint import ASSETS
from ..models.pictures import decode_picture, to_pil
from ..training.data.photos import Photos, person_of
from ..training.data.prepare import with_border
from ..training.data.split import test_people
from ..training.progress import shown
from .acted import acted_faces

LABELS = ("joy", "anger", "surprise", "sadness")
BROUGHT = ("joy", "surprise")  # to calm photos
SELFIE, SCENE = 512, 1024  # sides of portraits as users bring them, pixels


def find_people() -> Path:
    """The package's folder of people, P001 to P010; found without importing it."""
    package = importlib.util.find_spec("openpeople")
    if package is None or package.origin is None:
        raise FileNotFoundError("the synthetic people come with the package openpeople: run `pip install openpeople`")
    return Path(package.origin).parent / "data" / "curated"


def people_in(folder: Path | None = None) -> list[Path]:
    """The folders of all people in a folder, in the order of their names; without one openpeople's."""
    return sorted(path for path in (folder or find_people()).iterdir() if path.is_dir())


def lay_out(folder: Path, photos: list[Path] | None = None, device: torch.device | str = "cpu") -> int:
    """Write what `evaluate` takes: identities/ (selfies), backgrounds/ (portraits) and pairs.csv.

    Every selfie goes with every label into the portrait of the next person. Returns the number of triples.
    There are neutral acted faces too, in identities/ and expressions/: to_rest.csv has smiling selfies as calm as the
    next person but one, from_rest.csv calm photos with each of BROUGHT.

    photos  as the sources of lay_out_test_people, which is what is done where they are given
    device  where their faces are looked for
    """
    if photos:
        return lay_out_test_people(folder, photos, device=device)
    people = people_in()
    for kind, picture in (("identities", "amateur_selfie.jpg"), ("backgrounds", "studio_portrait.jpg")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for person in people:
            shutil.copyfile(person / "assets" / picture, folder / kind / f"{person.name}.jpg")
    scenes = people[1:] + people[:1]
    rows = [(a.name, label, b.name) for a, b in zip(people, scenes, strict=True) for label in LABELS]
    write_pairs(folder / "pairs.csv", ((f"{a}.jpg", label, f"{b}.jpg") for a, label, b in rows))
    to_rest, from_rest = [], []
    for person, scene, calm in zip(people, scenes, scenes[1:] + scenes[:1], strict=True):
        neutral, away = to_pil(acted_faces(person)["neutral"]), f"{calm.name}_neutral.png"
        for kind in ("identities", "expressions"):
            (folder / kind).mkdir(exist_ok=True)
            neutral.save(folder / kind / f"{person.name}_neutral.png")
        to_rest.append((f"{person.name}.jpg", away, f"{scene.name}.jpg"))
        from_rest += [(f"{person.name}_neutral.png", label, f"{scene.name}.jpg") for label in BROUGHT]
    write_pairs(folder / "to_rest.csv", to_rest)
    write_pairs(folder / "from_rest.csv", from_rest)
    return len(rows)


def lay_out_test_people(
    folder: Path, sources: list[Path], count: int = 200, seed: int = 0, device: torch.device | str = "cpu"
) -> int:
    """Write photos/, one of each of so many test people, and two lists for `evaluate`; returns the number of people.

    pairs.csv takes the expression from another's photo, labels.csv from the words in turn; both put them into a third
    one's photo. Everyone is an identity once, and so on. Photos get a border, as in training.

    sources  folders or .zip files of photos; the test people are those of all of them, the photos are the first one's;
             those where no face is found, or several, are left out
    """
    mesh, labels = FaceMesh.load(find_task_file()).to(device), read_labels(ASSETS / "expressions.json")
    tested = test_people(person_of(name) for source in sources for name in Photos(source).names)
    found: dict[str, Tensor] = {}
    photos = Photos(sources[0])
    for name in shown([name for name in photos.names if person_of(name) in tested], "photos of test people"):
        person = person_of(name)
        if person not in found:
            picture = with_border(decode_picture(photos.read(name), name)[None])[0]
            if len(mesh.find(picture)) == 1:
                found[person] = picture
    if len(found) < 3:
        raise ValueError(f"got {len(found)} test people with a photo of one face in {sources[0]}, want at least 3")
    shuffle = random.Random(seed)
    people = sorted(found)
    shuffle.shuffle(people)
    people = people[:count]
    words = [labels[i % len(labels)] for i in range(len(people))]
    shuffle.shuffle(words)
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    for person in people:
        to_pil(found[person]).save(folder / "photos" / f"{person}.png")
    names = [f"{person}.png" for person in people]
    once, twice = names[1:] + names[:1], names[2:] + names[:2]
    write_pairs(folder / "pairs.csv", zip(names, once, twice, strict=True))
    write_pairs(folder / "labels.csv", zip(names, words, twice, strict=True))
    return len(people)


def lay_out_portraits(
    folder: Path, source: Path, count: int = 30, seed: int = 0, device: torch.device | str = "cpu"
) -> int:
    """Write identities/ (SELFIE pixels wide), backgrounds/ (SCENE pixels wide) and pairs.csv, of so many test people.

    Everyone is an identity once, with one of the words, in the portrait of the next; returns the number of triples.

    source  folder or .zip of square portraits; those where no face is found, or several, are left out
    """
    mesh, photos = FaceMesh.load(find_task_file()).to(device), Photos(source)
    labels = list(read_labels(ASSETS / "expressions.json"))
    tested = test_people(map(person_of, photos.names))
    names = {person_of(name): name for name in reversed(photos.names) if person_of(name) in tested}  # the first of each
    shuffle = random.Random(seed)
    people = sorted(names)
    shuffle.shuffle(people)
    shuffle.shuffle(labels)
    found: dict[str, Tensor] = {}
    for person in shown(people, "portraits of test people"):
        picture = decode_picture(photos.read(names[person]), names[person])
        if len(found) < count and len(mesh.find(picture)) == 1:
            found[person] = picture
    if len(found) < 2:
        raise ValueError(f"got {len(found)} test people with a portrait of one face in {source}, want at least 2")
    for kind, side in (("identities", SELFIE), ("backgrounds", SCENE)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for person, picture in found.items():
            to_pil(picture).resize((side, side), Image.Resampling.LANCZOS).save(folder / kind / f"{person}.png")
    names = [f"{person}.png" for person in found]
    words = itertools.islice(itertools.cycle(labels), len(names))
    write_pairs(folder / "pairs.csv", zip(names, words, names[1:] + names[:1], strict=True))
    return len(names)


def write_pairs(path: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("identity", "expression", "background"))
        writer.writerows(rows)
