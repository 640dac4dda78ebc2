"""The pictures at the top of docs/results.md: ten results of openpeople, and the five worst (ours)."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from ...models.expression.references import FILE, References
from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.network.checkpoint import ASSETS
from ...models.pictures import to_pil
from ..people import LABELS, find_people
from ..sheets import Box, Row, draw_rows, face_square
from .curves import read
from .evaluate import ITEMS, Done, file_names
from .page import DOCS

WORST = 5
# by what results are ranked: the worst have the highest ranks on average
WORSE: dict[str, Callable[[dict], float]] = {
    "judge_distance": lambda result: result["judge_distance"],
    "judge2_cosine": lambda result: -result["judge2_cosine"],
    "expression_correlation": lambda result: -result["expression_correlation"],
    "seams": lambda result: result["seams"],
}


def draw(evaluation: Path, docs: Path = DOCS) -> None:
    """Write results/openpeople.jpg and results/worst.jpg. evaluation: what `evaluate` wrote of openpeople's people"""
    items = list({Done.key(item): item for item in read(evaluation / ITEMS)}.values())  # the last of each row counts
    sheets = {"openpeople": (one_each(items), 2), "worst": (worst(items), 2)}
    mesh, references = FaceMesh.load(find_task_file()), References.load(ASSETS / FILE)
    square = cache(lambda path: face_square(mesh, path))  # photos come more than once
    for name, (chosen, across) in sheets.items():
        rows = [_row(item, evaluation / "results", square, references) for item in chosen]
        draw_rows(docs / "results" / f"{name}.jpg", rows, across, "mini")


def one_each(items: Sequence[dict]) -> list[dict]:
    """One result a person, the expressions in turn."""
    people = sorted({item["identity"] for item in items})
    wanted = {(person, LABELS[i % len(LABELS)]) for i, person in enumerate(people)}
    chosen = [item for item in items if (item["identity"], item["expression"]) in wanted]
    return sorted(chosen, key=lambda item: item["identity"])  # parts that ran beside each other wrote in any order


def worst(items: Sequence[dict], count: int = WORST) -> list[dict]:
    """Those that are worst over WORSE together, the very worst first; a result without a face before all others."""
    lost = [item for item in items if not item["result"]["face_found"]]
    found = [item for item in items if item["result"]["face_found"]]
    ranks = [0] * len(found)
    for metric, worse in WORSE.items():
        if all(item["result"].get(metric) is not None for item in found):
            order = sorted(range(len(found)), key=lambda i, worse=worse: worse(found[i]["result"]))
            for rank, i in enumerate(order):
                ranks[i] += rank
    return [*lost, *(found[i] for i in sorted(range(len(found)), key=lambda i: -ranks[i]))][:count]


def _row(item: dict, results: Path, square: Callable[[Path], Box], references: References) -> Row:
    people, row = find_people(), Done.key(item)
    selfie = people / Path(row.identity).stem / "assets" / "amateur_selfie.jpg"
    scene = people / Path(row.background).stem / "assets" / "studio_portrait.jpg"
    shown = [Image.open(path).convert("RGB") for path in (selfie, scene, results / f"{file_names([row])[0]}.png")]
    reference = to_pil(references.pictures(row.expression)[0])
    return Row(shown[0], square(selfie), row.expression, reference, shown[1], square(scene), shown[2])
