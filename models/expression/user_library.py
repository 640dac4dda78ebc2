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
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..codes import Expression
from ..faces.mesh import BLENDSHAPES, FaceMesh
from ..pictures import read_picture
from .labels import nearest

FORMAT = "diffsfsr-library-1"
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
    if not out.parent.is_dir():
        raise FileNotFoundError(f"no folder {out.parent} to write {out.name} into; make it first")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    photos = {path.relative_to(folder).as_posix(): path for path in files}
    if not any("/" in name for name in photos):
        raise ValueError(f"got {folder}, which holds no label/photo.jpg; want a folder for each label, photos in it")
    stamps = {name: f"{path.stat().st_size} {path.stat().st_mtime_ns}" for name, path in photos.items()}
    rows, rejected = _done_before(out, stamps)
    todo = [name for name in photos if name not in rows and name not in rejected]
    for number, name in enumerate(todo, 1):
        read = _read(name, photos[name], mesh)
        if isinstance(read, str):
            rejected[name] = read
        else:
            rows[name] = read
        if number % every == 0 and number < len(todo):
            _save(out, rows, rejected, stamps)
            yield Progress(len(rows) + len(rejected), len(photos), len(rows), rejected)
    _save(out, rows, rejected, stamps)
    yield Progress(len(photos), len(photos), len(rows), rejected)


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


def _done_before(out: Path, stamps: dict[str, str]) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, str]]:
    """Rows and rejected photos of an earlier run that are still there and as they were."""
    if not out.is_file():
        return {}, {}
    library, old = _load(out)
    same = {name for name, stamp in stamps.items() if old.get(name) == stamp}
    rows = zip(library.photos, zip(library.blendshapes, library.pose, strict=True), strict=True)
    return (
        {name: row for name, row in rows if name in same},
        {name: reason for name, reason in library.rejected.items() if name in same},
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
    part = out.with_suffix(".part")
    save_file(tensors, part, metadata={"format": FORMAT, "library": json.dumps(state)})
    os.replace(part, out)
    labels: dict[str, int] = {}
    for name in names:
        label = name.partition("/")[0]
        labels[label] = labels.get(label, 0) + 1
    part.write_text(json.dumps({"labels": labels, "photos": names, "rejected": rejected}, indent=1), encoding="utf-8")
    os.replace(part, out.with_suffix(".json"))


def _load(path: Path) -> tuple[UserLibrary, dict[str, str]]:
    """The library, and each photo's size and time of change when it was read."""
    if not path.is_file():
        raise FileNotFoundError(f"no library {path}; make it: python cli.py library build DIR --out {path.name}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if metadata.get("format") != FORMAT:
            raise ValueError(f'its format is "{metadata.get("format")}", want "{FORMAT}"')
        state = json.loads(metadata["library"])
        if tuple(state["blendshapes"]) != BLENDSHAPES:
            raise ValueError("it has other blendshapes than this pack reads")
        photos, count = tuple(state["photos"]), len(state["photos"])
        if tensors["blendshapes"].shape != (count, len(BLENDSHAPES)) or tensors["pose"].shape != (count, 3):
            raise ValueError(f"its readings are not of {count} photos")
        library = UserLibrary(photos, tensors["blendshapes"], tensors["pose"], dict(state["rejected"]))
        return library, dict(state["stamps"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"cannot use {path.name} as a library: {error}. Build it again into a new file") from error
