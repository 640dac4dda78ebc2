"""The user's own expression library: a folder `label/photo.jpg`, read once, drawn from as in the paper.

The paper takes an expression photo of the label's class at random, or the one nearest in head pose to the background
(published); the file, with readings instead of photos in it, is ours.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..codes import Expression
from ..faces.mesh import BLENDSHAPES, FaceMesh
from ..files import check_output, is_names, parse_json, read_tensors, write_tensors, written
from ..pictures import read_picture
from .labels import nearest

FORMAT = "diffsfsr-library-1"
FORMATS = {FORMAT: {"blendshapes": ("float32", "n", len(BLENDSHAPES)), "pose": ("float32", "n", 3)}}
AGAIN = "build it again into a new file"
STATE = 2**26  # bytes of what it says of its photos: some 300,000 of them
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
EVERY = 50  # photos between two saves


@dataclass(frozen=True)
class Progress:
    done: int  # photos looked at, with those of earlier runs
    of: int
    kept: int
    rejected: dict[str, str]  # photo -> why it was left out


class UserLibrary:
    """Photos by label: what the mesh read in each, and the head's pose. N photos."""

    def __init__(self, photos: tuple[str, ...], blendshapes: Tensor, pose: Tensor, rejected: dict[str, str]):
        self.photos = photos  # N names, `label/photo.jpg`
        self.blendshapes = blendshapes  # (N, 51) as read, 0..1
        self.pose = pose  # (N, 3) yaw, pitch, roll in degrees
        self.rejected = rejected
        self._rows: dict[str, list[int]] = {}
        for row, photo in enumerate(photos):
            self._rows.setdefault(photo.partition("/")[0], []).append(row)
        self.labels: tuple[str, ...] = tuple(sorted(self._rows))

    @classmethod
    def load(cls, path: Path) -> "UserLibrary":
        """Read what build() wrote; ValueError for a file that is broken or of another kind."""
        return _load(Path(path))[0]

    def count(self, label: str) -> int:
        """Photos of a label."""
        return len(self._of(label))

    def random(self, label: str, seed: int) -> int:
        """The row of a photo of the label, by the seed alone (paper)."""
        rows = self._of(label)
        generator = torch.Generator().manual_seed(seed)
        return rows[int(torch.randint(len(rows), (1,), generator=generator))]

    def nearest(self, label: str, pose: Tensor) -> int:
        """The row of the label's photo with the head nearest to a pose (3,) in yaw and pitch (paper).

        Roll is left out (ours): alignment turns every face upright.
        """
        rows = self._of(label)
        return rows[int((self.pose[rows, :2] - pose.cpu()[:2]).norm(dim=1).argmin())]

    def expression(self, rows: list[int], neutral: Tensor) -> Expression:
        """Codes of the photos in these rows. neutral: (51,) is taken off, a stored mean or the person's own"""
        names = dict.fromkeys(self.photos[row].partition("/")[0] for row in rows)
        return Expression(self.blendshapes[rows].to(neutral) - neutral, ", ".join(names))

    def _of(self, label: str) -> list[int]:
        if label not in self._rows:
            near = ", ".join(nearest(label, self.labels))
            raise ValueError(
                f'got "{label}", want one of the {len(self.labels)} labels of this library, such as {near}'
            )
        return self._rows[label]


