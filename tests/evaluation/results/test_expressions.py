import pytest
import torch
from diffsfsr.evaluation.acted import CELLS
from diffsfsr.evaluation.people import find_people
from diffsfsr.evaluation.results.expressions import (
    FITTING,
    chance,
    distances,
    nearest_labels,
    other_people,
    rank_correlation,
)
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.faces.mesh import FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.network.checkpoint import ASSETS


@pytest.fixture(scope="module")
def library():
    return ExpressionLibrary.load(ASSETS / "expressions.json")


def test_rank_correlation_with_a_known_answer():
    a = torch.tensor([1.0, 2, 3, 4])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    # ties share their mean rank: 1.5, 1.5, 3.5, 3.5 against 1, 2, 3, 4
    assert rank_correlation(a, torch.tensor([0.0, 0, 1, 1])) == pytest.approx(4 / (4 * 5) ** 0.5)


def test_distances_are_of_the_nearest_pairs_and_agree_with_the_tree(library):
    found = distances(library)
    apart = [distance for _, _, distance in found.pairs]
    assert len(apart) == 10 and apart == sorted(apart)
    assert apart[0] > 0.35 and found.median > 2 * apart[0]
    assert found.tree_correlation > 0.3 and found.own_cluster > 0.5


def test_a_labels_own_code_is_nearest_to_it(library):
    for label in ("joy", "grief", "contempt"):
        assert nearest_labels(library, library.code(label))[0] == label


def test_chance_is_that_of_drawing_without_return(library):
    assert chance(library, "surprised", drawn=1) == pytest.approx(3 / 135)
    assert chance(library, "shocked", drawn=1) == pytest.approx(20 / 135)
    assert chance(library, "happy") == pytest.approx(1 - 102 * 101 * 100 * 99 * 98 / (135 * 134 * 133 * 132 * 131))


def test_every_acted_face_has_clusters_that_fit(library):
    assert tuple(FITTING) == CELLS[1:]
    assert set().union(*FITTING.values()) <= {library.cluster(label) for label in library.labels}


def test_people_who_took_no_part_are_named_rightly(library):
    """The issue's bound is 70 %, which is below chance; the first label is the stricter test."""
    mesh = FaceMesh.load(find_task_file(), mean_face=torch.eye(478, 3))  # no pose is read here
    cells = list(other_people(library, mesh, find_people()))
    assert len(cells) == 75
    assert sum(cell.hit for cell in cells) / 75 > 0.85
    assert sum(cell.first for cell in cells) / 75 > 0.5
