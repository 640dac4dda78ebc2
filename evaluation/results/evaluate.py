"""Many results at once: every identity, expression and background of three folders, or of a list, drawn and measured.

METRICS are read with the pack's own networks, which also condition it; JUDGED beside them by judges that took no part.
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
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

import torch
from scipy.stats import bootstrap
from torch import Tensor

from ...models.codes import Background, Expression, Identity
from ...models.expression.labels import read_labels
from ...models.faces.mesh import Face
from ...models.frames import transform
from ...models.network.checkpoint import ASSETS
from ...models.pictures import read_picture, write_picture
from ...models.pipeline import DiffSFSR
from ...training.data.photos import SUFFIXES
from ...training.progress import shown
from ..judges.judging import JUDGED, Panel, correlations, judged, named_ratios, wanted_actions
from ..judges.networks import Judges
from .report import MOVING, compare, face_at

METRICS = ("identity_cosine", "identity_top1", "nearer_than_background", "expression_correlation", "expression_error",
           "pose_error_deg", "face_found", "changed_outside")  # fmt: skip
COLUMNS = ("result", "unchanged", "random")


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
    judges: Judges | None = None,
) -> Iterator[dict]:  # fmt: skip
    """Draw and measure one row after the other; yields its metrics, those of COLUMNS beside each other."""
    (out / "results").mkdir(parents=True, exist_ok=True)
    photos = sorted({row.identity for row in rows})
    people = {name: model.identity([read_picture(identities / name)]) for name in shown(photos, "identities read")}
    gallery = torch.cat([identity.code for identity in people.values()])

    def is_label(expression: str) -> bool:
        return expressions == "labels" or expression in model.encoders.library.labels

    @cache
    def wanted(expression: str) -> Expression:
        return model.expression(expression if is_label(expression) else read_picture(Path(expressions) / expression))

    panel = None
    if judges is not None:
        photos = sorted({row.expression for row in rows if not is_label(row.expression)})
        photos = [Path(expressions) / name for name in photos]
        panel = Panel(judges, model.encoders, [identities / name for name in people], photos)
    for row, name in zip(rows, file_names(rows), strict=True):
        background = model.background(read_picture(backgrounds / row.background))
        pictures, _ = model.generate(people[row.identity], wanted(row.expression), background, seed=seed)
        write_picture(out / "results" / f"{name}.png", pictures[0], model.config.name)
        both = {"result": pictures[0], "unchanged": background.pictures[0]}
        faces = {which: face_at(model.encoders.mesh.find(picture), background) for which, picture in both.items()}
        own = code_of(model, both["unchanged"], faces["unchanged"])
        before = None if panel is None else panel.judges.read(both["unchanged"], faces["unchanged"])
        item: dict = {"identity": row.identity, "expression": row.expression, "background": row.background}
        columns = {"result": ("result", row), "unchanged": ("unchanged", row), "random": ("result", unlike(row, rows))}
        for column, (which, wish) in columns.items():
            if wish is None:
                continue
            what, place = wanted(wish.expression), list(people).index(wish.identity)
            found = both[which], faces[which]
            item[column] = {"wanted": wanted_actions(what)}
            item[column] |= measure(model, *found, people[wish.identity], what, background, own, gallery, place)
            if panel is not None:
                item[column] |= judged(panel, *found, before, wish.identity, wish.expression)
        if panel is not None and row.expression in panel.expressions:
            ratios = named_ratios(panel.expressions[row.expression])
            item["photo"] = {"wanted": item["result"]["wanted"], "judge_ratios": ratios}
        yield item


def unlike(row: Triple, rows: list[Triple]) -> Triple | None:
    """The next of the rows with another identity and another expression."""
    start = rows.index(row)
    others = rows[start + 1 :] + rows[:start]
    return next((o for o in others if o.identity != row.identity and o.expression != row.expression), None)


def measure(
    model: DiffSFSR,
    picture: Tensor,
    face: Face | None,
    who: Identity,
    what: Expression,
    background: Background,
    own: Tensor,
    gallery: Tensor,
    place: int,
) -> dict[str, float | None]:
    """METRICS of one picture (3, H, W) in [-1, 1] with its face; None where it shows none.

    own (1, D): the background's person; gallery (K, D): all identities; place: the row of it that is wanted
    """
    values = compare(model, picture, face, who, what, background)
    values |= {"face_found": float(face is not None), "changed_outside": changed_outside(picture, background)}
    if face is None:
        return {key: values.get(key) for key in METRICS}
    code = code_of(model, picture, face)
    read = (face.blendshapes - model.encoders.conditioner.neutral)[MOVING]
    pair = torch.stack([read, what.code[0, MOVING]])
    values |= {
        "identity_top1": float((gallery @ code[0]).argmax() == place),
        "nearer_than_background": float((code * who.code).sum() > (code * own).sum()),
        "expression_correlation": round(float(torch.corrcoef(pair)[0, 1]), 4),
    }
    return {key: values.get(key) for key in METRICS}


def code_of(model: DiffSFSR, picture: Tensor, face: Face) -> Tensor:
    """(1, D) the identity of one of the faces in a picture (3, H, W), whichever is the largest."""
    return model.encoders.identity([picture], known=[[face]].__getitem__)[0].code


def changed_outside(picture: Tensor, background: Background) -> float:
    """Largest change of a pixel, in 8-bit steps, further than two crop pixels from the regenerated region."""
    before = background.pictures[0]
    grown = torch.nn.functional.pad(background.mask[:1], (2, 2, 2, 2))  # a face may reach the border of the crop
    grown = torch.nn.functional.max_pool2d(grown, 5, 1, 2)
    height, width = before.shape[-2:]
    ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    at = transform(torch.stack([xs, ys], -1).reshape(1, -1, 2), background.matrix[:1])[0] + 2  # pixels of `grown`
    size = grown.shape[-1]
    index = at.floor().long().clamp(0, size - 1)
    within = ((at >= 0) & (at < size)).all(-1)
    touched = within & (grown[0, 0, index[:, 1], index[:, 0]] > 0)
    change = (picture - before).abs().amax(0).flatten()[~touched]
    return round(float(change.max() * 127.5), 2) if len(change) else 0.0


def summarise(items: list[dict]) -> dict[str, dict[str, list[float]]]:
    """For each of COLUMNS, of each metric: mean, and the ends of its 95 % bootstrap interval."""
    table: dict[str, dict[str, list[float]]] = {}
    for which in COLUMNS:
        table[which] = {}
        for metric in METRICS + JUDGED:
            values = [item[which].get(metric) for item in items if which in item]
            values = [value for value in values if value is not None]
            if not values:
                continue
            mean = sum(values) / len(values)
            low = high = mean
            if len(set(values)) > 1:
                found = bootstrap((values,), lambda x, axis: x.mean(axis), n_resamples=1000, rng=0).confidence_interval
                low, high = found.low, found.high
            table[which][metric] = [round(float(value), 4) for value in (mean, low, high)]
    return table


def write_reports(out: Path, settings: dict, items: list[dict], judges: Judges | None = None) -> None:
    """report.json (settings, items, means, correlations) and report.md (the same as tables)."""
    means = summarise(items)
    found = {which: correlations(items, which) for which in (*COLUMNS, "photo")}
    found = {which: values for which, values in found.items() if values}
    by = {
        "own networks (they also condition the model)": list(METRICS),
        "judges: dlib's recogniser, face-api's expressions and landmarks": list(JUDGED) if judges else "not installed",
    }
    report = {"settings": settings, "metrics": by, "items": items, "means": means, "correlations": found}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    text = f"{len(items)} results. Metrics that begin with judge_ are by judges that took no part in conditioning or "
    text += "training; the others by the pack's own networks.\n\n"
    if judges is None:
        text = f"{len(items)} results, read with the pack's own networks. Left out, because they are not installed: "
        text += "the judges (dlib's recogniser, face-api's expressions and landmarks); `make judges` fetches them.\n\n"
    lines = [f"| metric | {' | '.join(f'{which} (95 %)' for which in COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    for metric in METRICS + (JUDGED if judges else ()):
        cells = [
            "{:.3f} ({:.3f} to {:.3f})".format(*means[which][metric]) if metric in means[which] else "-"
            for which in COLUMNS
        ]
        lines.append(f"| {metric} | {' | '.join(cells)} |")
    if "result" in found:
        lines += ["", "Correlation of the action wanted and what the judges' landmarks show:", ""]
        lines += [f"| ratio | {' | '.join(found)} |", "|---" * (1 + len(found)) + "|"]
        for name in found["result"]:
            lines.append(f"| {name} | {' | '.join(str(values.get(name, '-')) for values in found.values())} |")
    (out / "report.md").write_text(text + "\n".join(lines) + "\n")
