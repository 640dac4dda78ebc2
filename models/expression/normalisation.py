"""What a checkpoint counts expression codes from, and how strong they may be (ours).

A code is a difference of blendshapes to a neutral face. Which neutral, is a checkpoint's own: the mean over the neutral
faces that it was trained on. The library's neutral is another: labels were written, and read on rendered heads, by it.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..network.checkpoint import read_checkpoint
from .library import ExpressionLibrary


@dataclass(frozen=True)
class Normalisation:
    neutral: Tensor  # (51,) mean blendshapes of neutral faces
    spread: Tensor  # (51,) standard deviation of expression codes on photos
    # root mean square of a code in these spreads
    strongest_word: float
    strongest_expression: float

    @classmethod
    def load(cls, path: Path) -> "Normalisation":
        """A checkpoint's own; its networks are left in the file."""
        config, weights = read_checkpoint(path, parts=("conditioner",))
        neutral, spread = (weights["conditioner"][name] for name in ("neutral", "spread"))
        return cls(neutral, spread, config.strongest_word, config.strongest_expression)

    def word(self, library: ExpressionLibrary, label: str, variant: int = 0, intensity: float = 1.0) -> Tensor:
        """The expression code (1, 51) of one of the library's words; intensity 0 is exactly neutral.

        A word that the library means to be stronger than nine of ten photos is as strong as the strongest of the nine
        (strongest_word); with an intensity above 1 it still gets there (ours).
        """
        meant, asked = (library.code(label, variant, k).to(self.neutral)[None] for k in (1.0, intensity))
        return asked * self._reserve(meant, self.strongest_word)

    def hold_back(self, code: Tensor) -> Tensor:
        """Expression codes (B, 51), those that are stronger than strongest_expression made as strong as that.

        Of words, photos, sliders and whatever else there is, since all become tokens (ours): the weights have seen no
        stronger ones.
        """
        return code * self._reserve(code, self.strongest_expression)

    def _reserve(self, code: Tensor, strongest: float) -> Tensor:
        """(B, 1): the factor, at most 1, that makes codes (B, 51) no stronger than that."""
        strength = (code / self.spread).square().mean(-1, keepdim=True).sqrt()
        return (strongest / strength.clamp(min=1e-6)).clamp(max=1)
