"""Identities as files: one .safetensors with the code, who read it and from how many photos in the metadata (ours).

A code tells a person from others, so such a file is as personal as the photos that it was made from.
"""

import json
from pathlib import Path

from torch import Tensor

from ..codes import Identity
from ..files import is_names, parse_json, read_tensors, write_tensors

FORMAT = "diffsfsr-identity-1"
CODE = ("float32", "n", "d")
FORMATS = {FORMAT: {"code": CODE}}  # all that are read, with what is in them; the last one is written
AGAIN = "save the identity again"
MOST_NAMES, MOST_PHOTOS = 16, 100_000
UNIT = 0.01  # how exactly a recogniser's vector is one long


def save_identity(path: Path, identity: Identity) -> None:
    """Write an identity; its folder must exist, a file that is there already is replaced."""
    code = identity.code.float()
    check_unit(code, len(identity.recognisers), "the identity", "encode the photos again")
    metadata = {"format": FORMAT, "recognisers": json.dumps(identity.recognisers), "photos": str(identity.photos)}
    write_tensors(path, {"code": code}, metadata)


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
    return Identity(tensors["code"], tuple(recognisers), photos)


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
