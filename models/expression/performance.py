"""What words ask for, as one expression: labels mixed by how surely they are meant, actions on top of them (ours)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from ..codes import Expression
from ..faces.mesh import BLENDSHAPES
from .edit import act
from .words import MAX_INTENSITY, Meaning


def perform(
    meanings: Sequence[Meaning], label: Callable[[str, float], Expression], intensity: float = 1.0
) -> Expression:
    """An expression (1, 51).

    meanings   of Words.read, one or more
    label      name of a label, intensity -> expression, such as Encoders.label
    intensity  0..1.5, times each degree, at most 1.5
    """
    strength = [min(each.degree * intensity, MAX_INTENSITY) for each in meanings]
    labels = [(each, strong) for each, strong in zip(meanings, strength, strict=True) if each.action is None]
    total = sum(each.score for each, _ in labels)
    codes = [label(each.what, strong).code * (each.score / total) for each, strong in labels]
    done = Expression(sum(codes) if codes else torch.zeros(1, len(BLENDSHAPES)))
    for each, strong in zip(meanings, strength, strict=True):
        if each.action is not None:
            done = act(done, each.action.moves, strong)
    return replace(done, name=", ".join(each.what for each in meanings))
