"""Weight files: one .safetensors with all networks of a checkpoint, its config as JSON in the metadata.

Keys: `unet.*` and `vae.*` by diffusers' names, `conditioner.*` by ours. Loading is strict.
"""

import json
import os
import struct
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .config import Config

FORMAT = "diffsfsr-1"
ASSETS = Path(__file__).resolve().parents[2] / "assets"
PARTS = ("unet", "vae", "conditioner")


def save_checkpoint(path: Path, config: Config, parts: dict[str, nn.Module], step: int, dtype=torch.float16) -> None:
    """Write the networks `unet`, `vae`, `conditioner` to one file. step: pictures seen in training."""
    if set(parts) != set(PARTS):
        raise ValueError(f"got the parts {sorted(parts)}, want {sorted(PARTS)}")
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    tensors = {key: value.to(dtype).contiguous() for key, value in tensors.items()}
    metadata = {"format": FORMAT, "config": json.dumps(config.to_dict()), "step": str(step)}
    temporary = Path(path).with_suffix(".unfinished")
    save_file(tensors, temporary, metadata=metadata)
    os.replace(temporary, path)


def read_config(path: Path) -> Config:
    """The config alone; cheap."""
    with _open(path) as file:
        return _config(path, file)


def read_checkpoint(
    path: Path, parts: tuple[str, ...] = PARTS, dtype: torch.dtype | None = torch.float32
) -> tuple[Config, dict[str, dict[str, Tensor]]]:
    """Config and the weights of the parts wanted, each keyed without its prefix.

    dtype   of the weights; None: as the file has them, for those who widen them one by one (fill), or not at all
    raises  ValueError for a file that is broken or is not a DiffSFSR checkpoint
    """
    with _open(path) as file:
        config = _config(path, file)
        weights: dict[str, dict[str, Tensor]] = {part: {} for part in parts}
        for key in file.keys():  # noqa: SIM118
            part, _, rest = key.partition(".")
            if part not in PARTS:
                raise ValueError(f'{Path(path).name} has the unknown key "{key}"; get the file again')
            if part in weights:
                weights[part][rest] = file.get_tensor(key).to(dtype)
    return config, weights


def fill(module: nn.Module, weights: dict[str, Tensor], what: str) -> nn.Module:
    """Load weights strictly, into the module's own dtype; returns it in evaluation mode, without gradients."""
    own = module.state_dict()
    missing, unexpected = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    misshapen = sorted(k for k in own.keys() & weights.keys() if own[k].shape != weights[k].shape)
    if missing or unexpected or misshapen:
        raise ValueError(
            f"the weights of the {what} do not fit its config: {len(missing)} missing {missing[:3]}, "
            f"{len(unexpected)} unexpected {unexpected[:3]}, {len(misshapen)} of another shape {misshapen[:3]}; "
            "get the file again"
        )
    module.load_state_dict(weights)
    return module.eval().requires_grad_(False)


def resolve_checkpoint(name: str | Path) -> Path:
    """A path as it is; a bare name such as "mini" means the bundled file."""
    path = Path(name)
    bundled = ASSETS / f"{path.name}.safetensors"
    if not path.is_file() and path.parent == Path(".") and bundled.is_file():
        return bundled
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint "{name}"; give the path of a .safetensors file, or "mini" (bundled)')
    return path


def _open(path: Path):
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError, struct.error) as error:
        raise ValueError(
            f"cannot read the checkpoint {Path(path).name}: {error}. "
            "It is incomplete or no .safetensors file; get it again"
        ) from error


def _config(path: Path, file) -> Config:
    metadata = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f'{Path(path).name} is not a DiffSFSR checkpoint (format "{metadata.get("format")}", want "{FORMAT}"); '
            'choose a file made by this pack, such as "mini.safetensors"'
        )
    try:
        values = json.loads(metadata.get("config", ""))
    except ValueError as error:
        raise ValueError(f"cannot read the config in {Path(path).name}: {error}. Get the file again") from error
    return Config.from_dict(values)
