"""The pages of results are what the numbers beside them make."""

import shutil
from pathlib import Path

import pytest
from diffsfsr.cli import main
from diffsfsr.evaluation.results.cases import COMPARED
from diffsfsr.evaluation.results.fingerprint import fingerprint
from diffsfsr.evaluation.results.page import DOCS, METHODS, renew, take
from diffsfsr.evaluation.results.pictures import one_each, worst
from diffsfsr.evaluation.results.tables import Mean, write_means
from diffsfsr.evaluation.results.trainings import LESS

MEANS = [
    Mean("result", "judge_distance", 0.4, 0.3, 0.5, 40), Mean("result", "judge_same", 0.9, 0.8, 1.0, 40),
    Mean("result", "realism", 1.25, None, None, 40), Mean("unchanged", "judge_distance", 0.8, 0.7, 0.9, 40),
    Mean("ReActor", "judge_distance", 0.5, 0.4, 0.6, 39), Mean("random", "judge_distance", 0.7, 0.7, 0.7, 40),
]  # fmt: skip
PAGE = "before\n<!-- made of some: {} -->\nold\n<!-- end -->\nafter\n"


@pytest.fixture
def docs(tmp_path) -> Path:
    (tmp_path / "results").mkdir()
    write_means(tmp_path / "results" / "some.csv", MEANS, f"{fingerprint()}; 40 results of 10 people")
    return tmp_path


def test_the_pages_are_renewed(tmp_path):
    """If this fails: `make results`, which also says which tables are older than the bundled weights."""
    shutil.copytree(DOCS / "results", tmp_path / "results")
    shutil.copy(DOCS / "results.md", tmp_path)
    assert renew(tmp_path) == []


def test_a_table_of_methods(docs):
    (docs / "results.md").write_text(PAGE.format("methods"))
    assert renew(docs) == ["results.md"] and renew(docs) == []
    text = (docs / "results.md").read_text()
    assert text.startswith("before\n") and text.endswith("<!-- end -->\nafter\n") and "\nold\n" not in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[1:]] == [METHODS["unchanged"], "ReActor", METHODS["result"]]
    assert rows[-1][1:] == ["0.400 (0.300 to 0.500)", "0.90 (0.80 to 1.00)", "1.25"]
    assert rows[1][2] == "-" and "40 results of 10 people" in text and "Older" not in text


def test_marks_are_met_or_missed(docs):
    (docs / "results.md").write_text(PAGE.format("marks"))
    renew(docs)
    lines = (docs / "results.md").read_text().splitlines()
    met = {line.split("|")[1].strip(): line.split("|")[4].strip() for line in lines if line.startswith("| ")}
    assert met["distance to the identity, dlib"] == "met" and met["the same person for dlib"] == "**missed**"
    assert "seams: gradient across the border against the scene's own" not in met  # not measured


def test_numbers_of_other_weights_are_called_old(docs):
    write_means(docs / "results" / "some.csv", MEANS, "weights mini 00000000, retoucher 00000000; 4 results")
    (docs / "results.md").write_text(PAGE.format("methods"))
    renew(docs)
    assert "**Older than the bundled weights**: mini, retoucher changed since." in (docs / "results.md").read_text()


