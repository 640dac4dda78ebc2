import json
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.evaluation.judges.judging import JUDGED, SECOND
from diffsfsr.evaluation.results.evaluate import Triple, check_given, evaluate, file_names, in_part, triples
from diffsfsr.evaluation.results.measures import METRICS, NEAR, Look, detail, seam
from diffsfsr.evaluation.results.methods import classical, read_given
from diffsfsr.evaluation.results.report import code_of
from diffsfsr.evaluation.results.tables import (
    columns_of,
    interval,
    read_means,
    summarise,
    write_means,
    write_reports,
)
from diffsfsr.models.compositing import FEATHER, feather, paste_faces
from diffsfsr.models.pictures import read_picture, to_pil
from diffsfsr.models.pipeline import DiffSFSR


@pytest.fixture(scope="module")
def folders(tmp_path_factory, cell) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("evaluation")
    content = {
        "identities": {"anna": ("P001", "Neutral"), "ben": ("P002", "Neutral")},
        "expressions": {"smile": ("P008", "Happy")},
        "backgrounds": {"scene": ("P001", "Surprised")},
    }
    for folder, pictures in content.items():
        (root / folder).mkdir()
        for name, where in pictures.items():
            to_pil(cell(*where)[0]).save(root / folder / f"{name}.png")
    return {folder: root / folder for folder in content}


def run(model, folders, rows, out, judges):
    places = folders["identities"], str(folders["expressions"]), folders["backgrounds"]
    items = list(evaluate(model, rows, *places, out, seed=0, judges=judges))
    write_reports(out, {"seed": "0"}, items, judges)
    report = json.loads((out / "report.json").read_text())
    assert report["items"] == items and [item["identity"] for item in items] == [row.identity for row in rows]
    return report, (out / "report.md").read_text()


def test_all_combinations_or_those_of_a_list(folders, tmp_path):
    places = folders["identities"], str(folders["expressions"]), folders["backgrounds"]
    rows = triples(*places, pairs=None, limit=None, seed=0)
    assert sorted(file_names(rows)) == ["anna__smile__scene", "ben__smile__scene"]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("identity,expression,background\nben.png,joy,scene.png\n")
    assert triples(*places, pairs=pairs, limit=5, seed=0) == [Triple("ben.png", "joy", "scene.png")]
    assert len(triples(folders["identities"], "labels", folders["backgrounds"], None, None, 0)) == 2 * 135


def test_so_many_are_drawn_as_are_wanted_and_no_more(folders):
    places = folders["identities"], "labels", folders["backgrounds"]
    some = triples(*places, None, 5, 3)
    assert len(set(some)) == 5 and some == triples(*places, None, 5, 3) != triples(*places, None, 5, 4)
    assert len(set(triples(*places, None, None, 0))) == 2 * 135
    with pytest.raises(ValueError, match="got --limit 0"):
        triples(*places, None, 0, 0)


def test_photos_of_one_name_have_results_of_their_own(folders, tmp_path):
    rows = [Triple("a.jpg", "joy", "x.png"), Triple("a.png", "joy", "x.png"), Triple("b.png", "joy", "x.png")]
    assert file_names(rows) == ["a.jpg__joy__x.png", "a.png__joy__x.png", "b__joy__x"]
    assert file_names([*rows, rows[2]])[2:] == ["b__joy__x"] * 2  # the same result
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("identity,background\nben.png,scene.png\n")
    with pytest.raises(ValueError, match=r"lacks the columns \['expression'\]"):
        triples(folders["identities"], "labels", folders["backgrounds"], pairs, None, 0)


def test_likeness_is_read_from_the_face_asked_for(model, cell):
    """Beside a larger one, which is somebody else's."""
    small, large = (cell(person, "Neutral")[0] for person in ("P001", "P002"))
    alone = F.pad(F.interpolate(small[None], size=(150, 150), mode="area")[0], (30, 30, 75, 75), value=-1.0)
    both = torch.cat([large, alone], dim=-1)
    faces = model.encoders.mesh.find(both)
    assert len(faces) == 2 and faces[0].points[:, 0].max() < 300 < faces[1].points[:, 0].min()
    found = [code_of(model, both, face) for face in faces]
    want = code_of(model, alone, model.encoders.mesh.find(alone)[0])
    assert (found[1] - want).norm() < 0.2 * (found[0] - want).norm()


