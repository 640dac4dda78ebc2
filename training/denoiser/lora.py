"""Low-rank additions to a network's attention, trained in place of its weights (Hu et al. 2021)."""

import copy

from torch import nn

from .train import Model


def add_lora(model: Model, rank: int) -> None:
    """Train low-rank additions to the attention (Hu et al. 2021), the new inputs and the conditioner; nothing else."""
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise ValueError(f"--lora needs the package peft ({error}): `python -m pip install peft`") from error
    unet = model.denoiser.unet
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    unet.conv_in.requires_grad_(True)


def plain(unet: nn.Module) -> nn.Module:
    """The UNet with its low-rank additions, if any, added up into its own weights."""
    if not getattr(unet, "peft_config", None):
        return unet
    unet = copy.deepcopy(unet)
    unet.fuse_lora()
    unet.unload_lora()
    return unet
