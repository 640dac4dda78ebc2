"""What parts of the paper's method are for, as far as the bundled weights tell: one is left out in drawing (ours).

The weights were trained with all parts. What they do without one they have not learned, so a loss shows that they use
it, not that a network trained without it would lose as much: docs/results.md says which claims need a training.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.codes import Expression
from ...models.expression.library import ExpressionLibrary
from ...models.masks import remove_face
from ...models.network.sampling import Predictor, ddim, noise_for, start
from ...models.network.schedule import Schedule
from ...models.pipeline import DiffSFSR
from .cases import Case, Cast, Clock, Drawn, painted
from .curves import Curve

FEW = 8  # steps: here results are only compared with each other
WORDS = 2  # a person, spread evenly over the clusters of the 135
BASIC = {  # the word that stands for a cluster where there are no finer ones
    "love": "love", "joy": "joy", "surprise": "surprise", "anger": "anger", "sadness": "sadness", "fear": "fear",
}  # fmt: skip


def identities(cast: Cast, case: Case) -> Iterator[Drawn]:
    """The compound code, and each recogniser's part of it with nothing in the other's place."""
    recognisers = cast.model.encoders.recognisers
    parts = case.who.code.split(list(recognisers.sizes), dim=-1)
    codes = {"compound": case.who.code}
    for i, name in enumerate(recognisers.names):
        alone = [part if i == j else torch.zeros_like(part) for j, part in enumerate(parts)]
        codes[f"{name} alone"] = torch.cat(alone, -1)
    for name, code in codes.items():
        crops, took = painted(cast.model, replace(case, who=replace(case.who, code=code)), steps=FEW)
        yield Drawn(name, crops, took)


def expressions(cast: Cast, case: Case) -> Iterator[Drawn]:
    """The word itself, the one word of its cluster, and neutral; all measured against the word."""
    library = cast.model.encoders.library
    codes = {
        "one of 135 words": case.what,
        "one of 6 words": cast.model.expression(BASIC[library.cluster(case.label)]),
        "neutral": Expression(torch.zeros_like(case.what.code)),
    }
    for name, what in codes.items():
        crops, took = painted(cast.model, replace(case, what=what), steps=FEW)
        yield Drawn(name, crops, took)


def words(cast: Cast, people: int) -> Iterable[Case]:
    """WORDS a person, see fine_words."""
    chosen = fine_words(cast.model.encoders.library, WORDS * people)
    for number, case in enumerate(cast.cases(people, ("joy",))):
        for label in chosen[WORDS * number : WORDS * (number + 1)]:
            yield replace(case, label=label, what=cast.model.expression(label))


def fine_words(library: ExpressionLibrary, count: int) -> list[str]:
    """So many of the 135 words, none of them one that stands for its cluster, spread evenly over the clusters."""
    ordered = sorted(library.labels, key=lambda label: (library.cluster(label), label))
    fine = [label for label in ordered if label not in BASIC.values()]
    return [fine[i * len(fine) // count] for i in range(count)]


def backgrounds(cast: Cast, case: Case) -> Iterator[Drawn]:
    """The scene given to the network, or only blended in at each step outside of the mask (as DiffSwap does)."""
    model = cast.model
    given = model.planes(case.background)
    grey = remove_face(case.background.crop, torch.ones_like(case.background.mask))
    without = given | ({"background": model.encode(grey)} if "background" in given else {})
    for name, planes in (("given", given), ("given and blended", given), ("blended", without)):
        yield Drawn(name, *sampled(model, case, planes, blend=name != "given"))


@torch.inference_mode()
def sampled(model: DiffSFSR, case: Case, planes: dict[str, Tensor], blend: bool) -> tuple[Tensor, float]:
    """The painter's crop (1, 3, S, S) in FEW steps from such planes, and seconds; blend: the scene, at each step"""
    clock = Clock()
    tokens = model.encoders.tokens(case.who, case.what, case.background)
    whole, predict = model.encode(case.background.crop), model.guided(tokens, planes, 2.0, 2.0)
    noise = noise_for([0], tuple(whole.shape[1:]))
    if blend:
        keep = F.interpolate(case.background.mask, size=whole.shape[-2:], mode="area") > 0
        predict = blending(predict, keep, whole, noise, model.schedule)
    for step in ddim(predict, start(noise, whole, model.schedule), model.schedule, FEW):
        z = step.z
    return model.decode(z), clock()


def blending(predict: Predictor, keep: Tensor, whole: Tensor, noise: Tensor, schedule: Schedule) -> Predictor:
    """A predictor that sees and answers the noised scene outside of what is kept; keep (1, 1, h, w) bool."""

    def blended(z: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        z0, found = predict(torch.where(keep, z, schedule.noisy(whole, noise, t)), t)
        return torch.where(keep, z0, whole), torch.where(keep, found, noise)

    return blended


ABLATIONS = {
    "identities": Curve(f"compound identity code, appearance 0, {FEW} steps", identities),
    "expressions": Curve(f"fine words against coarse ones, appearance 0, {FEW} steps", expressions, cases=words),
    "backgrounds": Curve(f"background given or blended in, appearance 0, {FEW} steps", backgrounds),
}
