"""How results follow what can be chosen, and what a part is for: `python cli.py curves [NAMES]` (ours).

A curve draws the same few cases in many ways. WAYS has those of settings, which defaults follow from; ablations.py
those that leave a part out, for what the paper says of it. Read by the judges; resumable, case by case.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...models.appearance.finish import Wish
from ...models.faces.choice import NoFace
from ...models.faces.mesh import Face
from ...models.pictures import read_picture
from ...models.pipeline import Painting
from ...training.progress import shown
from ..acted import acted_faces
from .cases import LABELS, MEASURED, Case, Cast, Clock, Drawn, painted, shrink
from .evaluate import Done, in_part, weights_of
from .samplers import SAMPLERS, paint
from .tables import Mean, cells, grid, interval, write_means

STEPS = (4, 6, 8, 12, 20)
SCALES = (1.0, 2.0, 3.0)
APPEARANCE, SHAPE = (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.5, 1.0)
PHOTOS = (1, 2, 4, 8)
MORE = ("smug", "pensive", "determined", "thoughtful", "happy", "confused")  # acted faces, beside selfie and portrait
SIZES = (32, 64, 128, 256, 512)  # height of the selfie's face, pixels
ANGLES = (0, 15, 30, 45, 60)  # degrees
ALONE = ", appearance 0"  # ends the name of what is painted alone
NEAR = 0.98  # of the best is as good
JUDGED_BY = ("judge_likeness", "judge2_cosine", "expression_correlation")  # for that


@dataclass(frozen=True)
class Curve:
    """What is drawn of each case, and what is chosen today."""

    title: str
    draw: Callable[[Cast, Case], Iterator[Drawn]]
    default: str = ""  # the setting that is today's
    cases: Callable[[Cast, int], Iterable[Case]] = Cast.cases


@torch.inference_mode()
def steps(cast: Cast, case: Case) -> Iterator[Drawn]:
    given, model = (case.who, case.what, case.background), cast.model
    for sampler in SAMPLERS:
        for count in STEPS:
            clock = Clock()
            crops, took = paint(model, *given, count, sampler), clock()
            yield Drawn(f"{sampler}, {count} steps", model.finish(crops, *given), took + clock())
            yield Drawn(f"{sampler}, {count} steps{ALONE}", crops, took)


@torch.inference_mode()
def scales(cast: Cast, case: Case) -> Iterator[Drawn]:
    given = case.who, case.what, case.background
    for first in SCALES:
        for second in SCALES:
            crops, took = painted(cast.model, case, identity_scale=first, expression_scale=second)
            clock, name = Clock(), f"identity {first:g}, expression {second:g}"
            yield Drawn(name, cast.model.finish(crops, *given), took + clock())
            yield Drawn(f"{name}{ALONE}", crops, took)


@torch.inference_mode()
def finishing(cast: Cast, case: Case) -> Iterator[Drawn]:
    crops, took = painted(cast.model, case)
    yield Drawn("appearance 0", crops, took)
    for appearance in APPEARANCE[1:]:
        for shape in SHAPE:
            clock, wish = Clock(), Wish(appearance, shape)
            finished = cast.model.finish(crops, case.who, case.what, case.background, wish)
            yield Drawn(f"appearance {appearance:g}, shape {shape:g}", finished, took + clock())


def photos(cast: Cast, case: Case) -> Iterator[Drawn]:
    """The judges know the person from a photo that is not among them, the sheet's neutral face."""
    folder = next(folder for folder in cast.folders if folder.name == case.person)
    acted = acted_faces(folder)
    likeness, known = cast.read(acted["neutral"]), [case.photo, read_picture(folder / "assets" / "studio_portrait.jpg")]
    known += [acted[name] for name in MORE]
    for count in PHOTOS:
        who = cast.model.identity(known[:count])
        yield replace(whole(cast, replace(case, who=who), f"{count} photos"), likeness=likeness)


def sizes(cast: Cast, case: Case) -> Iterator[Drawn]:
    face: Face = cast.model.encoders.faces(case.photo, "largest", "photo")[0]
    height = float(face.points[:, 1].max() - face.points[:, 1].min())
    for size in SIZES:
        if size > height:
            continue
        small = shrink(case.photo, max(case.photo.shape[1:]) * size / height)
        try:
            who = cast.model.identity([small])
        except NoFace:
            continue  # the table tells how many there are
        yield whole(cast, replace(case, who=who), f"{size} px")


def angles(cast: Cast, case: Case) -> Iterator[Drawn]:
    """A case of turned() is one angle already."""
    yield whole(cast, case, case.person.split(", ")[1])


