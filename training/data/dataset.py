"""Prepared pictures as the denoiser sees them: latents, masks and codes, computed once and kept in one file.

A photo is its own answer: the face is taken out of it and wanted back (the paper's reconstruction). A rendered head has
a true answer: what is given is the same scene with another face, or another expression, in it (ours).
"""

from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...models.faces.mesh import BLENDSHAPES
from ...models.identity.recogniser import compound_code
from ...models.masks import face_mask, light_on_face, remove_face
from ...models.network.denoiser import shrink_mask
from ...models.network.precision import autocast
from .photos import person_of
from .prepare import Shards

CONTRADICTION = 0.04  # mean difference in a latent's 8x8 pixels, of [-1, 1], from which a scene and an answer disagree


@dataclass(frozen=True)
class Dataset:
    """M pictures; a mirrored one, or one with its colours changed, is a picture of its own."""

    latents: Tensor  # (M, C, h, w) raw latents of the answer, float16
    background: Tensor  # (M, C, h, w) raw latents of the crop that is given, without its face, float16
    mask: Tensor  # (M, 1, h, w) 1 = regenerate
    inside: Tensor  # (M, 1, h, w) 1 where most of the cell lies inside the photo
    identity: Tensor  # (M, D)
    blendshapes: Tensor  # (M, 51) as read
    pose: Tensor  # (M, 3) degrees, of the head that is given
    person: Tensor  # (M,) int64
    copy: Tensor  # (M,) bool: mirrored or changed in its colours; the same picture as it is stands elsewhere
    style: Tensor  # (M,) int64, index in config.STYLES
    agrees: Tensor  # (M, 1, h, w) 0 where answer and background contradict each other outside of the mask

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
    rendered_people: int = 1 << 32,
    mirror: bool = True,
    variations: int = 1,
    light: bool = False,
    seed: int = 0,
    batch: int = 64,
    device: torch.device | str = "cpu",
) -> Dataset:
    """Latents and codes of a prepared folder.

    The mask of each picture is dilated and lengthened at random, so that its outline tells nothing of the jaw. The tone
    of the light is changed at random: it tells where the light comes from, and leaves the skin to the identity.

    leave_out        people who take no part
    people           a number for each person, the same in all folders
    rendered_people  the number of the first rendered person
    mirror           take each picture mirrored as well
    variations       how often each picture is taken: from the second time on, the colours of all of it are changed too
    light            the background keeps the light on its face (config.keeps_light)
    device           where the networks are
    """
    shards = Shards(folder)
    rows = list(range(len(shards.names)))
    given = torch.arange(len(rows))
    if shards.rendered:
        given = backgrounds_of(shards.all("scene"), shards.all("owner"))
        rows = [row for row in rows if given[row] >= 0]
        person = rendered_people + shards.all("identity")
    else:
        rows = [row for row in rows if person_of(shards.names[row]) not in leave_out]
        person = torch.tensor([people.get(person_of(name), -1) for name in shards.names])
    order = mirror_order()
    parts = []
    for variation, mirrored in product(range(variations), (False, True)[: 1 + mirror]):
        for start in range(0, len(rows), batch):
            answers = rows[start : start + batch]
            scenes = given[answers].tolist()
            x, scene = (shards.rows("crop", chosen).float() / 127.5 - 1 for chosen in (answers, scenes))
            face = shards.rows("face", answers).float() / 127.5 - 1
            points, around = shards.rows("points", answers), shards.rows("points", scenes)
            inside = shards.rows("inside", answers).float()
            blendshapes, pose = shards.rows("blendshapes", answers), shards.rows("pose", scenes)
            size = x.shape[-1]
            if mirrored:
                x, scene, face, inside = x.flip(-1), scene.flip(-1), face.flip(-1), inside.flip(-1)
                points[..., 0], around[..., 0] = size - points[..., 0], size - around[..., 0]
                blendshapes, pose = blendshapes[:, order], pose * torch.tensor([-1.0, 1.0, -1.0])
            generator = torch.Generator().manual_seed(2 * ((seed + variation) * 1_000_003 + start) + mirrored)
            mask = random_masks(around, size, generator)
            if shards.rendered:
                mask = torch.maximum(mask, face_mask(points, size, 0.0, 0.0))  # the answer has to fit in
            if variation:  # side by side, so that both change alike
                x, scene = random_tones(torch.cat([x, scene], dim=-1), generator).chunk(2, dim=-1)
            fill = random_tones(light_on_face(scene, mask), generator) if light else 0.0
            with autocast(device):
                removed = remove_face(scene, mask, fill)
                both = autoencoder.encode(torch.cat([x, removed]).to(device)).latent_dist.mode()
            latents, background = both.half().cpu().chunk(2)
            apart = nn.functional.avg_pool2d((x - scene).abs().mean(1, keepdim=True), 8) > CONTRADICTION
            parts.append(
                Dataset(
                    latents=latents,
                    background=background,
                    mask=shrink_mask(mask),
                    inside=(nn.functional.avg_pool2d(inside, 8) > 0.5).float(),
                    identity=compound_code(recognisers, face.to(device)).cpu(),
                    blendshapes=blendshapes,
                    pose=pose,
                    person=person[answers],
                    copy=torch.full((len(answers),), mirrored or variation > 0),
                    style=torch.full((len(answers),), int(shards.rendered)),
                    agrees=1 - apart.float() * (1 - shrink_mask(mask)),
                )
            )
    return join(parts)


def random_masks(points: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """points (B, 478, 2) in crop pixels -> (B, 1, size, size), each face's mask of an extent of its own."""
    draws = torch.rand((len(points), 2), generator=generator).tolist()
    masks = [
        face_mask(p[None], size, 0.06 + 0.10 * a, 0.02 + 0.12 * b) for p, (a, b) in zip(points, draws, strict=True)
    ]
    return torch.cat(masks)


def random_tones(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """pictures (B, 3, H, W) in [-1, 1], each one's contrast, brightness and colour changed -> the same"""
    contrast, brightness = torch.randn((2, len(pictures), 1, 1, 1), generator=generator)
    colour = torch.randn((len(pictures), 3, 1, 1), generator=generator)
    return (pictures * (1 + 0.15 * contrast) + 0.12 * brightness + 0.04 * colour).clamp(-1, 1)


def backgrounds_of(scene: Tensor, owner: Tensor) -> Tensor:
    """For each rendered picture the row of the one that is its scene's background; -1 where that was left out.

    scene, owner  (N,) as rendering/render.py has them
    """
    rows = owner.nonzero().flatten()
    found = dict(zip(scene[rows].tolist(), rows.tolist(), strict=True))
    return torch.tensor([found.get(number, -1) for number in scene.tolist()])


def join(datasets: list[Dataset]) -> Dataset:
    """Several datasets as one; the same person's number must mean the same person in all of them."""
    return Dataset(**{f.name: torch.cat([getattr(d, f.name) for d in datasets]) for f in fields(Dataset)})
