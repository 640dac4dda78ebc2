"""The face of somebody who does not exist, doing an expression: what nodes show that pass expressions on (ours)."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from ..models.codes import Expression
from .pictures import to_image
from .studio import studio, switched_off

SITTER, PLACE = ("example_calm.jpg", "example_selfie.jpg"), "example_portrait.jpg"  # one photo shows teeth
ROW = 6  # faces beside one another, at most


def doing(cls: type[io.ComfyNode], expression: Expression, row: bool = False) -> dict:
    """The output for the front end: the first of a batch, or some of it in a row from the first to the last.

    Expressions do not say of which checkpoint they are: they are counted from the bundled one's neutral face.
    Empty where DIFFSFSR_LIVE says so, and without a face landmarker, which a node needs for nothing else.
    """
    if switched_off():
        return {}
    codes = expression.code[:1].cpu()
    if row:
        codes = expression.code.cpu()
        codes = codes[torch.linspace(0, len(codes) - 1, min(len(codes), ROW)).round().long()]
    detail = 1 if row else 2  # 128 pixels each, or 256

    def show() -> torch.Tensor:
        live = studio().live("sitter", SITTER, PLACE)
        return torch.cat([live.show(code, detail).picture for code in codes], -1)

    try:
        picture = studio().wait_for(show)
    except (OSError, ValueError):
        return {}
    return ui.PreviewImage(to_image(picture[None]), cls=cls).as_dict()
