import json

import pytest
import torch
from diffsfsr.cli import main
from diffsfsr.evaluation.acted import CELLS
from diffsfsr.evaluation.people import find_people
from diffsfsr.evaluation.results import recognition
from diffsfsr.models.frames import FRAMES, align, crop, five_points
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.training.data.split import is_test_person
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    """openpeople's folder with two of its people."""
    folder = tmp_path_factory.mktemp("people")
    for name in ("P001", "P002"):
        (folder / name).symlink_to(find_people() / name)
    return folder


def person(i: int) -> str:
    """A name: every tenth is a test person's."""
    names = (f"person_{i:02}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")
    return next(name for name in names if is_test_person(name) == (i % 10 == 9))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, cell):
    """A prepared folder: every tenth of 30 people, who are the test people, has three faces."""
    folder = tmp_path_factory.mktemp("data") / "acted"
    folder.mkdir()
    rows, names = [], []
    for i in range(30):
        for kind in ("Neutral", "Happy", "Angry") if i % 10 == 9 else ("Neutral", "Happy"):
            picture, face = cell(("P001", "P003", "P008")[i // 10], kind)
            points = face.points[None, :, :2]
            matrix = align(five_points(points), FRAMES["arcface-112"])
            pixels = ((crop(picture[None], matrix, 112)[0] + 1) * 127.5).round().to(torch.uint8)
            whole = ((picture + 1) * 127.5).round().to(torch.uint8)
            rows.append({"face": pixels, "crop": whole, "points": points[0].clone()})
            names.append(f"{person(i)}/{kind}.jpg")
    tensors = {key: torch.stack([row[key] for row in rows]).contiguous() for key in rows[0]}
    save_file(tensors, folder / "00000.safetensors", metadata={"names": json.dumps(names)})
    return folder


@pytest.fixture(scope="module")
def recognisers(tmp_path_factory):
    """The bundled one, and one that has learned nothing."""
    torch.manual_seed(0)
    untrained = tmp_path_factory.mktemp("recognisers") / "untrained.safetensors"
    Recogniser((8, 8, 8, 8), (1, 1, 1), 16).save(untrained)
    return [ASSETS / "resnet-face.safetensors", untrained]


def test_test_people_are_read_alone(prepared):
    faces = recognition.read_shards(prepared, {person(9), person(19)})
    assert faces.people == [person(9)] * 3 + [person(19)] * 3 and faces.pixels.shape == (6, 3, 112, 112)
    with pytest.raises(ValueError, match="acted holds no photos of the people wanted"):
        recognition.read_shards(prepared, {"nobody"})


def test_shares_are_chosen_on_given_people(prepared, recognisers):
    readers = recognition.load_readers(recognisers)
    shares = recognition.choose_shares(readers, [prepared, prepared], {person(0), person(12)})
    assert len(shares) == 2 and sum(shares) == pytest.approx(1) and min(shares) >= 0


def test_the_command_writes_tables_of_all_readers(prepared, recognisers, synthetic, tmp_path, capsys):
    arguments = ["--data", prepared, "--recognisers", *recognisers, "--shares", 3, 1, "--people", synthetic]
    assert main(["verify", *map(str, arguments), "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "verification.json").read_text())
    assert (tmp_path / "verification.md").read_text().strip() == capsys.readouterr().out.strip()
    table = report["verification"]["acted"]
    assert {"resnet-face", "untrained", "compound"} <= set(table) == set(report["retrieval"]) == set(report["drift"])
    assert (table["resnet-face"]["same"], table["resnet-face"]["different"]) == (9, 27)
    assert table["resnet-face"]["accuracy"] == table["resnet-face"]["true_accepts"] == 1
    assert report["retrieval"]["resnet-face"]["top1"] == 1
    assert list(report["drift"]["resnet-face"]["words"]) == list(CELLS[1:])
    assert report["drift"]["resnet-face"]["other"] < report["drift"]["resnet-face"]["mean"] < 1


def test_the_command_refuses_what_it_cannot_use(prepared, recognisers, tmp_path, capsys):
    start = ["verify", "--data", str(prepared), "--recognisers"]
    assert main([*start, str(recognisers[0]), "--shares", "1", "2"]) == 2
    assert "want one for each of resnet-face" in capsys.readouterr().err
    assert main([*start, str(recognisers[0]), str(recognisers[0])]) == 2
    assert "two recognisers of one name" in capsys.readouterr().err
    assert main([*start, str(tmp_path / "none.safetensors")]) == 2
    assert "no recogniser" in capsys.readouterr().err
