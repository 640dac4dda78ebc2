"""Many results at once: every identity, expression and background of three folders, or of a list, drawn and measured.

METRICS are read with the pack's own networks, which also condition it; JUDGED beside them by judges that took no part.
"appearance 0" is the painted face alone, without the photo's own pixels: the method as published, from the same noise.
"unchanged" is the background's own face, measured in the same way; "random" is the result, measured as if the identity
and the expression of another row had been wanted: what a random code would score. "photo" is the photo that the
expression was read from: as far as its judges agree with the reading, a result can.
"""

import csv
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, fields
from functools import cache, lru_cache
from pathlib import Path

import torch

from ...models.appearance.finish import Wish
from ...models.codes import Background, Expression
from ...models.compositing import paste_faces
from ...models.expression.labels import read_labels
from ...models.network.checkpoint import ASSETS
from ...models.pictures import read_picture, write_picture
from ...models.pipeline import DiffSFSR, Painting
from ...training.data.photos import SUFFIXES
from ...training.progress import shown
from ..judges.judging import Panel, judged, named_ratios, wanted_actions
from ..judges.networks import Judges
from ..sheets import draw_results
from .measures import Look, measure

ITEMS = "items.jsonl"  # in the folder of results: the settings, then what was measured, a row a line


@dataclass(frozen=True)
class Triple:
    identity: str
    expression: str
    background: str