def build(folder: Path, out: Path, mesh: FaceMesh, every: int = EVERY) -> Iterator[Progress]:
    """Read every photo of a folder `label/photo.jpg` into the library `out`; yields after each save.

    Run again with the same arguments, it reads only photos that are new or changed, and forgets those that are gone.
    A photo with no face or with several is left out; `out` with the ending .json lists them, and the labels' counts.
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}; want one with a folder for each label, with photos in it")
    if out.suffix != ".safetensors":
        raise ValueError(f'got "{out.name}" to write to, want a name that ends in .safetensors')
    stamps = photo_stamps(folder)
    if not any("/" in name for name in stamps):
        raise ValueError(f"got {folder}, which holds no label/photo.jpg; want a folder for each label, photos in it")
    rows, rejected, complete = _done_before(out, stamps)
    if not complete:
        check_output(out)
    todo = [name for name in stamps if name not in rows and name not in rejected]
    for number, name in enumerate(todo, 1):
        read = _read(name, folder / name, mesh)
        if isinstance(read, str):
            rejected[name] = read
        else:
            rows[name] = read
        if number % every == 0 and number < len(todo):
            _save(out, rows, rejected, stamps)
            yield Progress(len(rows) + len(rejected), len(stamps), len(rows), rejected)
    if not complete:
        _save(out, rows, rejected, stamps)
    yield Progress(len(stamps), len(stamps), len(rows), rejected)


def photo_stamps(folder: Path) -> dict[str, str]:
    """The photos in a folder, `label/photo.jpg` -> size and time of change; what cannot be read is left out."""
    found = {}
    for place, _, files in os.walk(folder):  # which passes by folders that may not be read
        for path in (Path(place) / file for file in files):
            if path.suffix.lower() in SUFFIXES and os.path.isfile(path):
                found[path.relative_to(folder).as_posix()] = f"{path.stat().st_size} {path.stat().st_mtime_ns}"
    return dict(sorted(found.items()))


def _read(name: str, path: Path, mesh: FaceMesh) -> tuple[Tensor, Tensor] | str:
    """Blendshapes (51,) and pose (3,), or why the photo is left out."""
    if "/" not in name:
        return "lies in no label's folder"
    try:
        faces = mesh.find(read_picture(path))
    except ValueError as error:
        return str(error)
    if len(faces) != 1:
        return f"{len(faces)} faces" if faces else "no face found"
    return faces[0].blendshapes.cpu(), faces[0].pose.cpu()


def _done_before(out: Path, stamps: dict[str, str]) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, str], bool]:
    """Rows and rejected photos of an earlier run that are still there and as they were; and are these all?"""
    if not out.is_file():
        return {}, {}, False
    library, old = _load(out)
    same = {name for name, stamp in stamps.items() if old.get(name) == stamp}
    rows = zip(library.photos, zip(library.blendshapes, library.pose, strict=True), strict=True)
    return (
        {name: row for name, row in rows if name in same},
        {name: reason for name, reason in library.rejected.items() if name in same},
        old == stamps and out.with_suffix(".json").is_file(),
    )


def _save(out: Path, rows: dict[str, tuple[Tensor, Tensor]], rejected: dict[str, str], stamps: dict[str, str]) -> None:
    """Both files, each complete or not at all."""
    names = sorted(rows)
    tensors = {
        "blendshapes": torch.stack([rows[name][0] for name in names]) if names else torch.zeros(0, len(BLENDSHAPES)),
        "pose": torch.stack([rows[name][1] for name in names]) if names else torch.zeros(0, 3),
    }
    state = {
        "blendshapes": BLENDSHAPES,
        "photos": names,
        "rejected": rejected,
        "stamps": {name: stamps[name] for name in (*names, *rejected)},
    }
    write_tensors(out, tensors, {"format": FORMAT, "library": json.dumps(state)})
    labels: dict[str, int] = {}
    for name in names:
        label = name.partition("/")[0]
        labels[label] = labels.get(label, 0) + 1
    report = json.dumps({"labels": labels, "photos": names, "rejected": rejected}, indent=1)
    with written(out.with_suffix(".json")) as part:
        part.write_text(report, encoding="utf-8")


def _load(path: Path) -> tuple[UserLibrary, dict[str, str]]:
    """The library, and each photo's size and time of change when it was read."""
    if not path.is_file():
        raise FileNotFoundError(f"no library {path}; make it: python cli.py library build DIR --out {path.name}")
    tensors, metadata = read_tensors(path, "library", FORMATS, AGAIN, header=STATE)
    state = parse_json(metadata.get("library", ""), f"what {path.name} says of its photos", most=STATE)
    if not isinstance(state, dict) or state.get("blendshapes") != list(BLENDSHAPES):
        raise ValueError(f"{path.name} has other blendshapes than this pack reads; {AGAIN}")
    photos, rejected, stamps = (state.get(name) for name in ("photos", "rejected", "stamps"))
    blendshapes, pose = tensors["blendshapes"], tensors["pose"]
    if not is_names(photos, len(blendshapes)) or len(set(photos)) != len(blendshapes):
        raise ValueError(f"the readings in {path.name} are not those of the photos that it names; {AGAIN}")
    if not all(isinstance(texts, dict) and is_names(list(texts.values())) for texts in (rejected, stamps)):
        raise ValueError(f"{path.name} does not say which photos it left out, and when they were made; {AGAIN}")
    if len(photos) and not (blendshapes.min() >= 0 and blendshapes.max() <= 1 and pose.abs().max() <= 180):
        raise ValueError(f"got readings outside of 0 to 1, or poses beyond 180 degrees, in {path.name}; {AGAIN}")
    return UserLibrary(tuple(photos), blendshapes, pose, rejected), stamps
