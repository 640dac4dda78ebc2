"""What every training loop keeps to go on from, and how it goes on."""

import os
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

PARTS = (
    "model",
    "averaged",
    "optimiser",
    "adversary",
    "adversary_optimiser",
)  # attributes of a step that have a state of their own


class Stateful(Protocol):
    def state_dict(self) -> dict: ...

    def load_state_dict(self, state_dict: dict): ...


class ResumableStep:
    """A step of a loop, with its `index` (steps done) and some of PARTS."""

    def state(self) -> dict:
        """Everything that is needed to go on, loadable with weights_only=True."""
        parts = {name: getattr(self, name).state_dict() for name in PARTS if hasattr(self, name)}
        return {"index": self.index, **parts}


def resume(state: dict | None, **parts: Stateful) -> int:
    """Put the parts back to where ResumableStep.state() found them; returns the steps done, 0 for a fresh start."""
    if state is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["index"]


def trained(model: nn.Module) -> list[nn.Parameter]:
    """What of a model is trained, and so averaged: all of it, or what was added to it."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def save_atomically(value: dict, path: Path) -> None:
    temporary = path.with_suffix(".unfinished")
    torch.save(value, temporary)
    os.replace(temporary, path)