def test_without_judges_they_are_left_out_and_named(model, folders, tmp_path):
    report, text = run(model, folders, [Triple("ben.png", "joy", "scene.png")], tmp_path, None)
    assert (tmp_path / "results" / "ben__joy__scene.png").is_file()
    item = report["items"][0]
    assert set(item["result"]) == set(item["appearance 0"]) == {*METRICS, "wanted", "seconds"}
    assert set(item["unchanged"]) == {*METRICS, "wanted"}
    assert item["unchanged"]["detail"] == item["unchanged"]["detail_near_scene"] == 1
    assert "random" not in item  # there is no other row to take a wish from
    assert item["unchanged"]["face_found"] == 1 and item["unchanged"]["changed_outside"] == 0
    assert item["result"]["changed_outside"] == 0
    assert "not installed" in text and "make judges" in text and "judge_same" not in text
    assert report["metrics"]["judges: two recognisers, face-api's expressions and landmarks"] == "not installed"


def test_rows_that_are_there_are_not_drawn_again(model, folders, tmp_path):
    rows = [Triple("anna.png", "joy", "scene.png"), Triple("ben.png", "joy", "scene.png")]
    first, _ = run(model, folders, rows[:1], tmp_path, None)
    drawn = tmp_path / "results" / "anna__joy__scene.png"
    before = drawn.stat().st_mtime_ns
    both, _ = run(model, folders, rows, tmp_path, None)
    assert both["items"][0] == first["items"][0] and drawn.stat().st_mtime_ns == before
    drawn.unlink()
    run(model, folders, rows, tmp_path, None)
    assert drawn.is_file() and len((tmp_path / "items.jsonl").read_text().splitlines()) == 4
    with pytest.raises(ValueError, match="results of other settings"):
        list(evaluate(model, rows, folders["identities"], "labels", folders["backgrounds"], tmp_path, seed=1))


def test_parts_share_the_rows_and_come_together(model, folders, tmp_path):
    rows = [Triple(name, "joy", "scene.png") for name in ("anna.png", "ben.png")]
    given = model, rows, folders["identities"], "labels", folders["backgrounds"], tmp_path
    parts = [list(evaluate(*given, seed=0, paint=False, part=(i, 2))) for i in (2, 1)]
    assert [item["identity"] for part in parts for item in part] == ["ben.png", "anna.png"]
    assert (tmp_path / "sheet.jpg").is_file()  # drawn by the last part
    assert list(evaluate(*given, seed=0, paint=False)) == parts[1] + parts[0]
    assert [in_part(list(range(7)), (i, 3)) for i in (1, 2, 3)] == [[0, 1], [2, 3], [4, 5, 6]]
    for wrong in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="want 1 to the number"):
            in_part(rows, wrong)


def test_methods_are_added_to_rows_that_are_there(model, folders, tmp_path):
    rows = [Triple("ben.png", "joy", "scene.png")]
    given = model, rows, folders["identities"], "labels", folders["backgrounds"], tmp_path
    first = list(evaluate(*given, seed=0, paint=False))[0]
    drawn = tmp_path / "results" / "ben__joy__scene.png"
    before = drawn.stat().st_mtime_ns
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    shutil.copyfile(folders["backgrounds"] / "scene.png", theirs / drawn.name)
    how = {"seed": 0, "paint": False, "beside": ["painter", "warp", "classical"], "others": {"theirs": theirs}}
    item = list(evaluate(*given, **how))[0]
    assert drawn.stat().st_mtime_ns == before and item["result"] == first["result"]
    assert "appearance 0" not in item  # no painter was wanted
    assert item["theirs"]["identity_cosine"] == item["unchanged"]["identity_cosine"]  # it is the scene itself
    assert item["theirs"]["seams"] == 1 and "seconds" not in item["theirs"]
    assert item["warp"]["identity_cosine"] == pytest.approx(item["result"]["identity_cosine"], abs=1e-3)
    assert {path.parent.name for path in (tmp_path / "faces").rglob("*.png")} == {"warp", "classical"}
    assert list(evaluate(*given, **how)) == [item]
    means = summarise([item])
    assert columns_of([item]) == ["result", "warp", "classical", "theirs", "unchanged"]
    write_means(tmp_path / "means.csv", means, "weights small")
    assert read_means(tmp_path / "means.csv") == (means, "weights small")


def test_a_classical_swap_brings_the_person_and_keeps_the_scene(cell):
    """P002's face in P001's picture, read with the bundled recognisers."""
    whole = DiffSFSR.load("mini")
    who, background = whole.identity([cell("P002", "Neutral")[0]]), whole.background(cell("P001", "Neutral")[0])
    swapped = paste_faces(classical(who.appearances[0], background), background)[0]
    look, before = (Look.at(whole, picture, background) for picture in (swapped, background.pictures[0]))
    assert (look.code * who.code).sum() > (before.code * who.code).sum() + 0.5
    assert look.changed == 0 and look.seam < 1.5 * before.seam


