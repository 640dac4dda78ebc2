"""Preparation of photos for training: face mesh, alignment and readings, in shards, resumable.

A shard holds K photos: `crop` (K, 3, S, S) uint8, `inside` (K, 1, S, S) uint8 (1 where the crop lies inside the
photo), `face` (K, 3, 112, 112) uint8 in the ArcFace frame, `points` (K, 478, 2) in crop pixels, `blendshapes`
(K, 51), `pose` (K, 3) in degrees; the names of the photos are in its metadata.
"""

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...models.faces.mesh import FaceMesh
from ...models.frames import FRAMES, align, crop, five_points, inside, transform
from ...models.pictures import decode_picture
from .photos import read_photos

SHARD = 512  # photos a shard
MARGIN = 0.5  # border added around a photo, as a share of its sides: the detector wants air around a face


@dataclass(frozen=True)
class Progress:
    done: int  # photos looked at
    kept: int
    rejected: int


def prepare(source: Path, out: Path, mesh: FaceMesh, frame: str = "mini-128", shard: int = SHARD) -> Iterator[Progress]:
    """Read every photo of a folder or .zip into shards of `shard` photos below `out`; yields after each shard.

    Run again with the same arguments, it goes on where it stopped. `out/rejects.json` lists photos left out and why.
    """
    if frame not in FRAMES:
        raise ValueError(f'got frame "{frame}", want one of {", ".join(FRAMES)}')
    out.mkdir(parents=True, exist_ok=True)
    done, rejects = _position(out)
    kept = done - len(rejects)
    rows: list[dict[str, Tensor]] = []
    names: list[str] = []
    count = 0

    def write() -> Progress:
        if rows:
            write_shard(out / f"{math.ceil(kept / shard):05d}.safetensors", rows, names)
        _write_position(out, count, rejects)
        return Progress(count, kept + len(rows), len(rejects))

    for count, (name, content) in enumerate(read_photos(source), 1):
        if count <= done:
            continue
        row = _read(content, name, mesh, frame)
        if isinstance(row, str):
            rejects[name] = row
        else:
            rows.append(row)
            names.append(name)
        if len(rows) == shard:
            yield write()
            kept, rows, names = kept + shard, [], []
    if not count:
        raise ValueError(f"got {source}, which holds no pictures; want one folder for each person, with photos in it")
    if count > done:
        yield write()


def names_in(shard: Path) -> list[str]:
    with safe_open(shard, framework="pt") as file:
        return json.loads(file.metadata()["names"])


class Shards:
    """A prepared folder, of which only what is asked for is read."""

    def __init__(self, folder: Path):
        self.paths = sorted(Path(folder).glob("*.safetensors"))
        if not self.paths:
            raise ValueError(
                f"{folder} holds no prepared photos; run `python cli.py prepare PHOTOS --out {folder}` first"
            )
        in_shards = [names_in(path) for path in self.paths]
        self.names = [name for names in in_shards for name in names]
        self.places = [
            (path, row) for path, names in zip(self.paths, in_shards, strict=True) for row in range(len(names))
        ]
        with safe_open(self.paths[0], framework="pt") as file:
            self.keys = tuple(file.keys())

    @property
    def rendered(self) -> bool:
        """Whether these are rendered heads, which say whose they are and in which scene."""
        return "scene" in self.keys

    def rows(self, key: str, rows: Sequence[int]) -> Tensor:
        """One of the tensors that the module's docstring lists, of the photos wanted."""
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


def load_shards(folder: Path) -> tuple[list[str], dict[str, Tensor]]:
    """All shards of a prepared folder, joined: names, and the tensors that the module's docstring lists."""
    shards = Shards(folder)
    return shards.names, {key: shards.all(key) for key in shards.keys}


def _read(content: bytes, name: str, mesh: FaceMesh, frame: str) -> dict[str, Tensor] | str:
    try:
        x = decode_picture(content, name)[None]
    except ValueError as error:
        return str(error)
    height, width = x.shape[-2:]
    wide = with_border(x)
    border = (wide.shape[-1] - width) // 2
    faces = mesh.find(wide, limit=3)
    if not faces:
        return "no face"
    points = faces[0].points[None, :, :2]
    target = FRAMES[frame]
    matrix, upright = align(five_points(points), target), align(five_points(points), FRAMES["arcface-112"])
    back = torch.tensor([[[1.0, 0, border], [0, 1, border]]])  # photo pixels to those of the photo with its border
    own = torch.cat([matrix[..., :2], matrix[..., :2] @ back[..., 2:] + matrix[..., 2:]], dim=-1)
    return {
        "crop": _bytes(crop(wide, matrix, target.size)),
        "inside": inside((height, width), own, target.size)[0].to(torch.uint8),
        "face": _bytes(crop(wide, upright, FRAMES["arcface-112"].size)),
        "points": transform(points, matrix)[0].float(),
        "blendshapes": faces[0].blendshapes,
        "pose": faces[0].pose,
    }


def with_border(x: Tensor) -> Tensor:
    """(1, 3, H, W) with its outermost pixels repeated on all sides: tight crops leave a face no room to be found in."""
    border = int(MARGIN * max(x.shape[-2:]))
    return F.pad(x, (border, border, border, border), mode="replicate")


def _bytes(x: Tensor) -> Tensor:
    return ((x[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def _position(out: Path) -> tuple[int, dict[str, str]]:
    path = out / "rejects.json"
    if not path.is_file():
        return 0, {}
    state = json.loads(path.read_text())
    return state["photos"], state["rejects"]


def write_shard(path: Path, rows: list[dict[str, Tensor]], names: list[str]) -> None:
    tensors = {key: torch.stack([row[key] for row in rows]).contiguous() for key in rows[0]}
    temporary = path.with_suffix(".unfinished")  # of its own: several processes may write shards at once
    save_file(tensors, temporary, metadata={"names": json.dumps(names)})
    os.replace(temporary, path)


def _write_position(out: Path, count: int, rejects: dict[str, str]) -> None:
    temporary = out / "unfinished"
    temporary.write_text(json.dumps({"photos": count, "rejects": rejects}, indent=1))
    os.replace(temporary, out / "rejects.json")