def test_claims_follow_from_curves(docs):
    (docs / "results.md").write_text(PAGE.format("claims").replace("some", "curves"))
    renew(docs)
    lines = (docs / "results.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == 1 + 6 and sum("not measured yet" in line.split("|")[3] for line in table) == 5

    def write(name: str, values: dict[str, float]) -> None:
        metrics = "judge_likeness", "judge2_cosine", "expression_correlation", "pose_error_deg"
        means = [
            Mean(setting, metric, value, None, None, 10) for setting, value in values.items() for metric in metrics
        ]
        (docs / "results" / "curves").mkdir(exist_ok=True)
        write_means(docs / "results" / "curves" / f"{name}.csv", means, fingerprint())

    write("identities", {"compound": 0.5, "a alone": 0.4, "b alone": 0.3})
    write("expressions", {"one of 135 words": 0.5, "one of 6 words": 0.6, "neutral": 0.3})
    write("backgrounds", {"given": 0.6, "given and blended": 0.9, "blended": 0.5})  # likelier, and worse in pose
    renew(docs)
    holds = [line.split("|")[3].strip() for line in (docs / "results.md").read_text().splitlines() if "| " in line][1:]
    assert [holds[i].split(";")[0] for i in (0, 1, 3)] == ["yes", "no", "in part"]


def test_claims_follow_from_trainings(docs):
    """Where an interval leaves 0 out; head pose is better if it is less."""
    (docs / "results.md").write_text(PAGE.format("claims").replace("some", "curves"))
    apart = {
        "the same photo": {name: (0.01, 0.03) for name in COMPARED},
        "resnet-face alone": {"judge_likeness": (-0.03, -0.01), "judge2_cosine": (-0.02, 0.01)},
        "resnet-inner alone": {"judge_likeness": (-0.03, 0.01), "judge2_cosine": (-0.02, 0.01)},
        "the background blended in": dict.fromkeys(COMPARED, (-0.03, -0.01)),  # also a better pose
    }
    means = [
        Mean(f"{run}{LESS}as bundled", metric, sum(ends) / 2, *ends, 40)
        for run, values in apart.items()
        for metric, ends in values.items()
    ]
    estimates = [  # the losses' estimates are compared with each other, not with a training without losses
        Mean(f"losses on {name}{LESS}losses on {other}", metric, *(sign * x for x in (0.02, 0.01, 0.03)), 40)
        for other, sign in (("improved midpoint", -1), ("another", 1))
        for name in ("one step", "midpoint")
        for metric in COMPARED
    ]
    (docs / "results" / "curves").mkdir(exist_ok=True)
    write_means(docs / "results" / "curves" / "trainings.csv", means, fingerprint())
    write_means(docs / "results" / "curves" / "estimates.csv", estimates, fingerprint())
    renew(docs)
    lines = [line for line in (docs / "results.md").read_text().splitlines() if line.startswith("| ")][1:]
    holds = [line.split("|")[3].strip() for line in lines]
    assert holds[2].endswith("in part, by trainings") and "in place of losses on improved midpoint" in lines[2]
    assert holds[4] == "no" and "+0.020 (+0.010 to +0.030)" in lines[4]
    assert holds[0].endswith("in part, by trainings") and holds[3].endswith("in part, by trainings")


def test_what_cannot_be_made_is_named(docs, tmp_path, capsys):
    (docs / "results.md").write_text(PAGE.format("poem"))
    with pytest.raises(ValueError, match="got a table of the kind 'poem'"):
        renew(docs)
    with pytest.raises(FileNotFoundError, match="measure first"):
        take(tmp_path / "report.csv", "some", docs)
    (docs / "results.md").write_text(PAGE.format("methods").replace("some", "none"))
    renew(docs)
    assert "\nNot measured yet.\n" in (docs / "results.md").read_text()
    assert main(["page", "--take", "kept"]) == 2 and "want NAME=DIR" in capsys.readouterr().err


def test_ten_are_shown_and_the_worst():
    def item(person: str, label: str, distance: float | None) -> dict:
        values = dict.fromkeys(("judge_distance", "judge2_cosine", "expression_correlation", "seams"), distance)
        if distance is not None:
            values |= {"judge2_cosine": -distance, "expression_correlation": -distance}
        return {"identity": person, "expression": label, "result": values | {"face_found": float(distance is not None)}}

    labels = ("joy", "anger", "surprise", "sadness")
    items = [item(f"P{i}", label, i + j / 10) for i in range(3) for j, label in enumerate(labels)]
    assert [(each["identity"], each["expression"]) for each in one_each(items)] == [
        (f"P{i}", labels[i]) for i in range(3)
    ]
    assert [each["result"]["judge_distance"] for each in worst(items, 2)] == [2.3, 2.2]
    assert worst([*items, item("P9", "joy", None)], 2)[0]["identity"] == "P9"
