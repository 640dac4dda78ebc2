"""Prepared pictures as the denoiser sees them: latents, masks and codes, computed once (encode.py), kept in a file."""

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

FORMAT = "diffsfsr-dataset-3"


@dataclass(frozen=True)
class Dataset:
    """M pictures; a mirrored one, or one with its colours changed, is a picture of its own."""

    latents: Tensor  # (M, C, h, w) raw latents of the answer, float16
    background: Tensor  # (M, C, h, w) raw latents of the crop that is given, without its face, float16
    mask: Tensor  # (M, 1, h, w) 1 = regenerate
    selfie: Tensor  # (M, C, h, w) raw latents of a photo of the person on the answer's mesh, float16; or no channels
    trust: Tensor  # (M, 1, h, w) in that, 0..1, float16; or no channels
    inside: Tensor  # (M, 1, h, w) 1 where most of the cell lies inside the photo
    identity: Tensor  # (M, D)
    blendshapes: Tensor  # (M, 51) as read
    pose: Tensor  # (M, 3) degrees, of the head that is given
    person: Tensor  # (M,) int64, the same for all pictures of a person
    copy: Tensor  # (M,) bool: mirrored or changed in its colours; the same picture as it is stands elsewhere
    style: Tensor  # (M,) int64, index in config.STYLES
    agrees: Tensor  # (M, 1, h, w) 0 where answer and background contradict each other outside of the mask
    names: tuple[str, ...]  # (M,) of the prepared pictures: number of the folder, colon, name

    def __len__(self) -> int:
        return len(self.person)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "names"}

    def subset(self, rows: Tensor) -> "Dataset":
        return Dataset(
            **{key: value[rows] for key, value in self.tensors.items()},
            names=tuple(self.names[row] for row in rows.tolist()),
        )

    def save(self, path: Path, made_from: dict | None = None) -> None:
        """The file is there as a whole or not at all. made_from: what encode.fingerprint() gave"""
        told = {"format": FORMAT, "made_from": made_from or {}, "names": self.names}
        temporary = path.with_suffix(".unfinished")
        save_file(
            {key: value.contiguous() for key, value in self.tensors.items()},
            temporary,
            metadata={key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()},
        )
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path) -> "Dataset":
        """Raises ValueError for a file of another version of this pack, or a broken one."""
        made_from(path)
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return cls(**tensors, names=tuple(json.loads(file.metadata()["names"])))


def made_from(path: Path) -> dict:
    """What Dataset.save() was told of where the pictures come from; raises as Dataset.load() does."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}; delete it, and the pictures are encoded anew") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f'{path} was made by another version of this pack (format "{metadata.get("format")}", want "{FORMAT}"); '
            "delete it, and the pictures are encoded anew"
        )
    return json.loads(metadata["made_from"])


def join(datasets: list[Dataset]) -> Dataset:
    """Several datasets as one."""
    tensors = [each.tensors for each in datasets]
    return Dataset(
        **{key: torch.cat([each[key] for each in tensors]) for key in tensors[0]},
        names=tuple(name for each in datasets for name in each.names),
    )
