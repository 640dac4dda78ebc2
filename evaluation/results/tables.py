"""Means with their intervals, and correlations, of what was measured: report.json, report.md and report.csv (ours)."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import torch

from ..judges.judging import JUDGED, correlations
from ..judges.networks import RATIOS, Judges
from .measures import METRICS
from .methods import BESIDE, RANDOM, RESULT, UNCHANGED
from .realism import spread

BY_WORD = ("expression_correlation", "judge_distance", "detail", "detail_near_scene")
REALISM, RATIO_CORRELATION = "realism", "judge_ratio_correlation"  # of all results of a column together
ALL = (*METRICS, *JUDGED, RATIO_CORRELATION, REALISM, "seconds")
RESAMPLES = 2000


@dataclass(frozen=True)
class Mean:
    """A column's mean of a metric, with the ends of its 95 % interval over people."""

    column: str
    metric: str
    mean: float
    low: float | None  # None where there is none
    high: float | None
    results: int

    def __str__(self) -> str:
        return with_interval(self.mean, self.low, self.high)


def with_interval(mean: float, low: float | None, high: float | None, digits: int = 3, sign: str = "") -> str:
    """As tables show a number; sign: "+" for one that is a difference"""
    how = f"{sign}.{digits}f"
    return f"{mean:{how}}" + ("" if low is None else f" ({low:{how}} to {high:{how}})")


def columns_of(items: list[dict]) -> list[str]:
    """Methods in the order in which tables show them."""
    known = [RESULT, *BESIDE.values()]
    others = {key for item in items for key, value in item.items() if isinstance(value, dict)}
    others -= {*known, UNCHANGED, RANDOM, "photo"}
    order = [*known, *sorted(others), UNCHANGED, RANDOM]
    return [column for column in order if any(column in item for item in items)]


def summarise(items: list[dict]) -> list[Mean]:
    """Every metric of ALL that a column has; columns in their order, metrics in theirs."""
    return [mean for column in columns_of(items) for mean in _means(items, column)]


def _means(items: list[dict], column: str) -> Iterator[Mean]:
    for metric in ALL:
        found = [(item["identity"], item[column].get(metric)) for item in items if column in item]
        found = [(person, value) for person, value in found if value is not None]
        if found:
            yield Mean(column, metric, *(round(x, 4) for x in interval(*zip(*found, strict=True))), len(found))
    rows = [item for item in items if item.get(column, {}).get("judge_ratios")]
    if len(correlations(rows, column)) == len(RATIOS):
        mean = sum(correlations(rows, column).values()) / len(RATIOS)
        yield Mean(column, RATIO_CORRELATION, round(mean, 4), None, None, len(rows))
    rows = [item for item in items if item.get(column, {}).get("clip")]
    scenes = {item["background"]: item[UNCHANGED]["clip"] for item in items if item.get(UNCHANGED, {}).get("clip")}
    if column != UNCHANGED and len(rows) > 1 and len(scenes) > 1:
        vectors, real = torch.tensor([row[column]["clip"] for row in rows]), torch.tensor(list(scenes.values()))
        found = spread(vectors, [row["identity"] for row in rows], real)
        yield Mean(column, REALISM, *(round(x, 4) for x in found), len(rows))


