import pytest
import torch
from diffsfsr.evaluation.judges.face_api import EMOTIONS
from diffsfsr.evaluation.judges.networks import find_judges
from diffsfsr.evaluation.results.references import BASIC, contact_sheet, judge_report, judged, unseen_report
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.expression.references import FILE, References
from diffsfsr.models.faces.mesh import FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.network.checkpoint import ASSETS


@pytest.fixture(scope="module")
def library():
    return ExpressionLibrary.load(ASSETS / "expressions.json")


@pytest.fixture(scope="module")
def references():
    return References.load(ASSETS / FILE)


def test_the_table_of_the_judge_counts_every_picture(library):
    found = torch.full((135, 2, 7), 0.01)
    for row, label in enumerate(library.labels):
        found[row, 0, EMOTIONS.index(BASIC[library.cluster(label)])] = 0.9
    found[:, 1, 0] = 0.9  # the other head is always called neutral
    lines = list(judge_report(library, found))
    assert "135 of 270 pictures (50%; head by head 100%, 0%)" in lines[0]
    assert "| joy | 33 | 33 | 0 | 0 | 0 | 0 | 0 | 50% |" in lines
    assert any(line.startswith("\non neither head (0)") for line in lines)


def test_a_head_that_reads_as_the_codes_agrees_with_them(library):
    codes = torch.stack([library.code(label) for label in library.labels])
    lines = list(unseen_report(library, codes * 0.9))
    assert "correlation with the code 1.00" in lines[0]
    assert "of its cluster" in lines[1]
    assert lines[2].endswith("less: ")


def test_the_judge_sees_the_basic_emotions_on_the_references(library, references):
    judges = find_judges()
    if judges is None:
        pytest.skip("no judges; `make judges` fetches them")
    mesh = FaceMesh.load(find_task_file())
    some = ("joy", "happiness", "anger", "rage", "sadness", "surprise", "astonishment", "sorrow")
    found = judged(references, mesh, judges, some)
    wanted = torch.tensor([EMOTIONS.index(BASIC[library.cluster(label)]) for label in some])
    assert found.shape == (len(some), 2, 7)
    assert (found.argmax(-1) == wanted[:, None]).any(1).sum() >= 5, found


def test_the_sheet_shows_all_labels(library, references):
    sheet = contact_sheet(library, references)
    assert sheet.width > 1500 and sheet.height > 1200
