"""Identities as files: one .safetensors with the code, who read it and from how many photos in the metadata (ours).

A code tells a person from others, so such a file is as personal as the photos that it was made from.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .codes import Identity

FORMAT = "diffsfsr-identity-1"
KEY = "code"


def save_identity(path: Path, identity: Identity) -> None:
    """Write an identity; its folder must exist, a file that is there already is replaced."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path.name} into; make it first")
    metadata = {
        "format": FORMAT,
        "recognisers": json.dumps(identity.recognisers),
        "photos": str(identity.photos),
    }
    save_file({KEY: identity.code.detach().cpu().float().contiguous()}, path, metadata=metadata)


def load_identity(path: Path) -> Identity:
    """Read an identity, bit for bit as it was written; ValueError for a file that is broken or of another kind."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no identity file {path}; check the path")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"cannot read the identity {path.name}: {error}. Save it again") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f'{path.name} is no identity of this pack (format "{metadata.get("format")}", want "{FORMAT}"); choose a '
            "file that Save Identity wrote, or update the pack"
        )
    if set(tensors) != {KEY} or tensors[KEY].dtype != torch.float32:
        found = {key: str(tensor.dtype) for key, tensor in sorted(tensors.items())}
        raise ValueError(f'{path.name} holds {found}, want one float32 tensor "{KEY}"; save the identity again')
    try:
        recognisers, photos = json.loads(metadata["recognisers"]), int(metadata["photos"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path.name} does not say how it was made ({error}); save the identity again") from error
    if not isinstance(recognisers, list) or not recognisers or not all(isinstance(name, str) for name in recognisers):
        raise ValueError(f"{path.name} names the recognisers {recognisers!r}, want a list of names; save it again")
    return Identity(tensors[KEY], tuple(recognisers), photos)
