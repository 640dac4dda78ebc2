"""docs/results.md and the pages beside it, renewed from the numbers beside them: `python cli.py page` (ours).

    evaluate, curves -> report.csv, CURVE.csv -> docs/results/*.csv -> tables between marks in these pages

What is written by hand lies outside of the marks and stays. Numbers of other weights than the bundled say so.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ..judges.networks import RATIOS
from .ablations import ABLATIONS
from .claims import claims
from .curves import WAYS, choice, table
from .fingerprint import fingerprint
from .hard import table as cases_table
from .tables import REALISM, Mean, grid, markdown, read_means
from .trainings import table as trainings_table

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"(<!-- made of (?P<what>[\w/]+): (?P<how>\w+) -->\n)(?P<old>.*?)(<!-- end -->)", re.DOTALL)
METHODS = {  # columns by the words that pages have for them; others have their own
    "unchanged": "no change: the scene itself",
    "classical": "classical swap: landmarks and seamlessClone",
    "warp": "the photo's pixels alone, no painter",
    "appearance 0": "the painter alone: the method as published",
    "result": "**the pack as it comes**",
}
SHOWN = {  # metrics by the words of the one table; how many digits
    "judge_distance": ("dlib's distance ↓", 3),
    "judge_same": ("same person, dlib ↑", 2),
    "judge2_cosine": ("second recogniser's cosine ↑", 3),
    "judge2_same": ("same person, second ↑", 2),
    "expression_correlation": ("expression, mesh ↑", 3),
    "judge_ratio_correlation": ("expression, judge's ratios ↑", 3),
    "pose_error_deg": ("head pose, mesh ↓", 2),
    "judge_pose_error_deg": ("head pose, judge ↓", 2),
    REALISM: ("from photographs ↓", 2),
    "seams": ("seams, 1 is none", 2),
    "detail": ("detail, 1 is the scene's", 2),
    "changed_outside": ("changed outside ↓", 0),
    "seconds": ("processor s", 1),
}
MARKS = {  # of the result: what is wanted; True: at least
    "judge_distance": (0.45, False),
    "judge_same": (1.00, True),
    "judge_nearer_than_background": (1.00, True),
    "judge2_same": (1.00, True),
    "expression_correlation": (0.85, True),
    "judge_ratio_correlation": (0.80, True),
    "judge_pose_error_deg": (1.5, False),
    "changed_outside": (0.0, False),
    "detail_near_scene": (0.90, True),
    "seams": (1.10, False),
}
MEANT = {
    "judge_distance": "distance to the identity, dlib",
    "judge_same": "the same person for dlib",
    "judge_nearer_than_background": "nearer to the identity than to the scene's person, dlib",
    "judge2_same": "the same person for the second recogniser",
    "expression_correlation": "correlation of the live blendshapes with the wanted ones",
    "judge_ratio_correlation": f"correlation of the judge's ratios, mean of the {len(RATIOS)}",
    "judge_pose_error_deg": "head pose by the judge's landmarks, degrees",
    "changed_outside": "changed outside of the mask, 8-bit steps",
    "detail_near_scene": "share of results with .7 to 1.3 of the scene's detail",
    "seams": "seams: gradient across the border against the scene's own",
}


def renew(docs: Path = DOCS) -> list[str]:
    """Write all pages anew; the names of those that changed."""
    changed = []
    for page in (docs / "results.md", *sorted((docs / "results").glob("*.md"))):
        old = page.read_text("utf-8")
        new = BLOCK.sub(lambda found: _block(found, docs / "results"), old)
        if new != old:
            page.write_text(new, "utf-8")
            changed.append(page.name)
    return changed


def take(source: Path, name: str, docs: Path = DOCS) -> None:
    """Copy what `evaluate` or `curves` measured: a CSV, as docs/results/NAME.csv."""
    if not source.is_file():
        raise FileNotFoundError(f"no {source}; measure first, and, where it was in parts, once without --part")
    (docs / "results" / f"{name}.csv").parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, docs / "results" / f"{name}.csv")


def take_sheet(source: Path, name: str, docs: Path = DOCS) -> None:
    """Likewise a picture, as docs/results/NAME.jpg."""
    shutil.copyfile(source, docs / "results" / f"{name}.jpg")


def _block(found: re.Match, folder: Path) -> str:
    what, how = found["what"], found["how"]
    if how == "claims":
        return found[1] + "\n".join([*claims(folder / what), "", ""]) + found[5]
    if how not in HOW:
        raise ValueError(f"got a table of the kind {how!r}, want one of {', '.join(HOW)}")
    if not (folder / f"{what}.csv").is_file():
        return f"{found[1]}Not measured yet.\n{found[5]}"
    means, note = read_means(folder / f"{what}.csv")
    lines = [*HOW[how](means, what), "", *age(note), ""]
    return found[1] + "\n".join(lines) + found[5]


def age(note: str) -> Iterator[str]:
    """What the numbers were measured with, and whether that is what is bundled."""
    known = fingerprint().removeprefix("weights ").split(", ")
    weights, _, rest = note.removeprefix("weights ").partition(";")
    older = [name for name in weights.split(", ") if name not in known]
    yield f"Measured with {weights}{';' + rest if rest else ''}."
    if older:
        yield f"**Older than the bundled weights**: {', '.join(each.split()[0] for each in older)} changed since."


def methods(means: list[Mean], _: str) -> Iterator[str]:
    """Methods, a line each, against SHOWN."""
    values = {(mean.column, mean.metric): mean for mean in means}
    columns = {mean.column for mean in means} - {"random"}
    others = sorted(columns - METHODS.keys())
    order = [column for column in METHODS if column in columns]
    order[-1:] = [*others, *order[-1:]]
    metrics = [metric for metric in SHOWN if any(mean.metric == metric for mean in means)]
    rows = (
        (METHODS.get(column, column), *(_cell(values.get((column, metric)), SHOWN[metric][1]) for metric in metrics))
        for column in order
    )
    return grid(("method", *(SHOWN[metric][0] for metric in metrics)), rows)


def _cell(mean: Mean | None, digits: int) -> str:
    if mean is None:
        return "-"
    wide = mean.low is not None and f"{mean.low:.{digits}f}" != f"{mean.high:.{digits}f}"
    return f"{mean.mean:.{digits}f}" + (f" ({mean.low:.{digits}f} to {mean.high:.{digits}f})" if wide else "")


def marks(means: list[Mean], _: str) -> Iterator[str]:
    """The result against MARKS."""
    values = {mean.metric: mean.mean for mean in means if mean.column == "result"}
    yield "| mark | wanted | result | |\n|---|---|---|---|"
    for metric, (wanted, least) in MARKS.items():
        if metric in values:
            met = values[metric] >= wanted if least else values[metric] <= wanted
            bound = f"at {'least' if least else 'most'} {wanted:g}"
            yield f"| {MEANT[metric]} | {bound} | {values[metric]:.3f} | {'met' if met else '**missed**'} |"


def whole(means: list[Mean], _: str) -> Iterator[str]:
    yield from markdown(means)


def curve(means: list[Mean], what: str) -> Iterator[str]:
    """A curve's settings, and what follows for the default."""
    of = (WAYS | ABLATIONS)[Path(what).name]
    yield f"**{of.title[0].upper()}{of.title[1:]}**\n"
    yield from table(means)
    if said := choice(of, means):
        yield f"\n{said}"


def cases(means: list[Mean], _: str) -> Iterator[str]:
    """One case a line."""
    yield from cases_table(means)


def trainings(means: list[Mean], _: str) -> Iterator[str]:
    """One training a line."""
    yield from trainings_table(means)


HOW: dict[str, Callable[[list[Mean], str], Iterator[str]]] = {
    "methods": methods, "marks": marks, "whole": whole, "curve": curve,
    "cases": cases, "trainings": trainings,
}  # fmt: skip
