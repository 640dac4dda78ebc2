"""A Stable Diffusion 1.5 checkpoint as ComfyUI's users have it, one .safetensors, as the start of a `sd15` (ours).

Keys are renamed by diffusers' own conversion; its config is read off the weights, so that no hub is asked.
"""

from dataclasses import replace
from pathlib import Path

from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...models.network.config import Config, sd15
from ...models.network.denoiser import widen

UNET, VAE = "model.diffusion_model.", "first_stage_model."
FIRST = f"{UNET}input_blocks.0.0.weight"  # (320, 4 or 9, 3, 3)

Weights = dict[str, Tensor]


def began_as_stable_diffusion(config: Config) -> bool:
    """Whether a network of ours did: such a one predicts noise, as Stable Diffusion 1.5 does; all others predict v."""
    return config.prediction == "epsilon"


def is_stable_diffusion(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return FIRST in file.keys()  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}; want a .safetensors file (convert a .ckpt first)") from error


def read_stable_diffusion(path: Path, **changes) -> tuple[Config, Weights, Weights]:
    """Config, and the float32 weights of UNet and autoencoder by diffusers' names; the text encoder is not needed.

    changes  to the config: frame, recognisers, identity_size, ...
    raises   ValueError for checkpoints of another shape (SD 2, SDXL, ...)
    """
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith((UNET, VAE))]  # noqa: SIM118
        weights = {name: file.get_tensor(name).float() for name in names}
    projection = weights.get(f"{UNET}middle_block.1.proj_in.weight")
    if projection is None or projection.dim() != 4 or f"{VAE}decoder.conv_in.weight" not in weights:
        raise ValueError(
            f"{Path(path).name} is no Stable Diffusion 1.5 checkpoint (SD 2, SDXL and others are built differently); "
            "want SD 1.5, SD 1.5 inpainting or one made from them, with its VAE in the file"
        )
    config = sd15(**shape_of(weights) | changes)
    unet = convert_ldm_unet_checkpoint(weights, {"layers_per_block": config.layers})
    levels = [None] * len(config.autoencoder_widths)  # only counted
    vae = convert_ldm_vae_checkpoint(weights, {"down_block_types": levels, "up_block_types": levels})
    return config, unet | {"conv_in.weight": with_planes(unet["conv_in.weight"], config)}, vae


def shape_of(weights: Weights) -> dict:
    """What of the config can be seen in the weights."""
    widths, layers, attention = [], 0, []
    for i in range(1, len({name.split(".")[3] for name in weights if name.startswith(f"{UNET}input_blocks.")})):
        block = f"{UNET}input_blocks.{i}"
        if f"{block}.0.op.weight" in weights:  # halves the map: the next block begins a level
            layers = 0
            continue
        layers += 1
        if layers == 1:
            widths.append(len(weights[f"{block}.0.out_layers.3.weight"]))
            attention.append(f"{block}.1.proj_in.weight" in weights)
    down = sorted({int(name.split(".")[3]) for name in weights if name.startswith(f"{VAE}encoder.down.")})
    blocks = {name.split(".")[5] for name in weights if name.startswith(f"{VAE}encoder.down.0.block.")}
    context = f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight"
    return {
        "widths": tuple(widths),
        "layers": layers,
        "attention": tuple(attention),
        "context": weights[context].shape[1],
        "latent_channels": len(weights[f"{UNET}out.2.weight"]),
        "autoencoder_widths": tuple(len(weights[f"{VAE}encoder.down.{i}.block.0.conv1.weight"]) for i in down),
        "autoencoder_layers": len(blocks),
    }


def with_planes(weight: Tensor, config: Config) -> Tensor:
    """First convolution (W, C or 2 C + 1, 3, 3) -> (W, config.inputs, 3, 3); new planes count nothing.

    That of an inpainting checkpoint has mask and background already, in this order.
    """
    plain, inpainting = replace(config, planes=()), replace(config, planes=("mask", "background"))
    for before in (plain, inpainting):
        if weight.shape[1] == before.inputs:
            return widen(weight, before, config)
    raise ValueError(
        f"got a UNet with {weight.shape[1]} input channels, want {plain.inputs} or {inpainting.inputs} (inpainting)"
    )
