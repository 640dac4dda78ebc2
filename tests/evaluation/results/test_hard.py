"""Pictures that are spoiled in fixed ways, and the pairs that are drawn with them."""

import pytest
import torch
from diffsfsr.evaluation.results import hard, spoiling
from diffsfsr.evaluation.results.brought import KINDS
from diffsfsr.evaluation.results.cases import MEASURED, Cast
from diffsfsr.evaluation.results.tables import read_means
from diffsfsr.models.faces.mesh import BLENDSHAPES
from diffsfsr.models.pixels import from_bytes, to_bytes
from PIL import Image


@pytest.fixture(scope="module")
def face(cell):
    picture, face = cell("P002", "Neutral")
    return picture, face.points[:, :2]


def test_ways_of_spoiling_do_what_they_say(model, face):
    picture, points = face
    mesh, (left, top), (right, bottom) = model.encoders.mesh, points.amin(0).int(), points.amax(0).int()
    inside = picture[:, top:bottom, left:right]
    dark = spoiling.darken(picture, 0.12, 0.02)
    assert torch.equal(dark, spoiling.darken(picture, 0.12, 0.02)) and (dark + 1).mean() < 0.45 * (picture + 1).mean()
    lit = spoiling.side_light(picture, points)[:, top:bottom, left:right]
    middle = inside.shape[2] // 2
    assert (lit + 1)[..., :middle].mean() > 1.5 * (lit + 1)[..., middle:].mean() and lit[..., :9].mean() > inside[
        ..., :9
    ].mean()
    grey = spoiling.grey(picture)
    assert torch.equal(grey[0], grey[1]) and torch.equal(grey[1], grey[2])
    (found,) = mesh.find(spoiling.small(picture, points))
    assert float(found.points[:, 1].max() - found.points[:, 1].min()) == pytest.approx(spoiling.SMALL, abs=4)
    for spoiled in (spoiling.glasses(picture, points), spoiling.painting(picture)):
        (found,) = mesh.find(spoiled)
        away = (found.points[:, :2] - points).norm(dim=-1).mean() / (right - left)
        assert spoiled.shape == picture.shape and away < 0.05 and (spoiled - picture).abs().mean() > 0.005


def test_ways_in_which_scenes_come(face):
    picture, points = face
    assert (spoiling.rolled(picture, 90) - picture.rot90(-1, (1, 2))).abs().max() < 1e-4
    eye, chin = points[[33, 152]].round().int().tolist()
    chin[1] -= 3
    masked = spoiling.masked(picture, points)
    assert torch.equal(masked[:, eye[1], eye[0]], from_bytes(to_bytes(picture))[:, eye[1], eye[0]])
    assert masked[2, chin[1], chin[0]] - masked[0, chin[1], chin[0]] > 0.4  # blue
    for side, x, y in (("chin", *chin), ("right", round(float(points[454, 0])) - 3, eye[1])):
        left = spoiling.cut(picture, points, side)
        assert y >= left.shape[1] or x >= left.shape[2]
    red, blue = (1.0, 0.2, 0.2), (0.2, 0.2, 1.0)
    lit = spoiling.lamps(picture, points, red, blue)
    assert lit[0, :, 0].mean() > lit[2, :, 0].mean() + 0.2 and lit[2, :, -1].mean() > lit[0, :, -1].mean() + 0.2
    toned = spoiling.toned(picture).flatten(1).mean(1)
    assert toned[0] > toned[1] > toned[2]
    flat = torch.zeros_like(picture)
    assert spoiling.grain(flat, 0.1, 1.0).std() == pytest.approx(0.1, rel=0.05)


def test_what_people_bring_has_a_face_in_both_pictures(model):
    pictures = hard.Pictures(model.encoders.mesh)
    names = [pair.name for pairs in KINDS.values() for pair in pairs]
    assert len(set(names)) == len(names)
    for kind, number in (("turned", 2), ("cut", 1)):
        pair = KINDS[kind][number]
        assert pictures.points(pair.photo(pictures)).shape == pictures.points(pair.scene(pictures)).shape == (478, 2)


def test_there_are_twelve_with_a_face_in_both_pictures(model):
    assert len({each.name for each in hard.HARD}) == len(hard.HARD) == 12
    pictures = hard.Pictures(model.encoders.mesh)
    few = [each for each in hard.HARD if each.name in ("eyes closed", "turned scene", "group")]
    found = {each.name: (each.photo(pictures), each.scene(pictures)) for each in few}
    (eyes,) = model.encoders.mesh.find(found["eyes closed"][0], limit=1)
    names = [f"eyeBlink{side}" for side in ("Left", "Right")]
    assert min(eyes.blendshapes[BLENDSHAPES.index(name)] for name in names) > 0.3  # nearly shut
    (turned,) = model.encoders.mesh.find(found["turned scene"][1])
    assert abs(turned.pose[0]) > 15
    assert len(model.encoders.mesh.find(found["group"][1])) == 3


def test_a_sheet_and_a_table_are_written(model, judges, tmp_path):
    lines = list(hard.draw(Cast(model, judges), tmp_path, "weights", hard.HARD[:1]))
    assert lines[0].count("|") == len(MEASURED) + 2 and lines[2].startswith("| glasses |") and len(lines) == 3
    means, note = read_means(tmp_path / "report.csv")
    assert {mean.column for mean in means} == {"glasses"} and note == "weights; 1 cases"
    assert Image.open(tmp_path / "sheet.jpg").width > 1200
    assert Image.open(tmp_path / "glasses.png").size == (768, 768)
