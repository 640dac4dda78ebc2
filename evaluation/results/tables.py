"""Means with their intervals, and correlations, of what was measured: report.json and report.md (ours)."""

import json
from pathlib import Path

import numpy as np

from ..judges.judging import JUDGED, correlations
from ..judges.networks import Judges
from .measures import METRICS

COLUMNS = ("result", "appearance 0", "unchanged", "random")
BY_WORD = ("expression_correlation", "judge_distance", "detail", "detail_near_scene")
RESAMPLES = 2000


def summarise(items: list[dict]) -> dict[str, dict[str, list[float]]]:
    """For each of COLUMNS, of each metric: mean, and the ends of its 95 % interval."""
    table: dict[str, dict[str, list[float]]] = {}
    for which in COLUMNS:
        table[which] = {}
        for metric in METRICS + JUDGED:
            found = [(item["identity"], item[which].get(metric)) for item in items if which in item]
            found = [(person, value) for person, value in found if value is not None]
            if found:
                table[which][metric] = [round(value, 4) for value in interval(*zip(*found, strict=True))]
    return table


def interval(people: list[str], values: list[float]) -> tuple[float, float, float]:
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
        words.setdefault(item["expression"], []).append(item["result"])
    found = {}
    for word, results in words.items():
        if len(results) > 2:
            values = [[result.get(metric) for result in results] for metric in BY_WORD]
            values = [[value for value in each if value is not None] for each in values]
            found[word] = [f"{np.mean(each):.3f}" if each else "-" for each in values]
    return found


def write_reports(out: Path, settings: dict, items: list[dict], judges: Judges | None = None) -> None:
    """report.json (settings, items, means, correlations) and report.md (the same as tables)."""
    means = summarise(items)
    found = {which: correlations(items, which) for which in (*COLUMNS, "photo")}
    found = {which: values for which, values in found.items() if values}
    by = {
        "own networks (they also condition the model) and pixels": list(METRICS),
        "judges: dlib's recogniser, face-api's expressions and landmarks": list(JUDGED) if judges else "not installed",
    }
    report = {"settings": settings, "metrics": by, "items": items, "means": means, "correlations": found}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    text = f"{len(items)} results of {len({item['identity'] for item in items})} people, over whom the intervals are. "
    if judges is None:
        text += "Read with the pack's own networks. Left out, because they are not installed: the judges (dlib's "
        text += "recogniser, face-api's expressions and landmarks); `make judges` fetches them.\n\n"
    else:
        text += (
            "Metrics that begin with judge_ are by judges that took no part in conditioning or training; the others "
        )
        text += "by the pack's own networks.\n\n"
    lines = [f"| metric | {' | '.join(f'{which} (95 %)' for which in COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    for metric in METRICS + (JUDGED if judges else ()):
        if not any(metric in means[which] for which in COLUMNS):
            continue
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
    if words := by_word(items):
        lines += ["", "Means of the results by expression:", ""]
        lines += [f"| expression | {' | '.join(BY_WORD)} |", "|---" * (1 + len(BY_WORD)) + "|"]
        lines += [f"| {word} | {' | '.join(values)} |" for word, values in words.items()]
    (out / "report.md").write_text(text + "\n".join(lines) + "\n")
