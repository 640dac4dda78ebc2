"""Many results at once: every identity, expression and background of three folders, or of a list, drawn and measured.

METRICS are read with the pack's own networks, which also condition it; JUDGED beside them by judges that took no part.
Beside the result may stand what other methods make of the same row (methods.py), and pictures of anything else.
"unchanged" is the background's own face, measured in the same way; "random" is the result, measured as if the identity
and the expression of another row had been wanted: what a random code would score. "photo" is the photo that the
expression was read from: as far as its judges agree with the reading, a result can.
"""

import csv
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType

import torch

from ...models.appearance.finish import Wish
from ...models.codes import Background, Expression
from ...models.expression.labels import read_labels
from ...models.network.checkpoint import ASSETS
from ...models.pictures import read_picture, write_picture
from ...models.pipeline import DiffSFSR
from ...training.data.photos import SUFFIXES
from ...training.progress import shown
from ..judges.clip import Clip
from ..judges.judging import Panel, judged, named_ratios, wanted_actions
from ..judges.networks import Judges
from ..sheets import draw_results
from .measures import Look, measure
from .methods import BESIDE, RANDOM, RESULT, UNCHANGED, draw, read_given
from .realism import face_features

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
    part: tuple[int, int] = (1, 1), beside: Sequence[str] = ("painter",),
    others: Mapping[str, Path] = MappingProxyType({}), clip: Clip | None = None,
) -> Iterator[dict]:  # fmt: skip
    """Draw and measure one row after the other; yields its metrics, those of each column beside each other.

    What is in `out` already, measured and drawn, is not drawn again. Once all rows are there is a sheet of them.

    wish    how the results' faces are finished
    paint   else results are previews without the painter, and nothing has "appearance 0"
    part    (i, n): only the i-th of n parts of the rows, 1 the first; parts may run beside each other
    beside  keys of BESIDE: methods that draw every row as well; their faces go to out/faces
    others  column -> folder with pictures of rows, named as their results
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
    done = Done(out / ITEMS, {"seed": seed, "checkpoint": weights_of(model), "judges": judges is not None}
                | asdict(wish) | {"paint": paint})  # fmt: skip
    methods = [RESULT, *(BESIDE[name] for name in beside if paint or name != "painter")]
    names = file_names(rows)
    files = [out / "results" / f"{name}.png" for name in names]
    for row, name, file in in_part(list(zip(rows, names, files, strict=True)), part):
        item = done.items.get(row, {}) if file.is_file() else {}
        lacking = [column for column in methods if column not in item]
        given = [column for column in others if column not in item]
        if not (lacking or given):
            yield item
            continue
        who, what, (background, before) = people[row.identity], wanted(row.expression), scene_of(row.background)
        looks, seconds = {UNCHANGED: before}, {}
        for column, picture, seconds[column] in draw(model, lacking, who, what, background, wish, seed, paint):
            looks[column] = Look.at(model, picture, background)
            if column == RESULT:
                write_picture(file, picture, model.config.name)
            else:
                (out / "faces" / column).mkdir(parents=True, exist_ok=True)
                write_picture(out / "faces" / column / file.name, looks[column].crop, model.config.name)
        for column in given:
            if (picture := read_given(others[column], name, background)) is not None:
                looks[column] = Look.at(model, picture, background)
        verdicts = {} if panel is None else {which: panel.read(*look.face_in) for which, look in looks.items()}
        columns = {which: (which, row) for which in looks}
        if RESULT in looks:
            columns[RANDOM] = RESULT, unlike(row, rows)
        item |= asdict(row)
        for column, (which, aim) in columns.items():
            if aim is None or column in item:
                continue
            code, place = wanted(aim.expression), list(people).index(aim.identity)
            item[column] = {"wanted": wanted_actions(code)}
            item[column] |= measure(model, looks[which], before, people[aim.identity], code, background, gallery, place)
            if which in seconds:
                item[column]["seconds"] = round(seconds[which], 2)
            if clip is not None and column != RANDOM and looks[which].face is not None:
                item[column]["clip"] = [round(x, 4) for x in face_features(*looks[which].face_in, clip)[0].tolist()]
            if panel is not None:
                wishes = aim.identity, aim.expression
                item[column] |= judged(panel, verdicts[which], verdicts[UNCHANGED], *wishes)
        if panel is not None and row.expression in panel.expressions:
            ratios = named_ratios(panel.expressions[row.expression])
            item["photo"] = {"wanted": item[RESULT]["wanted"], "judge_ratios": ratios}
        done.add(item)
        yield item
    if all(file.is_file() for file in files):
        sources = [(identities / row.identity, backgrounds / row.background) for row in rows]
        draw_results(out / "sheet.jpg", model, sources, files)


def weights_of(model: DiffSFSR) -> str:
    """A name and a number that tell weights apart: those of what paints, and of what goes over it."""
    encoders = model.encoders
    parts = model.denoiser, model.autoencoder, encoders.conditioner, encoders.mouth, encoders.retoucher
    sums = (sum(float(weight.double().abs().sum()) for weight in part.parameters()) for part in parts)
    return f"{model.config.name}, {sum(sums):.3f}"


def check_given(others: Mapping[str, Path], rows: list[Triple]) -> None:
    """ValueError for folders, by their columns, without a picture of any row or with a name that is taken."""
    taken = {RESULT, UNCHANGED, RANDOM, "photo", *BESIDE.values(), *(field.name for field in fields(Triple))}
    for column, folder in others.items():
        stems = {path.stem for path in folder.iterdir()} if folder.is_dir() else set()
        if column in taken:
            raise ValueError(f"a folder named {column} would hide another column; rename {folder}")
        if not stems & set(file_names(rows)):
            raise ValueError(f"found no picture of any row in {folder}; want names such as {file_names(rows)[0]}.png")


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
            self.items[self.key(item)] = item

    @staticmethod
    def key(item: dict) -> Triple:
        """What an item is known by."""
        return Triple(*(item[field.name] for field in fields(Triple)))

    def add(self, item: dict) -> None:
        self.items[self.key(item)] = item
        with open(self.path, "a") as file:
            file.write(json.dumps(item) + "\n")


def unlike(row: Triple, rows: list[Triple]) -> Triple | None:
    """The next of the rows with another identity and another expression."""
    start = rows.index(row)
    others = rows[start + 1 :] + rows[:start]
    return next((o for o in others if o.identity != row.identity and o.expression != row.expression), None)
