"""Preparation of photos for training: face mesh, alignment and readings, in shards (shards.py), resumable."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.faces.mesh import FaceMesh
from ...models.frames import FRAMES, align, crop, five_points, inside, transform
from ...models.pictures import decode_picture
from ...models.pixels import to_bytes
from .photos import Photos
from .shards import Progress, Shards, frame_of, names_in, shard_paths, write_json, write_shard

SHARD = 512  # photos a shard
MARGIN = 0.5  # border added around a photo, as a share of its sides: the detector wants air around a face
STATE = "rejects.json"  # {"frame": its name, "rejects": {photo: why it was left out}}


def prepare(
    source: Path,
    out: Path,
    mesh: FaceMesh,
    frame: str = "mini-128",
    shard: int = SHARD,
) -> Iterator[Progress]:
    """Read every photo of a folder or .zip into shards of `shard` photos below `out`; yields after each photo.

    Photos are known by their names: run again, it reads what is not there yet, be that because it was stopped or
    because photos were added. `out/rejects.json` lists photos left out and why.

    raises  ValueError for a frame that is none, or another one than that of the photos in `out`
    """
    if frame not in FRAMES:
        raise ValueError(f'got frame "{frame}", want one of {", ".join(FRAMES)}')
    rejects, written = read_state(out, frame)
    photos, done = Photos(source), rejects.keys() | written
    if not len(photos):
        raise ValueError(f"got {source}, which holds no pictures; want one folder for each person, with photos in it")
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Tensor]] = []
    names: list[str] = []

    def write() -> None:
        if rows:
            numbers = [int(path.stem) for path in shard_paths(out)]
            write_shard(out / f"{max(numbers, default=-1) + 1:05d}.safetensors", rows, names)
            rows.clear()
            names.clear()
        write_json(out / STATE, {"frame": frame, "rejects": rejects})

    kept, todo = len(written), [name for name in photos.names if name not in done]
    for name in todo:
        row = read_photo(photos.read(name), name, mesh, frame)
        if isinstance(row, str):
            rejects[name] = row
        else:
            rows.append(row)
            names.append(name)
            kept += 1
        if len(rows) == shard or name == todo[-1]:
            write()
        yield Progress(kept + len(rejects), kept, len(rejects), len(done) + len(todo))


def read_state(out: Path, frame: str) -> tuple[dict[str, str], set[str]]:
    """What is done already: photos left out, by name, and why; names of those in shards."""
    path, shards = out / STATE, shard_paths(out)
    state = json.loads(path.read_text()) if path.is_file() else {}
    before = state.get("frame") or (frame_of([out]) if shards else frame)  # older folders do not say theirs
    if shards and Shards(out).rendered:
        raise ValueError(f"{out} holds rendered heads; choose another folder for photos")
    if before != frame:
        raise ValueError(f'{out} holds photos in the frame "{before}", got --frame {frame}; choose another folder')
    return state.get("rejects", {}), {name for path in shards for name in names_in(path)}


def read_photo(content: bytes, name: str, mesh: FaceMesh, frame: str) -> dict[str, Tensor] | str:
    """The row of a shard that a photo makes, or why it makes none."""
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
    points = faces[0].points[None, :, :2].cpu()
    target = FRAMES[frame]
    matrix, upright = align(five_points(points), target), align(five_points(points), FRAMES["arcface-112"])
    back = torch.tensor([[[1.0, 0, border], [0, 1, border]]])  # photo pixels to those of the photo with its border
    own = torch.cat([matrix[..., :2], matrix[..., :2] @ back[..., 2:] + matrix[..., 2:]], dim=-1)
    return {
        "crop": to_bytes(crop(wide, matrix, target.size)[0]),
        "inside": inside((height, width), own, target.size)[0].to(torch.uint8),
        "face": to_bytes(crop(wide, upright, FRAMES["arcface-112"].size)[0]),
        "points": transform(points, matrix)[0].float(),
        "blendshapes": faces[0].blendshapes.cpu(),
        "pose": faces[0].pose.cpu(),
    }


def with_border(x: Tensor) -> Tensor:
    """(1, 3, H, W) with its outermost pixels repeated on all sides: tight crops leave a face no room to be found in."""
    border = int(MARGIN * max(x.shape[-2:]))
    return F.pad(x, (border, border, border, border), mode="replicate")
