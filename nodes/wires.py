"""What travels between the nodes. Everything on a wire lies on the CPU; the codes are models/codes.py's.

DIFFSFSR             Loaded: a checkpoint
DIFFSFSR_IDENTITY    codes.Identity
DIFFSFSR_EXPRESSION  codes.Expression
DIFFSFSR_BACKGROUND  Scene: codes.CutOut, and the IMAGE that it was read from
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import comfy.model_management
from comfy_api.latest import io
from torch import Tensor

from ..models.codes import CutOut, Expression, Identity

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher
    from comfy.sd import VAE

    from ..models.encoders import Encoders

CATEGORY = "DiffSFSR"
Code = TypeVar("Code", Identity, Expression)

DiffSFSRType = io.Custom("DIFFSFSR")
IdentityType = io.Custom("DIFFSFSR_IDENTITY")
ExpressionType = io.Custom("DIFFSFSR_EXPRESSION")
BackgroundType = io.Custom("DIFFSFSR_BACKGROUND")


@dataclass(frozen=True, eq=False)
class Loaded:
    """A checkpoint: its own networks, and MODEL and VAE for the nodes that are not given others."""

    encoders: ModelPatcher  # of a ModuleDict with one entry, "encoders"
    model: ModelPatcher
    vae: VAE

    @property
    def name(self) -> str:
        """Of the model, as its file says."""
        return self.encoders.model["encoders"].config.name

    def ready(self) -> Encoders:
        """The encoders on the device that the host wants them to run on."""
        # they are made of plain layers, which the host can only move as a whole
        comfy.model_management.load_models_gpu([self.encoders], force_full_load=True)
        return self.encoders.model["encoders"]


@dataclass(frozen=True)
class Scene(CutOut):
    """Faces cut out of an IMAGE, which is kept as it is, so that untouched pixels come out bit for bit."""

    image: Tensor  # (P, H, W, 3) in [0, 1]
    loaded: Loaded | None = None  # by which they were found

    @property
    def count(self) -> int:
        return len(self.image)


def carried_input() -> io.Input:
    """Input `diffsfsr` of nodes to which a background brings it."""
    return DiffSFSRType.Input(
        "diffsfsr",
        optional=True,
        tooltip="From Load DiffSFSR; left off, the one by which the background was made.",
    )


def carried(diffsfsr: Loaded | None, background: CutOut) -> Loaded:
    """What is wired to carried_input(), or comes with the background."""
    loaded = getattr(background, "loaded", None) if diffsfsr is None else diffsfsr
    if loaded is None:
        raise ValueError("the background does not say by which model it was made: connect Load DiffSFSR's DIFFSFSR")
    return loaded


def on_cpu(code: Code) -> Code:
    if isinstance(code, Identity):
        return replace(code, code=code.code.cpu(), appearances=tuple(own.to("cpu") for own in code.appearances))
    return replace(code, code=code.code.cpu())
