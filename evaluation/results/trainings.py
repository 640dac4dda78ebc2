"""Networks that went on from one checkpoint, each trained in a way of its own: `python cli.py trainings` (ours).

What the paper says of its training is asked of networks that were trained with and without it, on as many pictures,
with the same draws. Each paints the same cases alone, without a photo's pixels; a column is named as the run's folder.
A network that is not given the background has it blended in at each step instead, outside of the mask. Runs of one name
in several folders are one training with several seeds. The first is what the others are compared with, case by case
and seed by seed.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from ...models.appearance.finish import Wish
from ...models.network.checkpoint import read_config
from ...models.pipeline import DiffSFSR
from ...training.progress import shown
from ..judges.networks import Judges
from .ablations import sampled
from .cases import COMPARED, Case, Cast, Drawn
from .curves import Cases
from .curves import summarise as means_of
from .evaluate import weights_of
from .tables import Mean, grid, interval, with_interval

LABELS = ("joy", "anger", "surprise", "sadness")
LESS = " less "  # between the names of two runs: a column of differences


def measure(checkpoints: Sequence[Path], judges: Judges, out: Path, people: int) -> list[dict]:
    """Items as curves.measure has them, a run and a case each; what out/SEED/RUN.jsonl has already is not drawn again.

    checkpoints  that `train denoiser` wrote, SEED/RUN/mini.safetensors, SEED any folder that a seed's runs are in.
                 ValueError where two are called the same, or one is no checkpoint
    people       of openpeople, 1 or more
    """
    if people < 1:
        raise ValueError(f"got {people} people, want 1 or more")
    for path in checkpoints:
        read_config(path)
    folders = {path: path.absolute().parent for path in checkpoints}
    runs = {(folder.parent.name, folder.name): path for path, folder in folders.items()}
    if len(runs) < len(checkpoints):
        raise ValueError(f"got two runs of one name in {', '.join(map(str, checkpoints))}; rename a folder")
    items: list[dict] = []
    for (seed, name), path in runs.items():
        cast = Cast(DiffSFSR.load(path), judges)
        (out / seed).mkdir(parents=True, exist_ok=True)
        done = Cases(out / seed / f"{name}.jsonl", {"checkpoint": weights_of(cast.model)})
        for case in shown(list(cast.cases(people, LABELS)), name):
            if case.name not in done.items:
                found = {"setting": name} | cast.measure(case, draw(cast.model, case, name))
                done.add({"case": case.name, "person": case.person, "seed": seed, "settings": [found]})
        items += done.items.values()
    return items


def draw(model: DiffSFSR, case: Case, name: str) -> Drawn:
    """As the network was trained: it is shown the photo if it looks at one; a scene it is not given is blended in."""
    planes = model.planes(case.background, case.who, case.what, Wish())
    return Drawn(name, *sampled(model, case, planes, blend="background" not in planes))


def summarise(items: list[dict]) -> list[Mean]:
    """Means of each training, then of what each differs by from those before it, with their intervals over people."""
    found: dict[str, dict[tuple[str, str], dict]] = {}
    for item in items:
        (values,) = item["settings"]
        found.setdefault(values["setting"], {})[item["case"], item["seed"]] = values | {"person": item["person"]}
    means = means_of(items)
    for first, run in combinations(found, 2):
        for metric in COMPARED:
            pairs = [(found[first][key], theirs) for key, theirs in found[run].items() if key in found[first]]
            apart = [
                (own["person"], theirs[metric] - own[metric])
                for own, theirs in pairs
                if None not in (own[metric], theirs[metric])
            ]
            numbers = (round(x, 4) for x in interval(*zip(*apart, strict=True)))
            means.append(Mean(f"{run}{LESS}{first}", metric, *numbers, len(apart)))
    return means


def difference(mean: Mean) -> str:
    """As it is shown, with its sign and its interval."""
    return with_interval(mean.mean, mean.low, mean.high, sign="+")


def table(means: list[Mean]) -> Iterator[str]:
    """A training a line: how many results there are, their means, and what they differ by from the first's."""
    values = {(mean.column, mean.metric): mean for mean in means}
    runs = [column for column in dict.fromkeys(mean.column for mean in means) if LESS not in column]
    rows = []
    for run in runs:
        cells = []
        for metric in COMPARED:
            apart = values.get((f"{run}{LESS}{runs[0]}", metric))
            more = "" if apart is None else f", {difference(apart)}"
            cells.append(f"{values[run, metric].mean:.3f}{more}")
        rows.append([run, str(values[run, "pose_error_deg"].results), *cells])
    yield from grid(["training", "results", *COMPARED.values()], rows)
