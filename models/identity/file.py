"""Identities as files: one .safetensors with the code, who read it and from how many photos in the metadata (ours).

Format 2 has the people's appearances, too: the photos of all rows one after the other, and how many are each row's. A
code tells a person from others, so a file without photos is as personal as the photos that it was made from.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from ..appearance.photos import MOST, PORTRAIT, Appearance
from ..codes import Identity
from ..files import is_names, parse_json, read_tensors, shown, write_tensors

FORMAT, WITH_PHOTOS = "diffsfsr-identity-1", "diffsfsr-identity-2"
CODE = {"code": ("float32", "n", "d")}
PHOTOS = {
    "pictures": ("uint8", "m", 3, PORTRAIT.size, PORTRAIT.size), "points": ("float32", "m", 478, 3),
    "blendshapes": ("float32", "m", 51),
}  # fmt: skip
FORMATS = {FORMAT: CODE, WITH_PHOTOS: CODE | PHOTOS}  # with what is in them
COUNTS = "photos_of_each"  # in the metadata: photos of the rows, a JSON list
AGAIN = "save the identity again"
MOST_NAMES, MOST_PHOTOS = 16, 100_000
FAR = 4 * PORTRAIT.size  # pixels beyond which no point of a face lies
UNIT = 0.01  # how exactly a recogniser's vector is one long


def save_identity(path: Path, identity: Identity) -> None:
    """Write an identity, with its photos if it has any; its folder must exist, a file that is there is replaced."""
    code = identity.code.float()
    check_unit(code, len(identity.recognisers), "the identity", "encode the photos again")
    metadata = {"format": FORMAT, "recognisers": json.dumps(identity.recognisers), "photos": str(identity.photos)}
    tensors = {"code": code}
    if identity.appearances:
        metadata |= {"format": WITH_PHOTOS, COUNTS: json.dumps([len(own.points) for own in identity.appearances])}
        for name in PHOTOS:
            tensors[name] = torch.cat([getattr(own, name) for own in identity.appearances])
    write_tensors(path, tensors, metadata)


def load_identity(path: Path) -> Identity:
    """Read an identity, bit for bit as it was written; ValueError for a file that is broken or of another kind."""
    tensors, metadata = read_tensors(path, "identity", FORMATS, AGAIN)
    name = Path(path).name
    try:
        recognisers, photos = parse_json(metadata["recognisers"], "the recognisers"), int(metadata["photos"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{name} does not say how it was made ({error}); {AGAIN}") from error
    if not is_names(recognisers, MOST_NAMES) or not recognisers:
        raise ValueError(f"{name} names no recognisers, or {MOST_NAMES} and more, want a list of names; {AGAIN}")
    if not 1 <= photos <= MOST_PHOTOS:
        raise ValueError(f"{name} was made from {photos} photos, it says, want 1 to {MOST_PHOTOS}; {AGAIN}")
    check_unit(tensors["code"], len(recognisers), name, AGAIN)
    appearances = _appearances(tensors, metadata, name) if metadata["format"] == WITH_PHOTOS else ()
    return Identity(tensors["code"], tuple(recognisers), photos, appearances)


def _appearances(tensors: dict[str, Tensor], metadata: dict[str, str], name: str) -> tuple[Appearance, ...]:
    rows, photos = len(tensors["code"]), len(tensors["points"])
    counts = parse_json(metadata.get(COUNTS, ""), f"the photos of each person in {name}", "a list of numbers")
    fits = isinstance(counts, list) and len(counts) == rows
    if not fits or not all(type(count) is int and 1 <= count <= MOST for count in counts) or sum(counts) != photos:
        raise ValueError(
            f"got {shown(counts)} as the photos of each person in {name}, want {rows} numbers from 1 to {MOST}, "
            f"{photos} in all; {AGAIN}"
        )
    blendshapes = tensors["blendshapes"]
    if tensors["points"].abs().max() > FAR or blendshapes.min() < -UNIT or blendshapes.max() > 1 + UNIT:
        raise ValueError(f"got points or blendshapes in {name} that no photo of a face has; {AGAIN}")
    parts = zip(*(tensors[key].split(counts) for key in PHOTOS), strict=True)
    return tuple(Appearance(*part) for part in parts)


def check_unit(code: Tensor, recognisers: int, place: str, again: str) -> None:
    """ValueError unless each row (n, D) may be unit vectors side by side, one for each recogniser."""
    if not code.numel():
        raise ValueError(f"got an empty identity code of shape {tuple(code.shape)} in {place}; {again}")
    lengths = code.double().norm(dim=-1) / recognisers**0.5
    if not ((lengths - 1).abs() < UNIT).all():
        raise ValueError(
            f"got vectors in {place} that are {lengths.min():.3g} to {lengths.max():.3g} times as long as they should "
            f"be, want unit vectors, one for each of {recognisers} recognisers; {again}"
        )
