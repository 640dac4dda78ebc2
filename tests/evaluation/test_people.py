import csv

from diffsfsr.evaluation.people import LABELS, find_people, lay_out


def test_layout_pairs_every_selfie_with_another_person(tmp_path):
    assert lay_out(tmp_path) == 10 * len(LABELS)
    with open(tmp_path / "pairs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["identity"], row["expression"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["identity"] != row["background"] and row["expression"] in LABELS
        assert (tmp_path / "identities" / row["identity"]).is_file()
        assert (tmp_path / "backgrounds" / row["background"]).is_file()


def test_people_are_ten():
    assert len([path for path in find_people().iterdir() if path.is_dir()]) == 10
