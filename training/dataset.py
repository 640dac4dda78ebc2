"""Prepared photos as the denoiser sees them: latents, masks and codes, computed once and kept in one file."""

from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..models.blending import face_mask, remove_face
from ..models.denoiser import shrink_mask
from ..models.face_mesh import BLENDSHAPES
from ..models.recogniser import compound_code
from .photos import person_of
from .prepare import load_shards


@dataclass(frozen=True)
class Dataset:
    """M pictures; a mirrored photo is a picture of its own."""

    latents: Tensor  # (M, C, h, w) raw latents of the crop, float16
    background: Tensor  # (M, C, h, w) raw latents of the crop without its face, float16
    mask: Tensor  # (M, 1, h, w) 1 = regenerate
    inside: Tensor  # (M, 1, h, w) 1 where most of the cell lies inside the photo
    identity: Tensor  # (M, D)
    blendshapes: Tensor  # (M, 51) as read
    pose: Tensor  # (M, 3) degrees
    person: Tensor  # (M,) int64
    mirrored: Tensor  # (M,) bool

    def __len__(self) -> int:
        return len(self.person)

    def subset(self, rows: Tensor) -> "Dataset":
        return Dataset(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def save(self, path: Path) -> None:
        save_file({field.name: getattr(self, field.name).contiguous() for field in fields(self)}, path)

    @classmethod
    def load(cls, path: Path) -> "Dataset":
        return cls(**load_file(path))


def mirror_order() -> list[int]:
    """Where each blendshape's value comes from in a mirrored face."""
    swap = {"Left": "Right", "Right": "Left"}

    def other(name):
        for side, opposite in swap.items():
            if name.endswith(side):
                return name[: -len(side)] + opposite
        return name

    return [BLENDSHAPES.index(other(name)) for name in BLENDSHAPES]


@torch.inference_mode()
def encode_shards(
    folder: Path,
    autoencoder: nn.Module,
    recognisers: nn.ModuleDict,
    leave_out: set[str],
    people: dict[str, int],
    mirror: bool = True,
    seed: int = 0,
    batch: int = 64,
) -> Dataset:
    """Latents and codes of a prepared folder. leave_out: people who take no part;
    people: a number for each person, the same in all folders.

    The mask of each picture is dilated and lengthened at random, so that its outline tells nothing of the jaw.
    """
    names, data = load_shards(folder)
    rows = [i for i, name in enumerate(names) if person_of(name) not in leave_out]
    order = mirror_order()
    size = data["crop"].shape[-1]
    parts = []
    for start in range(0, len(rows), batch):
        chosen = rows[start : start + batch]
        generator = torch.Generator().manual_seed(seed * 1_000_003 + start)
        for mirrored in (False, True)[: 1 + mirror]:
            x = data["crop"][chosen].float() / 127.5 - 1
            face = data["face"][chosen].float() / 127.5 - 1
            points, inside = data["points"][chosen].clone(), data["inside"][chosen].float()
            blendshapes, pose = data["blendshapes"][chosen], data["pose"][chosen]
            if mirrored:
                x, face, inside = x.flip(-1), face.flip(-1), inside.flip(-1)
                points[..., 0] = size - points[..., 0]
                blendshapes, pose = blendshapes[:, order], pose * torch.tensor([-1.0, 1.0, -1.0])
            draws = torch.rand((len(chosen), 2), generator=generator).tolist()
            mask = torch.cat(
                [
                    face_mask(p[None], size, 0.06 + 0.10 * a, 0.02 + 0.12 * b)
                    for p, (a, b) in zip(points, draws, strict=True)
                ]
            )
            with torch.autocast("cpu", torch.bfloat16):
                both = autoencoder.encode(torch.cat([x, remove_face(x, mask)])).latent_dist.mode()
            latents, background = both.half().chunk(2)
            parts.append(
                Dataset(
                    latents=latents,
                    background=background,
                    mask=shrink_mask(mask),
                    inside=(nn.functional.avg_pool2d(inside, 8) > 0.5).float(),
                    identity=compound_code(recognisers, face),
                    blendshapes=blendshapes,
                    pose=pose,
                    person=torch.tensor([people[person_of(names[i])] for i in chosen]),
                    mirrored=torch.full((len(chosen),), mirrored),
                )
            )
    return Dataset(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Dataset)})


def join(datasets: list[Dataset]) -> Dataset:
    """Several datasets as one; the same person's number must mean the same person in all of them."""
    return Dataset(**{f.name: torch.cat([getattr(d, f.name) for d in datasets]) for f in fields(Dataset)})
