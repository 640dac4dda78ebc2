"""Identities as files: one .safetensors with the code, who read it and from how many photos in the metadata (ours).

A code tells a person from others, so such a file is as personal as the photos that it was made from.
"""

import json
from pathlib import Path

from ..code_file import load_code, save_code
from ..codes import Identity

FORMAT = "diffsfsr-identity-1"


def save_identity(path: Path, identity: Identity) -> None:
    """Write an identity; its folder must exist, a file that is there already is replaced."""
    metadata = {"format": FORMAT, "recognisers": json.dumps(identity.recognisers), "photos": str(identity.photos)}
    save_code(path, identity.code, metadata)


def load_identity(path: Path) -> Identity:
    """Read an identity, bit for bit as it was written; ValueError for a file that is broken or of another kind."""
    code, metadata = load_code(path, "identity", FORMAT)
    name = Path(path).name
    try:
        recognisers, photos = json.loads(metadata["recognisers"]), int(metadata["photos"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{name} does not say how it was made ({error}); save the identity again") from error
    if not isinstance(recognisers, list) or not recognisers or not all(isinstance(each, str) for each in recognisers):
        raise ValueError(f"{name} names the recognisers {recognisers!r}, want a list of names; save it again")
    return Identity(code, tuple(recognisers), photos)
