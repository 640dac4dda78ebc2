"""What differs between hosts, from ComfyUI 0.3.75 on; everything else in this folder is written for all of them."""

import inspect
from collections.abc import Callable

import comfy.model_patcher
import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher


def only_known(function: Callable, **options: object) -> dict[str, object]:
    """Those of the options that this host's `function` has; later hosts know more (advanced, search_aliases)."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in known}


def patch_model(model: BaseModel, load_device: torch.device, offload_device: torch.device) -> ModelPatcher:
    """Wrap a model of the host's own layers, so that the host moves it: piecewise where it can (from 0.23 on)."""
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", ModelPatcher)
    return patcher(model, load_device=load_device, offload_device=offload_device)


def load_weights(patcher: ModelPatcher, weights: dict[str, torch.Tensor]) -> None:
    """Copy weights into a model; hosts that move models piecewise want the tensors themselves."""
    dynamic = hasattr(patcher, "is_dynamic") and patcher.is_dynamic()
    patcher.model.load_model_weights(weights, "", **only_known(patcher.model.load_model_weights, assign=dynamic))
