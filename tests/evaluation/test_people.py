import csv
import shutil

import pytest
from diffsfsr.evaluation.people import LABELS, find_people, lay_out, lay_out_portraits, lay_out_test_people
from PIL import Image


def test_layout_pairs_every_selfie_with_another_person(tmp_path):
    assert lay_out(tmp_path) == 10 * len(LABELS)
    with open(tmp_path / "pairs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["identity"], row["expression"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["identity"] != row["background"] and row["expression"] in LABELS
        assert (tmp_path / "identities" / row["identity"]).is_file()
        assert (tmp_path / "backgrounds" / row["background"]).is_file()


def test_layout_has_faces_at_rest_for_both_ways(tmp_path):
    lay_out(tmp_path)
    for name, count in (("to_rest", 10), ("from_rest", 20)):
        with open(tmp_path / f"{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == count
        for row in rows:
            assert (tmp_path / "identities" / row["identity"]).is_file()
            assert (row["expression"] in LABELS) != (tmp_path / "expressions" / row["expression"]).is_file()
            assert len({row[column][:4] for column in ("identity", "background", "expression")}) == 3


def test_people_are_ten():
    assert len([path for path in find_people().iterdir() if path.is_dir()]) == 10


TESTED = ("person_04", "person_08", "person_10", "person_14", "person_15", "person_25", "person_34", "person_39")


@pytest.fixture
def photos(tmp_path):
    """40 people, of whom TESTED are test people; the first photo of person_14 shows no face."""
    portrait = Image.open(find_people() / "P001" / "assets" / "studio_portrait.jpg").convert("RGB")
    portrait.thumbnail((256, 256))
    for number in range(1, 41):
        folder = tmp_path / "photos" / f"person_{number:02d}"
        folder.mkdir(parents=True)
        (Image.new("RGB", (64, 64)) if number == 14 else portrait).save(folder / "1.jpg")
    portrait.save(tmp_path / "photos" / "person_14" / "2.jpg")
    return tmp_path / "photos"


def test_test_people_are_laid_out_in_triples_of_three(photos, tmp_path):
    assert lay_out(tmp_path / "out", [photos]) == len(TESTED)
    people = {f"{name}.png" for name in TESTED}
    assert {path.name for path in (tmp_path / "out" / "photos").iterdir()} == people
    for name in ("pairs", "labels"):
        with open(tmp_path / "out" / f"{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["identity"] for row in rows} == {row["background"] for row in rows} == people
        assert all(len({row["identity"], row["expression"], row["background"]}) == 3 for row in rows)


def test_too_few_test_people_are_an_error(photos, tmp_path):
    for folder in sorted(photos.iterdir())[:30]:
        shutil.rmtree(folder)
    with pytest.raises(ValueError, match="at least 3"):
        lay_out_test_people(tmp_path / "out", [photos])


def test_portraits_are_selfies_and_scenes_of_the_people_kept_back(photos, tmp_path):
    assert lay_out_portraits(tmp_path / "out", photos, count=5) == 5
    with open(tmp_path / "out" / "pairs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = {row["identity"] for row in rows}
    assert len(chosen) == 5 and chosen == {row["background"] for row in rows} < {f"{name}.png" for name in TESTED}
    assert all(row["identity"] != row["background"] for row in rows)
    for folder, side in (("identities", 512), ("backgrounds", 1024)):
        assert {Image.open(tmp_path / "out" / folder / name).size for name in chosen} == {(side, side)}
