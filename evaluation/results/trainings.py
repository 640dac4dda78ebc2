"""Networks that went on from one checkpoint, each trained in a way of its own: `python cli.py trainings` (ours).

What the paper says of its training is asked of networks that were trained with and without it, on as many pictures,
with the same draws. Each paints the same cases alone, without a photo's pixels; a column is named as the run's folder.
A network that is not given the background has it blended in at each step instead, outside of the mask.
"""

from collections.abc import Sequence
from pathlib import Path

from ...models.pipeline import DiffSFSR
from ...training.progress import shown
from ..judges.networks import Judges
from .ablations import FEW, sampled
from .cases import Case, Cast, Drawn
from .curves import Cases, Curve
from .evaluate import weights_of

LABELS = ("joy", "anger", "surprise", "sadness")
TRAININGS = Curve(f"trainings that went on from one checkpoint, appearance 0, {FEW} steps", draw=None)


def measure(checkpoints: Sequence[Path], judges: Judges, out: Path, people: int) -> list[dict]:
    """Items as curves.measure has them, a run and a case each; what is in out/RUN.jsonl already is not drawn again.

    checkpoints  that `train denoiser` wrote, RUN/mini.safetensors; ValueError where two runs have one name
    """
    runs = {path.absolute().parent.name: path for path in checkpoints}
    if len(runs) < len(checkpoints):
        raise ValueError(f"got two runs of one name in {', '.join(map(str, checkpoints))}; rename a folder")
    out.mkdir(parents=True, exist_ok=True)
    items: list[dict] = []
    for name, path in runs.items():
        cast = Cast(DiffSFSR.load(path), judges)
        done = Cases(out / f"{name}.jsonl", {"checkpoint": weights_of(cast.model)})
        for case in shown(list(cast.cases(people, LABELS)), name):
            if case.name not in done.items:
                found = {"setting": name} | cast.measure(case, draw(cast.model, case, name))
                done.add({"case": case.name, "person": case.person, "settings": [found]})
        items += done.items.values()
    return items


def draw(model: DiffSFSR, case: Case, name: str) -> Drawn:
    """As the network was trained: what it is not given is blended in."""
    planes = model.planes(case.background)
    return Drawn(name, *sampled(model, case, planes, blend="background" not in planes))