def test_pictures_of_something_else_are_of_the_scenes_shape(model, folders, tmp_path):
    background = model.background(read_picture(folders["backgrounds"] / "scene.png"))
    size = background.pictures.shape[-1]
    to_pil(background.pictures[0]).resize((2 * size, 2 * size)).save(tmp_path / "twice.png")
    to_pil(background.pictures[0]).crop((0, 0, size, size // 2)).save(tmp_path / "half.png")
    found = read_given(tmp_path, "twice", background)
    assert found.shape == (3, size, size) and (found - background.pictures[0]).abs().mean() < 0.02
    assert read_given(tmp_path, "none", background) is None
    with pytest.raises(ValueError, match="want the whole scene"):
        read_given(tmp_path, "half", background)
    with pytest.raises(ValueError, match="found no picture of any row"):
        check_given({"theirs": tmp_path}, [Triple("a.png", "joy", "scene.png")])
    with pytest.raises(ValueError, match="would hide another column"):
        check_given({"warp": tmp_path}, [Triple("a.png", "joy", "scene.png")])


def test_detail_is_what_a_blur_takes_away(model, cell):
    picture = cell("P001", "Neutral")[0]
    background = model.background(picture)
    look = Look.at(model, picture, background)
    soft = F.avg_pool2d(F.pad(picture[None], [3] * 4, mode="reflect"), 7, 1)[0]
    around, blurred = (Look.at(model, each, background).crop[None] for each in (picture, soft))
    own = detail(around, look.face, background)
    assert own == look.detail and detail(blurred, look.face, background) / own < NEAR[0] / 2
    assert detail(0.5 * around, look.face, background) == pytest.approx(own / 2, rel=1e-3)


def test_a_seam_is_a_step_at_the_border_and_nowhere_else(model, cell):
    background = model.background(cell("P001", "Neutral")[0])
    own = Look.at(model, background.pictures[0], background)
    around = own.crop[None]
    soft = feather(background.mask, FEATHER * background.mask.shape[-1])
    soft = F.interpolate(soft, size=(512, 512), mode="bilinear", align_corners=False)
    assert seam(around, background) == own.seam > 0
    hard, softly, faint = (seam(around + x, background) for x in (0.5 * (soft > 0.5), 0.5 * soft, 0.1 * soft))
    assert hard > softly > 1.3 * own.seam and faint < 1.2 * own.seam
    noise = torch.randn(around.shape, generator=torch.Generator().manual_seed(0))
    assert seam(around + 0.3 * noise * (soft == 1), background) < 1.2 * own.seam  # inside of the face, no seam
    assert seam(torch.zeros_like(around), background) == 0
    assert seam(around + 0.2, background) == pytest.approx(own.seam, rel=1e-4)


def test_rows_of_one_person_belong_together():
    people = ["anna"] * 50 + ["ben"] * 50
    mean, low, high = interval(people, [0.0] * 50 + [1.0] * 50)
    assert (mean, low, high) == (0.5, 0, 1)  # two people tell little, however many rows they have
    _, low, high = interval([str(i) for i in range(100)], [0.0] * 50 + [1.0] * 50)
    assert 0.38 < low < 0.45 and 0.55 < high < 0.62


def test_judges_measure_beside_the_own_networks(model, folders, judges, tmp_path):
    rows = [Triple("anna.png", "smile.png", "scene.png"), Triple("ben.png", "joy", "scene.png")]
    report, text = run(model, folders, rows, tmp_path, judges)
    assert all(f"| {metric} |" in text for metric in METRICS + (JUDGED if judges.second else JUDGED[: -len(SECOND)]))
    anna, ben = (item["unchanged"] for item in report["items"])
    assert anna["judge_same"] == anna["judge_top1"] == 1  # it is her, with another face
    assert anna["judge_emotion_same"] == 0 and anna["judge_ratio_error"] > 0.03
    assert ben["judge_same"] == ben["judge_top1"] == ben["judge_nearer_than_background"] == 0
    assert ben["judge_emotion_same"] is None and ben["judge_pose_error_deg"] == 0
    assert anna["wanted"]["mouth_corners_up"] > 0.5
    first, second = report["items"]
    assert first["random"]["wanted"] == second["result"]["wanted"] != first["result"]["wanted"]
    assert first["random"]["pose_error_deg"] == first["result"]["pose_error_deg"]
    assert report["means"]["unchanged"]["judge_top1"][0] == 0.5
    assert first["photo"]["wanted"] == first["result"]["wanted"] and "photo" not in second  # a word has none
    assert first["photo"]["judge_ratios"]["mouth_width"] > first["unchanged"]["judge_ratios"]["mouth_width"]  # a smile