def triples(identities: Path, expressions: str, backgrounds: Path, pairs: Path | None, limit: int | None, seed: int):
    """The combinations to draw: those of pairs.csv, else as many as wanted of all that there are, drawn by the seed."""
    if limit is not None and limit < 1:
        raise ValueError(f"got --limit {limit}, want at least 1")
    if pairs is not None:
        with open(pairs, newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            wanted = [field.name for field in fields(Triple)]
            if missing := [name for name in wanted if name not in (table.fieldnames or ())]:
                raise ValueError(f"{pairs} lacks the columns {missing}, want {wanted} in its first line")
            return [Triple(**{name: row[name] for name in wanted}) for row in itertools.islice(table, limit)]
    words = read_labels(ASSETS / "expressions.json") if expressions == "labels" else names(Path(expressions))
    people, scenes = names(identities), names(backgrounds)
    count = len(people) * len(words) * len(scenes)
    rows = []
    for number in random.Random(seed).sample(range(count), min(count, limit or count)):  # none that is not drawn
        rest, place = divmod(number, len(scenes))
        person, word = divmod(rest, len(words))
        rows.append(Triple(people[person], words[word], scenes[place]))
    return rows


def names(folder: Path) -> list[str]:
    found = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not found:
        raise ValueError(f"found no pictures in {folder}; want a folder with one picture a person, expression or scene")
    return found


def file_names(rows: list[Triple]) -> list[str]:
    """Where the results go, without a suffix: names of no two rows are the same."""
    stems = ["__".join(Path(name).stem for name in astuple(row)) for row in rows]
    taken = Counter(stem for stem, _ in dict.fromkeys(zip(stems, rows, strict=True)))
    return [stem if taken[stem] == 1 else "__".join(astuple(row)) for stem, row in zip(stems, rows, strict=True)]


def evaluate(
    model: DiffSFSR, rows: list[Triple], identities: Path, expressions: str, backgrounds: Path, out: Path, seed: int,
    judges: Judges | None = None, wish: Wish = Wish(), paint: bool = True,  # noqa: B008  frozen
    part: tuple[int, int] = (1, 1),
) -> Iterator[dict]:  # fmt: skip
    """Draw and measure one row after the other; yields its metrics, those of COLUMNS beside each other.

    Rows that are in `out` already, measured and drawn, are not drawn again. Once all are there is a sheet of them.

    wish   how the results' faces are finished
    paint  else results are previews without the painter, and nothing has "appearance 0"
    part   (i, n): only the i-th of n parts of the rows, 1 the first; parts may run beside each other
    """
    (out / "results").mkdir(parents=True, exist_ok=True)
    photos = sorted({row.identity for row in rows})
    people = {name: model.identity([read_picture(identities / name)]) for name in shown(photos, "identities read")}
    gallery = torch.cat([identity.code for identity in people.values()])

    def is_label(expression: str) -> bool:
        return expressions == "labels" or expression in model.encoders.library.labels

    @cache
    def wanted(expression: str) -> Expression:
        return model.expression(expression if is_label(expression) else read_picture(Path(expressions) / expression))

    @lru_cache(maxsize=1)  # rows of one scene come one after the other
    def scene_of(name: str) -> tuple[Background, Look]:
        background = model.background(read_picture(backgrounds / name))
        return background, Look.at(model, background.pictures[0], background)

    panel = None
    if judges is not None:
        photos = sorted({row.expression for row in rows if not is_label(row.expression)})
        photos = [Path(expressions) / name for name in photos]
        panel = Panel(judges, model.encoders, [identities / name for name in people], photos)
    weights = sum(float(weight.double().abs().sum()) for weight in model.denoiser.parameters())  # tells them apart
    settings = {"seed": seed, "checkpoint": f"{model.config.name}, {weights:.3f}", "judges": judges is not None}
    done = Done(out / ITEMS, settings | asdict(wish) | {"paint": paint})
    files = [out / "results" / f"{name}.png" for name in file_names(rows)]
    for row, file in in_part(list(zip(rows, files, strict=True)), part):
        if row in done.items and file.is_file():
            yield done.items[row]
            continue
        who, what, (background, before) = people[row.identity], wanted(row.expression), scene_of(row.background)
        given = who, what, background
        if paint:
            painted = model.paint(*given, Painting(seed=seed))
            drawn = {"result": model.finish(painted, *given, wish), "appearance 0": painted}
        else:
            drawn = {"result": model.preview(*given, wish)}
        drawn = {which: paste_faces(crops.cpu(), background)[0] for which, crops in drawn.items()}
        write_picture(file, drawn["result"], model.config.name)
        looks = {which: Look.at(model, picture, background) for which, picture in drawn.items()}
        looks["unchanged"] = before
        verdicts = {} if panel is None else {which: panel.read(*look.face_in) for which, look in looks.items()}
        item: dict = {"identity": row.identity, "expression": row.expression, "background": row.background}
        columns = {which: (which, row) for which in looks} | {"random": ("result", unlike(row, rows))}
        for column, (which, aim) in columns.items():
            if aim is None:
                continue
            code, place = wanted(aim.expression), list(people).index(aim.identity)
            item[column] = {"wanted": wanted_actions(code)}
            item[column] |= measure(model, looks[which], before, people[aim.identity], code, background, gallery, place)
            if panel is not None:
                wishes = aim.identity, aim.expression
                item[column] |= judged(panel, verdicts[which], verdicts["unchanged"], *wishes)
        if panel is not None and row.expression in panel.expressions:
            ratios = named_ratios(panel.expressions[row.expression])
            item["photo"] = {"wanted": item["result"]["wanted"], "judge_ratios": ratios}
        done.add(item)
        yield item
    if all(file.is_file() for file in files):
        sources = [(identities / row.identity, backgrounds / row.background) for row in rows]
        draw_results(out / "sheet.jpg", model, sources, files)


def in_part(rows: list, part: tuple[int, int]) -> list:
    """The i-th of n parts, neighbours together; part (i, n) from (1, 1)."""
    i, n = part
    if not 1 <= i <= n:
        raise ValueError(f"got part {i} of {n}, want 1 to the number of parts, such as 2/4")
    return rows[len(rows) * (i - 1) // n : len(rows) * i // n]


class Done:
    """What was measured before, in a file that each new row is added to."""

    def __init__(self, path: Path, settings: dict):
        """settings: what all rows have to have been measured with"""
        self.path, self.items = path, {}
        try:
            with open(path, "x") as file:
                file.write(json.dumps(settings) + "\n")
        except FileExistsError:
            pass
        had, *lines = path.read_text().splitlines()
        if json.loads(had) != settings:
            raise ValueError(
                f"{path.parent.name} has results of other settings, {had}, want {settings}; name a new folder"
            )
        for item in map(json.loads, lines):
            self.items[Triple(*(item[field.name] for field in fields(Triple)))] = item

    def add(self, item: dict) -> None:
        with open(self.path, "a") as file:
            file.write(json.dumps(item) + "\n")


def unlike(row: Triple, rows: list[Triple]) -> Triple | None:
    """The next of the rows with another identity and another expression."""
    start = rows.index(row)
    others = rows[start + 1 :] + rows[:start]
    return next((o for o in others if o.identity != row.identity and o.expression != row.expression), None)
