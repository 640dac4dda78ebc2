"""Numbers from verdicts, on made-up verdicts; the judges' weights are not needed."""

from dataclasses import replace

import pytest
import torch
from diffsfsr.evaluation.judges.judging import ACTIONS, JUDGED, SECOND, Panel, correlations, judged, wanted_actions
from diffsfsr.evaluation.judges.networks import RATIOS, Verdict
from diffsfsr.models.codes import Expression
from diffsfsr.models.faces.mesh import BLENDSHAPES


def verdict(axis: int, emotion: int = 0) -> Verdict:
    return Verdict(
        torch.eye(128)[axis], torch.eye(7)[emotion], torch.zeros(68, 2), torch.full((5,), 0.1), torch.zeros(3),
        torch.eye(512)[axis],
    )  # fmt: skip


@pytest.fixture
def panel() -> Panel:
    """Two people, of whom 1.jpg is wanted, and a photo of someone happy."""
    panel = object.__new__(Panel)
    panel.people = {"0.jpg": verdict(0), "1.jpg": verdict(1)}
    panel.expressions = {"happy.jpg": verdict(2, 1)}
    panel.gallery = torch.stack([person.identity for person in panel.people.values()])
    return panel


def test_a_perfect_result(panel):
    before = verdict(5)
    values = panel.measure(replace(verdict(1, 1)), before, "1.jpg", "happy.jpg")
    assert set(values) == set(JUDGED)
    assert values == {
        "judge_distance": 0, "judge_same": 1, "judge_top1": 1, "judge_nearer_than_background": 1,
        "judge_ratio_error": 0, "judge_emotion_same": 1, "judge_pose_error_deg": 0,
        "judge2_cosine": 1, "judge2_same": 1, "judge2_top1": 1, "judge2_nearer_than_background": 1,
    }  # fmt: skip


def test_the_unchanged_picture(panel):
    """Another person with another face: everything wrong but the pose."""
    before = replace(verdict(0, 3), ratios=torch.full((5,), 0.3))
    values = panel.measure(before, before, "1.jpg", "happy.jpg")
    assert values == {
        "judge_distance": pytest.approx(2**0.5, abs=1e-4), "judge_same": 0, "judge_top1": 0,
        "judge_nearer_than_background": 0, "judge_ratio_error": pytest.approx(0.2), "judge_emotion_same": 0,
        "judge_pose_error_deg": 0,
        "judge2_cosine": 0, "judge2_same": 0, "judge2_top1": 0, "judge2_nearer_than_background": 0,
    }  # fmt: skip


def test_pose_errors_go_round_the_circle(panel):
    found = replace(verdict(1), pose=torch.tensor([10.0, 0.0, 179.0]))
    before = replace(verdict(5), pose=torch.tensor([4.0, 0.0, -179.0]))
    assert panel.measure(found, before, "1.jpg", "joy")["judge_pose_error_deg"] == pytest.approx(8 / 3, abs=1e-3)


def test_without_a_second_recogniser_its_numbers_are_left_out(panel):
    panel.people = {name: replace(person, second=None) for name, person in panel.people.items()}
    values = panel.measure(replace(verdict(1, 1), second=None), verdict(5), "1.jpg", "happy.jpg")
    assert set(values) == set(JUDGED) - set(SECOND)


def test_labels_have_no_example_and_lost_faces_no_numbers(panel):
    values = panel.measure(verdict(1), verdict(5), "1.jpg", "joy")
    assert {"judge_ratio_error", "judge_emotion_same"}.isdisjoint(values)
    lost = judged(panel, None, verdict(5), "1.jpg", "joy")
    assert set(lost) == {*JUDGED, "judge_ratios"} and not any(lost.values())


def test_wanted_actions_read_the_code():
    code = torch.zeros(1, 51)
    code[0, BLENDSHAPES.index("jawOpen")] = 0.5
    code[0, BLENDSHAPES.index("browDownLeft")] = 0.25
    assert wanted_actions(Expression(code)) == {
        "mouth_open": 0.5, "mouth_width": 0, "mouth_corners_up": 0, "eye_open": 0, "brow_height": -0.25,
    }  # fmt: skip
    assert set(ACTIONS) == set(RATIOS)


def test_correlations_over_all_results():
    def item(wanted: float, measured: float | None) -> dict:
        ratios = None if measured is None else dict.fromkeys(RATIOS, 0.2) | {"mouth_open": measured}
        return {"result": {"wanted": dict.fromkeys(RATIOS, wanted), "judge_ratios": ratios}, "unchanged": {}}

    items = [item(0, 0.1), item(0.5, 0.2), item(1, 0.3), item(1, None)]
    assert correlations(items, "result") == {"mouth_open": 1}  # the others never move
    assert correlations(items, "unchanged") == {} and correlations(items[:2], "result") == {}
