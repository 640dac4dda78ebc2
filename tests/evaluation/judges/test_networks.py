"""The judges on people who do not exist. Without their weights (`make judges`) all but two tests are skipped."""

import ast
import dataclasses
import math
from pathlib import Path

import pytest
import torch
from diffsfsr.evaluation.judges.networks import RATIOS, SAME_COSINE, SAME_PERSON, Judges
from diffsfsr.models.frames import crop, transform

ROOT = Path(__file__).parents[3]
PEOPLE, CELLS = ("P001", "P002", "P008"), ("Neutral", "Happy", "Sad", "Angry", "Surprised")
JUDGING = {"evaluation", "judges", "judging", "face_api", "dlib", "face_recognition", "faceplugin"}
# iBUG's points from the 18th on (the outline is read otherwise), in MediaPipe's mesh
MESH = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 1, 75, 97, 2, 326, 305, 33, 160, 158, 133, 153, 144,
        362, 385, 387, 263, 373, 380, 61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317,
        14, 87)  # fmt: skip


@pytest.fixture(scope="module")
def verdicts(judges, cell):
    return {(person, name): judges.read(*cell(person, name)) for person in PEOPLE for name in CELLS}


def test_people_are_told_apart_whatever_their_faces_do(verdicts):
    keys = list(verdicts)
    codes = torch.stack([verdicts[key].identity for key in keys])
    for (one, _), row in zip(keys, torch.cdist(codes, codes), strict=True):
        for (other, _), distance in zip(keys, row.tolist(), strict=True):
            assert (distance < SAME_PERSON) == (one == other)


def test_the_second_recogniser_tells_them_apart_as_well(judges, verdicts):
    if judges.second is None:
        pytest.skip("the second recogniser is not installed; run `make judges` (it needs npm)")
    keys = list(verdicts)
    codes = torch.stack([verdicts[key].second for key in keys])
    assert torch.allclose(codes.norm(dim=1), torch.ones(len(codes)), atol=1e-5)
    same = torch.tensor([[one == other for other, _ in keys] for one, _ in keys])
    cosines = codes @ codes.T
    assert cosines[same].min() > max(SAME_COSINE, float(cosines[~same].max()))


@pytest.mark.parametrize("name", CELLS)
def test_expressions_are_named(verdicts, name):
    assert [verdicts[person, name].emotion for person in PEOPLE] == [name.lower()] * len(PEOPLE)
    assert all(verdicts[person, name].emotions.sum() == pytest.approx(1, abs=1e-5) for person in PEOPLE)


def test_landmarks_lie_on_the_mesh(verdicts, cell):
    for (person, name), verdict in verdicts.items():
        mesh = cell(person, name)[1].points[:, :2]
        away = (verdict.points[17:] - mesh[list(MESH)]).norm(dim=-1) / (mesh[263] - mesh[33]).norm()
        assert away.mean() < 0.06 and away.max() < 0.25


def test_ratios_follow_the_face(verdicts):
    def change(name: str, ratio: str, start: str = "Neutral") -> list[float]:
        i = RATIOS.index(ratio)
        return [float(verdicts[p, name].ratios[i] - verdicts[p, start].ratios[i]) for p in PEOPLE]

    assert min(change("Surprised", "mouth_open")) > 0.05
    assert min(change("Happy", "mouth_width")) > 0.05
    assert min(change("Happy", "mouth_corners_up")) > 0.02
    assert min(change("Surprised", "brow_height")) > 0.01
    assert min(change("Surprised", "brow_height", start="Angry")) > 0.03


def test_pose_agrees_with_the_mesh(verdicts, cell):
    for (person, name), verdict in verdicts.items():
        away = (verdict.pose - cell(person, name)[1].pose).abs()
        assert away[0] < 5 and away[1] < 12 and away[2] < 3  # yaw, pitch, roll


def turned_away(pose: torch.Tensor) -> float:
    """Degrees between where the face looks and the camera."""
    return math.degrees(math.acos(math.prod(pose[:2].deg2rad().cos().tolist())))


@pytest.mark.parametrize("angle", [-40, 25])
def test_a_tilted_picture_changes_the_roll_and_nothing_else(judges, cell, verdicts, angle):
    picture, face = cell("P001", "Happy")
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    matrix = torch.tensor([[[cos, -sin, 150 - 150 * cos + 150 * sin], [sin, cos, 150 - 150 * sin - 150 * cos]]])
    tilted = dataclasses.replace(
        face, points=torch.cat([transform(face.points[:, :2], matrix[0]), face.points[:, 2:]], dim=1)
    )
    verdict, upright = judges.read(crop(picture[None], matrix, 300)[0], tilted), verdicts["P001", "Happy"]
    assert float(verdict.pose[2] - upright.pose[2]) == pytest.approx(angle, abs=2)
    assert turned_away(verdict.pose) == pytest.approx(turned_away(upright.pose), abs=3)
    torch.testing.assert_close(verdict.ratios, upright.ratios, atol=0.04, rtol=0)
    assert verdict.emotion == "happy" and (verdict.identity - upright.identity).norm() < 0.3


def test_missing_judges_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no judges in .*run `make judges`"):
        Judges.load(tmp_path / "model")


def test_what_judges_conditions_and_teaches_nothing():
    """No file of models/, nodes/ or training/ imports a judge, from evaluation/ or else, or names its weights."""
    paths = [path for layer in ("models", "nodes", "training") for path in (ROOT / layer).rglob("*.py")]
    assert len(paths) > 20
    for path in paths:
        text = path.read_text(encoding="utf-8")
        names = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names |= {part for alias in node.names for part in alias.name.split(".")}
                names |= set((getattr(node, "module", None) or "").split("."))
        assert not names & JUDGING, path
        assert ".judges" not in text and "face_recognition_model" not in text, path
