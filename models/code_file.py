"""A code in a file of its own: one .safetensors with a float32 tensor, and in the metadata what it is (ours)."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

KEY = "code"


def save_code(path: Path, code: Tensor, metadata: dict[str, str]) -> None:
    """Write a code; its folder must exist, a file that is there already is replaced. metadata: with the "format"."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path.name} into; make it first")
    save_file({KEY: code.detach().cpu().float().contiguous()}, path, metadata=metadata)


def load_code(path: Path, what: str, format: str) -> tuple[Tensor, dict[str, str]]:
    """The code, bit for bit as it was written, and the metadata.

    what    "identity" or "expression", for the words of a ValueError where the file is broken or of another kind
    format  what the metadata have to name
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no {what} file {path}; check the path")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"cannot read the {what} {path.name}: {error}. Save it again") from error
    if metadata.get("format") != format:
        raise ValueError(
            f'{path.name} is no {what} of this pack (format "{metadata.get("format")}", want "{format}"); choose a '
            f"file that was saved as an {what}, or update the pack"
        )
    if set(tensors) != {KEY} or tensors[KEY].dtype != torch.float32:
        found = {key: str(tensor.dtype) for key, tensor in sorted(tensors.items())}
        raise ValueError(f'{path.name} holds {found}, want one float32 tensor "{KEY}"; save the {what} again')
    return tensors[KEY], metadata
