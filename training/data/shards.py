"""Prepared pictures on disk: shards, each a .safetensors of many pictures.

A shard of K photos holds `crop` (K, 3, S, S) uint8, `inside` (K, 1, S, S) uint8 (1 where the crop lies inside the
photo), `face` (K, 3, 112, 112) uint8 in the ArcFace frame, `points` (K, 478, 2) in crop pixels, `blendshapes`
(K, 51), `pose` (K, 3) in degrees; the names of the photos are in its metadata. Rendered heads have further tensors
(rendering/render.py), by which they are told apart.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...models.frames import FRAMES
from .photos import person_of
from .split import is_test_person


@dataclass(frozen=True)
class Progress:
    """How far the making of shards has got, earlier calls as well."""

    done: int  # pictures looked at
    kept: int
    rejected: int
    total: int


class Shards:
    """A prepared folder, of which only what is asked for is read."""

    def __init__(self, folder: Path):
        self.folder, self.paths = Path(folder), shard_paths(folder)
        if not self.paths:
            raise ValueError(
                f"{folder} holds no prepared photos; run `python cli.py prepare PHOTOS --out {folder}` first"
            )
        in_shards = [names_in(path) for path in self.paths]
        self.names = [name for names in in_shards for name in names]
        self.places = [
            (path, row) for path, names in zip(self.paths, in_shards, strict=True) for row in range(len(names))
        ]
        self.people = [person_of(name) for name in self.names]  # whose each picture is
        with safe_open(self.paths[0], framework="pt") as file:
            self.keys = tuple(file.keys())

    @property
    def rendered(self) -> bool:
        """Whether these are rendered heads, which say whose they are and in which scene."""
        return "scene" in self.keys

    @property
    def training_rows(self) -> list[int]:
        """Those of people who take part in training; of rendered heads, all."""
        return [row for row, person in enumerate(self.people) if self.rendered or not is_test_person(person)]

    def rows(self, key: str, rows: Sequence[int]) -> Tensor:
        """One of the tensors that the module's docstring lists, of the pictures wanted."""
        by_shard: dict[Path, list[int]] = {}
        for i, row in enumerate(rows):
            by_shard.setdefault(self.places[row][0], []).append(i)
        found: list[Tensor] = [torch.empty(0)] * len(rows)
        for path, wanted in by_shard.items():
            with safe_open(path, framework="pt") as file:
                tensor = file.get_slice(key)
                for i in wanted:
                    row = self.places[rows[i]][1]
                    found[i] = tensor[row : row + 1]
        return torch.cat(found)

    def all(self, key: str) -> Tensor:
        parts = []
        for path in self.paths:
            with safe_open(path, framework="pt") as file:
                parts.append(file.get_tensor(key))
        return torch.cat(parts)


def training_pictures(folders: Sequence[Path], key: str, limit: int | None = None) -> list[Tensor]:
    """One tensor of all pictures that take part in training, a folder each.

    limit: about so many of each folder, evenly spread
    """
    found = []
    for shards in map(Shards, folders):
        if rows := shards.training_rows:
            found.append(shards.rows(key, rows[:: max(1, len(rows) // limit)] if limit else rows))
    if not found:
        raise ValueError(f"got {', '.join(map(str, folders))}, where all are test people; want photos of other people")
    return found


def pictures_named(folders: Sequence[Path], names: Sequence[str], key: str) -> Tensor:
    """One of the tensors of the pictures that Dataset.names tells, in that order."""
    found = [Shards(folder) for folder in folders]
    rows = {full_name(place, name): (place, row) for place, shards in enumerate(found)
            for row, name in enumerate(shards.names)}  # fmt: skip
    wanted = [rows[name] for name in names]
    order = sorted(range(len(wanted)), key=lambda i: wanted[i][0])
    parts = [
        shards.rows(key, [wanted[i][1] for i in order if wanted[i][0] == place])
        for place, shards in enumerate(found)
        if any(each[0] == place for each in wanted)
    ]
    return torch.cat(parts)[torch.tensor(order).argsort()]


def full_name(place: int, name: str) -> str:
    """The name of a picture among those of several folders: the number of its folder, colon, its own name."""
    return f"{place}:{name}"


def frame_of(folders: Sequence[Path]) -> str:
    """The generation frame whose size the prepared crops have."""
    sizes = {Shards(folder).rows("crop", [0]).shape[-1] for folder in folders}
    names = [name for name, frame in FRAMES.items() if {frame.size} == sizes and not name.startswith("arcface")]
    if not names:
        raise ValueError(f"got prepared crops of {sorted(sizes)} pixels, want one size that a frame has; prepare anew")
    return names[0]


def shard_paths(folder: Path) -> list[Path]:
    return sorted(Path(folder).glob("*.safetensors"))


def names_in(shard: Path) -> list[str]:
    with safe_open(shard, framework="pt") as file:
        return json.loads(file.metadata()["names"])


def write_shard(path: Path, rows: Sequence[dict[str, Tensor]], names: Sequence[str]) -> None:
    """The shard is there as a whole or not at all."""
    tensors = {key: torch.stack([row[key] for row in rows]).contiguous() for key in rows[0]}
    temporary = path.with_suffix(".unfinished")  # of its own: several processes may write shards at once
    save_file(tensors, temporary, metadata={"names": json.dumps(list(names))})
    os.replace(temporary, path)


def write_json(path: Path, value: dict | list) -> None:
    """Likewise."""
    temporary = path.with_suffix(".unfinished")
    temporary.write_text(json.dumps(value, indent=1))
    os.replace(temporary, path)
