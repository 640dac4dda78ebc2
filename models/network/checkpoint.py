"""Weight files: one .safetensors with all networks of a checkpoint, its config as JSON in the metadata.

Keys: `unet.*` and `vae.*` by diffusers' names, `conditioner.*` by ours. Loading is strict.
"""

import json
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from ..files import check_numbers, opened, parse_json, write_tensors
from .config import Config

FORMAT = "diffsfsr-1"
ASSETS = Path(__file__).resolve().parents[2] / "assets"
PARTS = ("unet", "vae", "conditioner")
AGAIN = "it is incomplete, broken or no checkpoint: get it again"


def save_checkpoint(path: Path, config: Config, parts: dict[str, nn.Module], step: int, dtype=torch.float16) -> None:
    """Write the networks `unet`, `vae`, `conditioner` to one file. step: pictures seen in training."""
    if set(parts) != set(PARTS):
        raise ValueError(f"got the parts {sorted(parts)}, want {sorted(PARTS)}")
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    tensors = {key: value.to(dtype).contiguous() for key, value in tensors.items()}
    metadata = {"format": FORMAT, "config": json.dumps(config.to_dict()), "step": str(step)}
    write_tensors(path, tensors, metadata)


def read_config(path: Path) -> Config:
    """The config alone; cheap."""
    with opened(path, "checkpoint", {FORMAT}, AGAIN) as (file, metadata):
        return _config(path, file, metadata)


def read_checkpoint(
    path: Path, parts: tuple[str, ...] = PARTS, dtype: torch.dtype | None = torch.float32
) -> tuple[Config, dict[str, dict[str, Tensor]]]:
    """Config and the weights of the parts wanted, each keyed without its prefix.

    dtype   of the weights; None: as the file has them, for those who widen them one by one (fill), or not at all
    raises  ValueError for a file that is broken or is not a DiffSFSR checkpoint
    """
    with opened(path, "checkpoint", {FORMAT}, AGAIN) as (file, metadata):
        config = _config(path, file, metadata)
        weights: dict[str, dict[str, Tensor]] = {part: {} for part in parts}
        for key in file.keys():  # noqa: SIM118
            part, _, rest = key.partition(".")
            if part not in PARTS:
                raise ValueError(f'{Path(path).name} has the unknown key "{key}"; get the file again')
            if part in weights:
                weights[part][rest] = file.get_tensor(key).to(dtype)
                check_numbers(weights[part][rest], f'"{key}" of {Path(path).name}', AGAIN)
    return config, weights


def fill(module: nn.Module, weights: dict[str, Tensor], what: str) -> nn.Module:
    """Load weights strictly, into the module's own dtype; returns it in evaluation mode, without gradients.

    A module that was built on the device "meta", without weights of its own, takes these, which saves drawing and
    copying them.
    """
    own = module.state_dict()
    missing, unexpected = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    misshapen = sorted(k for k in own.keys() & weights.keys() if own[k].shape != weights[k].shape)
    if missing or unexpected or misshapen:
        raise ValueError(
            f"the weights of the {what} do not fit its config: {len(missing)} missing {missing[:3]}, "
            f"{len(unexpected)} unexpected {unexpected[:3]}, {len(misshapen)} of another shape {misshapen[:3]}; "
            "get the file again"
        )
    if any(tensor.is_meta for tensor in own.values()):
        module.load_state_dict({key: value.to(own[key].dtype) for key, value in weights.items()}, assign=True)
    else:
        module.load_state_dict(weights)
    return module.eval().requires_grad_(False)


def resolve_checkpoint(name: str | Path) -> Path:
    """A path as it is; a bare name such as "mini" means the bundled file."""
    path = Path(name)
    bundled = ASSETS / f"{path.name}.safetensors"
    if not os.path.isfile(path) and path.parent == Path(".") and os.path.isfile(bundled):
        return bundled
    if not os.path.isfile(path):
        raise FileNotFoundError(f'no checkpoint "{name}"; give the path of a .safetensors file, or "mini" (bundled)')
    return path


def _config(path: Path, file, metadata: dict[str, str]) -> Config:
    """The config of an open checkpoint, with a look at the weights: networks of another size are not even built."""
    values = parse_json(metadata.get("config", ""), f"the config in {Path(path).name}")
    if not isinstance(values, dict):
        raise ValueError(f"got {type(values).__name__} as the config in {Path(path).name}, want an object; {AGAIN}")
    config, keys = Config.from_dict(values), set(file.keys())
    wanted = {  # the first lengths of these weights
        "conditioner.no_pose": [1, config.context],
        "conditioner.no_identity": [config.identity_tokens, config.context],
        "conditioner.no_expression": [config.expression_tokens, config.context],
    }
    for name, widths, layers in (
        ("unet", config.widths, config.layers),
        ("vae.encoder", config.autoencoder_widths, config.autoencoder_layers),
    ):
        block = f"resnets.{layers - 1}.conv2.weight"
        wanted |= {f"{name}.down_blocks.{i}.{block}": [width] for i, width in enumerate(widths)}
    for key, lengths in wanted.items():
        found = file.get_slice(key).get_shape() if key in keys else []
        if found[: len(lengths)] != lengths:
            raise ValueError(
                f'the weights of {Path(path).name} do not fit its config: got "{key}" of shape {tuple(found)}, want '
                f"{tuple(lengths)}; get the file again"
            )
    return config