def turned(cast: Cast, people: int) -> Iterator[Case]:
    """Each rendered head, seen from the front, in a picture of the other that is turned away."""
    from ..heads import Photographer  # wants OpenGL and the heads' geometry

    photograph = Photographer()
    for first, second in (("ines", "anders"), ("anders", "ines"))[: max(1, people // 2)]:
        photo = photograph(first, 0)
        for angle in ANGLES:
            for case in cast.between(first, photo, photograph(second, angle), LABELS):
                yield replace(case, person=f"{first}, {angle} degrees")


def whole(cast: Cast, case: Case, setting: str) -> Drawn:
    """Painted and finished."""
    crops, took = painted(cast.model, case)
    clock = Clock()
    return Drawn(setting, cast.model.finish(crops, case.who, case.what, case.background), took + clock())


WAYS = {
    "steps": Curve("steps and sampler", steps, f"ddim, {Painting.steps} steps"),
    "scales": Curve("both scales", scales, "identity 2, expression 2"),
    "finishing": Curve("appearance and shape", finishing, "appearance 1, shape 1"),
    "photos": Curve("number of selfies", photos),
    "sizes": Curve("height of the selfie's face", sizes),
    "angles": Curve("angle between selfie and scene, rendered heads", angles, cases=turned),
}


def measure(cast: Cast, name: str, curve: Curve, out: Path, people: int, part: tuple[int, int] = (1, 1)) -> list[dict]:
    """Items of all cases, a setting each; what is in out/NAME.jsonl already is not drawn again."""
    out.mkdir(parents=True, exist_ok=True)
    done = Cases(out / f"{name}.jsonl", {"checkpoint": weights_of(cast.model)})
    for case in shown(in_part(list(curve.cases(cast, people)), part), name):
        if case.name not in done.items:
            found = [{"setting": drawn.setting} | cast.measure(case, drawn) for drawn in curve.draw(cast, case)]
            done.add({"case": case.name, "person": case.person.split(",")[0], "settings": found})
    return list(done.items.values())


class Cases(Done):
    """What was measured before, by case."""

    @staticmethod
    def key(item: dict) -> str:
        return item["case"]


def summarise(items: list[dict]) -> list[Mean]:
    """Means over the cases, intervals over people, a setting a column."""
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for item in items:
        for each in item["settings"]:
            for metric in MEASURED:
                if each[metric] is not None:
                    found.setdefault((each["setting"], metric), []).append((item["person"], each[metric]))
    return [
        Mean(*key, *(round(x, 4) for x in interval(*zip(*values, strict=True))), len(values))
        for key, values in found.items()
    ]


def write(out: Path, name: str, items: list[dict], note: str) -> None:
    write_means(out / f"{name}.csv", summarise(items), f"{note}; {len(items)} cases")


def of_best(means: list[Mean]) -> dict[str, float]:
    """Setting -> the least of its parts of what the best has, over JUDGED_BY; 1 for who is best in all of them.

    What is painted alone is compared with its like.
    """
    values = {(mean.column, mean.metric): mean.mean for mean in means}
    settings = list(dict.fromkeys(mean.column for mean in means))
    found = dict.fromkeys(settings, 0.0)
    for alone in (False, True):
        like = [setting for setting in settings if setting.endswith(ALONE) == alone]
        by = [metric for metric in JUDGED_BY if any((setting, metric) in values for setting in like)]
        best = {metric: max(values.get((setting, metric), 0.0) for setting in like) for metric in by}
        for setting in like:
            found[setting] = min(values.get((setting, metric), 0.0) / max(best[metric], 1e-6) for metric in by)
    return found


def choice(curve: Curve, means: list[Mean]) -> str:
    """Which setting is the fastest of those as good as the best, and how today's default stands; "" without one."""
    if not curve.default:
        return ""
    shares = {setting: share for setting, share in of_best(means).items() if not setting.endswith(ALONE)}
    seconds = {mean.column: mean.mean for mean in means if mean.metric == "seconds"}
    best = max(shares, key=shares.get)
    good = [setting for setting in shares if shares[setting] >= NEAR * shares[best]]
    fastest = min(good, key=seconds.get)
    own = shares[curve.default] / shares[best]
    verdict = "within" if own >= NEAR else "NOT within"
    return (
        f"Best: {best}. The fastest within {1 - NEAR:.0%} of it: {fastest} ({seconds[fastest]:.1f} s). "
        f"Today's default, {curve.default} ({seconds[curve.default]:.1f} s), is {verdict} {1 - NEAR:.0%} ({own:.3f})."
    )


def table(means: list[Mean]) -> Iterator[str]:
    """A setting a line."""
    counts, shares = {mean.column: mean.results for mean in means if mean.metric == JUDGED_BY[0]}, of_best(means)
    metrics = [metric for metric in MEASURED if any(mean.metric == metric for mean in means)]
    rows = (
        (setting, str(counts.get(setting, 0)), *values, f"{shares[setting]:.3f}")
        for setting, values in cells(means, metrics).items()
    )
    return grid(("setting", "results", *metrics, "of the best"), rows)


def read(path: Path) -> list[dict]:
    """Items of a .jsonl, without its settings."""
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]
