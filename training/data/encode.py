"""Prepared pictures to latents, masks and codes, once and for all steps of a training (Dataset).

A photo is its own answer: the face is taken out of it and wanted back (the paper's reconstruction). A rendered head has
a true answer: what is given is the same scene with another face, or another expression, in it (ours).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from ...models.faces.insightface_pack import PackRecogniser
from ...models.faces.mesh import BLENDSHAPES
from ...models.identity.recogniser import compound_code
from ...models.masks import face_mask, light_on_face, remove_face
from ...models.network.denoiser import shrink_mask, shrink_plane
from ...models.network.precision import autocast
from ...models.pixels import from_bytes
from ..progress import Meter
from .dataset import Dataset, join, made_from
from .elsewhere import random_tones
from .selfies import Selfies
from .shards import Shards, full_name, shard_paths
from .split import is_test_person, name_hash

CONTRADICTION = 0.04  # mean difference in a latent's 8x8 pixels, of [-1, 1], from which a scene and an answer disagree
OTHER_PHOTO = 0.5  # chance that a person is shown in another photo, where there is one
BATCH = 64  # pictures encoded at a time


@dataclass(frozen=True)
class Encoding:
    """The networks that encode, all on one device, and what is varied."""

    autoencoder: nn.Module
    recognisers: nn.ModuleDict
    light: bool  # the background keeps the light on its face (config.keeps_light)
    selfies: Selfies | None = None  # makes the planes of a photo of the person, where the network has them
    mirror: bool = True  # take each picture mirrored as well
    variations: int = 1  # how often each picture is taken: from the second time on, its colours are changed, too
    seed: int = 0
    bfloat16: bool | None = None  # compute in it; None: where the machine is fast in it

    @property
    def device(self) -> torch.device:
        return next(self.autoencoder.parameters(), torch.empty(0)).device


def encoded(folders: Sequence[Path], encoding: Encoding, cache: Path) -> Dataset:
    """The pictures of all who take part in training; from the cache, if it was made from the same in the same way."""
    wanted = fingerprint(folders, encoding)
    if cache.is_file():
        try:
            other = differences(made_from(cache), wanted)
        except ValueError as error:
            other = [str(error)]
        if not other:
            return Dataset.load(cache)
        print(f"{cache.name} is of no use here, the pictures are encoded anew: {', '.join(other)}", flush=True)
    parts = (part for place, folder in enumerate(folders) for part in encode_shards(folder, encoding, place))
    with Meter("pictures encoded") as meter:
        done = []
        for part in parts:
            done.append(part)
            meter.advance(len(part))
    if not done:
        raise ValueError(f"got {', '.join(map(str, folders))}, where all are test people; want photos of other people")
    data = join(done)
    data.save(cache, wanted)
    return data


def encode_shards(
    folder: Path, encoding: Encoding, place: int = 0, takes_part: Callable[[str], bool] | None = None
) -> Iterator[Dataset]:
    """Latents and codes of a prepared folder, some pictures at a time: all as they are, then mirrored, then again.

    The mask of each picture is dilated and lengthened at random, so that its outline tells nothing of the jaw. The tone
    of the light is changed at random: it tells where the light comes from, and leaves the skin to the identity.

    place       number of the folder: rendered people of two folders are never the same
    takes_part  whether a person in photos does; left out, all but the test people
    """
    shards = Shards(folder)
    if shards.rendered:
        given = backgrounds_of(shards.all("scene"), shards.all("owner"))
        rows = [row for row in range(len(given)) if given[row] >= 0]
    else:
        given = torch.arange(len(shards.names))
        takes_part = takes_part or (lambda person: not is_test_person(person))
        rows = [row for row, person in enumerate(shards.people) if takes_part(person)]
    own: dict[str, list[int]] = {}  # rows of each person
    for row in rows:
        own.setdefault(shards.people[row], []).append(row)
    own = {row: own[shards.people[row]] for row in rows}
    for variation, mirrored in product(range(encoding.variations), (False, True)[: 1 + encoding.mirror]):
        for start in range(0, len(rows), BATCH):
            answers = rows[start : start + BATCH]
            seed = 2 * ((encoding.seed + variation) * 1_000_003 + start) + mirrored
            generator = torch.Generator().manual_seed(seed)
            chance = 1.0 if shards.rendered else OTHER_PHOTO
            photos = photos_of(answers, own, generator, chance) if encoding.selfies else answers
            scenes = given[answers].tolist()
            yield encode(shards, answers, scenes, photos, encoding, place, variation, mirrored, generator)


@torch.inference_mode()
def encode(
    shards: Shards,
    answers: Sequence[int],
    scenes: Sequence[int],
    photos: Sequence[int],
    encoding: Encoding,
    place: int,
    variation: int,
    mirrored: bool,
    generator: torch.Generator,
) -> Dataset:
    """answers: rows of the shards; scenes: of the pictures given in their place; photos: of the people who are shown"""
    x, scene = (from_bytes(shards.rows("crop", rows)) for rows in (answers, scenes))
    face = from_bytes(shards.rows("face", answers))
    points, around = shards.rows("points", answers), shards.rows("points", scenes)
    inside = shards.rows("inside", answers).float()
    blendshapes, pose = shards.rows("blendshapes", answers), shards.rows("pose", scenes)
    size = x.shape[-1]
    if mirrored:
        x, scene, face, inside = x.flip(-1), scene.flip(-1), face.flip(-1), inside.flip(-1)
        points[..., 0], around[..., 0] = size - points[..., 0], size - around[..., 0]
        blendshapes, pose = blendshapes[:, mirror_order()], pose * torch.tensor([-1.0, 1.0, -1.0])
    mask = random_masks(around, size, generator)
    if shards.rendered:
        mask = torch.maximum(mask, face_mask(points, size, 0.0, 0.0))  # the answer has to fit in
    if variation:  # side by side, so that both change alike
        x, scene = random_tones(torch.cat([x, scene], dim=-1), generator).chunk(2, dim=-1)
    fill = random_tones(light_on_face(scene, mask), generator) if encoding.light else 0.0
    device = encoding.device
    with autocast(device, encoding.bfloat16):
        removed = remove_face(scene, mask, fill)
        pictures, trust = [x, removed], x[:, :0, ::8, ::8]
        if encoding.selfies is not None:
            others, read = (shards.rows(key, [*photos, *scenes]) for key in ("crop", "blendshapes"))
            others, read = (others.flip(-1), read[:, mirror_order()]) if mirrored else (others, read)
            itself = torch.tensor(photos) == torch.tensor(answers)
            others = torch.where(itself.view(-1, 1, 1, 1), x, from_bytes(others[: len(x)]))
            places = encoding.selfies.read(scene, read[len(x) :])
            faces = encoding.selfies.read(others, read[: len(x)], places)
            selfie, trust, edge = encoding.selfies.show(faces, itself, places, blendshapes, generator)
            pictures.append(torch.lerp(removed, selfie, edge))
            trust = shrink_plane("trust", trust)
        found = encoding.autoencoder.encode(torch.cat(pictures).to(device)).latent_dist.mode()
    latents, background, *selfie = found.half().cpu().split(len(x))
    apart = nn.functional.avg_pool2d((x - scene).abs().mean(1, keepdim=True), 8) > CONTRADICTION
    people = [shards.people[row] for row in answers]
    return Dataset(
        latents=latents,
        background=background,
        mask=shrink_mask(mask),
        selfie=selfie[0] if selfie else latents[:, :0],
        trust=trust.half(),
        inside=(nn.functional.avg_pool2d(inside, 8) > 0.5).float(),
        identity=compound_code(encoding.recognisers, face.to(device)).cpu(),
        blendshapes=blendshapes,
        pose=pose,
        person=torch.tensor([number_of(full_name(place, who) if shards.rendered else who) for who in people]),
        copy=torch.full((len(answers),), mirrored or variation > 0),
        style=torch.full((len(answers),), int(shards.rendered)),
        agrees=1 - apart.float() * (1 - shrink_mask(mask)),
        names=tuple(full_name(place, shards.names[row]) for row in answers),
    )


def photos_of(
    answers: Sequence[int], own: dict[int, list[int]], generator: torch.Generator, chance: float
) -> list[int]:
    """For each row another one of its person, where there is one, as often as `chance` says; else itself."""
    draws = torch.rand((len(answers), 2), generator=generator).tolist()
    found = []
    for row, (other, which) in zip(answers, draws, strict=True):
        others = [each for each in own[row] if each != row]
        found.append(others[int(which * len(others))] if others and other < chance else row)
    return found


def number_of(person: str) -> int:
    """The same for all photos of a person, in whatever folder: 63 bits of the hash of the name."""
    return int(name_hash(person), 16) >> 1


def fingerprint(folders: Sequence[Path], encoding: Encoding) -> dict[str, str]:
    """What the encoded pictures are made of: options, and hashes of shards and networks."""
    found = {name: str(getattr(encoding, name)) for name in ("light", "mirror", "variations", "seed")}
    found["selfies"] = str(encoding.selfies is not None)
    for place, folder in enumerate(folders):
        Shards(folder)  # raises where there are none
        found[f"shards of folder {place}"] = hash_of(path.read_bytes() for path in shard_paths(folder))
    found["autoencoder"] = weights_hash(encoding.autoencoder)
    return found | {f"recogniser {name}": weights_hash(each) for name, each in encoding.recognisers.items()}


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """In words: hashes are not shown."""
    short = {key: tuple(value if len(value or "") < 16 else "another" for value in (before.get(key), now.get(key)))
             for key in sorted(before | now) if before.get(key) != now.get(key)}  # fmt: skip
    return [f"{key} ({old or 'none'} before, {new or 'none'} now)" for key, (old, new) in short.items()]


def weights_hash(network: nn.Module) -> str:
    if isinstance(network, PackRecogniser):  # its weights are in a file of their own
        return hash_of([Path(network.model.model_file).read_bytes()])
    parts = ((name.encode(), value.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
             for name, value in network.state_dict().items())  # fmt: skip
    return hash_of(each for part in parts for each in part)


def hash_of(parts: Iterator[bytes] | Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def mirror_order() -> list[int]:
    """Where each blendshape's value comes from in a mirrored face."""
    swap = {"Left": "Right", "Right": "Left"}

    def other(name):
        for side, opposite in swap.items():
            if name.endswith(side):
                return name[: -len(side)] + opposite
        return name

    return [BLENDSHAPES.index(other(name)) for name in BLENDSHAPES]


def random_masks(points: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """points (B, 478, 2) in crop pixels -> (B, 1, size, size), each face's mask of an extent of its own."""
    draws = torch.rand((len(points), 2), generator=generator).tolist()
    masks = [
        face_mask(p[None], size, 0.06 + 0.10 * a, 0.02 + 0.12 * b) for p, (a, b) in zip(points, draws, strict=True)
    ]
    return torch.cat(masks)


def backgrounds_of(scene: Tensor, owner: Tensor) -> Tensor:
    """For each rendered picture the row of the one that is its scene's background; -1 where that was left out.

    scene, owner  (N,) as rendering/render.py has them
    """
    rows = owner.nonzero().flatten()
    found = dict(zip(scene[rows].tolist(), rows.tolist(), strict=True))
    return torch.tensor([found.get(number, -1) for number in scene.tolist()])