def interval(people: Sequence[str], values: Sequence[float]) -> tuple[float, float, float]:
    """Mean over all values, and its 95 % percentile bootstrap interval over people, whose values belong together."""
    names = sorted(set(people))
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    where = [names.index(person) for person in people]
    np.add.at(sums, where, values)
    np.add.at(counts, where, 1)
    drawn = np.random.default_rng(0).integers(len(names), size=(RESAMPLES, len(names)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return float(np.mean(values)), float(low), float(high)


def by_word(items: list[dict]) -> dict[str, list[str]]:
    """Of the expressions that several results have: their means over BY_WORD."""
    words: dict[str, list[dict]] = {}
    for item in items:
        words.setdefault(item["expression"], []).append(item[RESULT])
    found = {}
    for word, results in words.items():
        if len(results) > 2:
            values = [[result.get(metric) for result in results] for metric in BY_WORD]
            values = [[value for value in each if value is not None] for each in values]
            found[word] = [f"{np.mean(each):.3f}" if each else "-" for each in values]
    return found


def markdown(means: list[Mean]) -> Iterator[str]:
    """A table, a metric a line, a column each method."""
    cells = {(mean.metric, mean.column): str(mean) for mean in means}
    columns = list(dict.fromkeys(mean.column for mean in means))
    metrics = [metric for metric in ALL if any((metric, column) in cells for column in columns)]
    rows = ((metric, *(cells.get((metric, column), "-") for column in columns)) for metric in metrics)
    yield from grid(("metric", *(f"{column} (95 %)" for column in columns)), rows)


def ratios_markdown(found: dict[str, dict[str, float]]) -> Iterator[str]:
    """found: from correlations(), by column"""
    yield from ("Correlation of the action wanted and what the judges' landmarks show:", "")
    rows = ((name, *(str(values.get(name, "-")) for values in found.values())) for name in found[RESULT])
    yield from grid(("ratio", *found), rows)


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table's lines, each row's as soon as it is there."""
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def cells(means: list[Mean], metrics: Sequence[str]) -> dict[str, list[str]]:
    """Each column's means as they are shown, one a metric; "-" where there is none."""
    values = {(mean.column, mean.metric): f"{mean.mean:.3f}" for mean in means}
    columns = dict.fromkeys(mean.column for mean in means)
    return {column: [values.get((column, metric), "-") for metric in metrics] for column in columns}


def write_means(path: Path, means: Iterable[Mean], note: str) -> None:
    """A CSV, after a line with a note."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        file.write(f"# {note}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Mean))
        for mean in means:
            writer.writerow("" if value is None else value for value in astuple(mean))


def read_means(path: Path) -> tuple[list[Mean], str]:
    """What write_means wrote: the means and the note."""
    with open(path, newline="", encoding="utf-8") as file:
        note = file.readline().removeprefix("#").strip()
        rows = list(csv.DictReader(file))
    ends = [[float(row[end]) if row[end] else None for end in ("low", "high")] for row in rows]
    found = [
        Mean(row["column"], row["metric"], float(row["mean"]), *end, int(row["results"]))
        for row, end in zip(rows, ends, strict=True)
    ]
    return found, note


def write_reports(out: Path, settings: dict, items: list[dict], judges: Judges | None = None, note: str = "") -> None:
    """report.json (settings, items, means, correlations), report.md (tables), report.csv (the means, after a note)."""
    means = summarise(items)
    found = {which: correlations(items, which) for which in (*columns_of(items), "photo")}
    found = {which: values for which, values in found.items() if values}
    by = {
        "own networks (they also condition the model) and pixels": list(METRICS),
        "judges: two recognisers, face-api's expressions and landmarks": list(JUDGED) if judges else "not installed",
    }
    table = {column: {} for column in columns_of(items)}
    for mean in means:
        table[mean.column][mean.metric] = [mean.mean, mean.low, mean.high]
    report = {"settings": settings, "metrics": by, "items": items, "means": table, "correlations": found}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    people = len({item["identity"] for item in items})
    write_means(out / "report.csv", means, f"{note}; {len(items)} results of {people} people")
    text = f"{len(items)} results of {people} people, over whom the intervals are. "
    if judges is None:
        text += "Read with the pack's own networks. Left out, because they are not installed: the judges (two "
        text += "recognisers, face-api's expressions and landmarks); `make judges` fetches them.\n\n"
    else:
        text += "Metrics that begin with judge are by judges that took no part in conditioning or training; the others "
        text += "by the pack's own networks.\n\n"
    lines = list(markdown(means))
    if RESULT in found:
        lines += ["", *ratios_markdown(found)]
    if words := by_word(items):
        lines += ["", "Means of the results by expression:", ""]
        lines += grid(("expression", *BY_WORD), ((word, *values) for word, values in words.items()))
    (out / "report.md").write_text(text + "\n".join(lines) + "\n")
