import json
import shutil
import zipfile

import pytest
import torch
from diffsfsr.models.frames import FRAMES, five_points
from diffsfsr.training.data.prepare import prepare
from diffsfsr.training.data.shards import Progress, Shards, frame_of, names_in

KEPT = ["P001/0.jpg", "P001/1.jpg", "P002/0.jpg", "P002/1.jpg", "P003/0.jpg", "P003/1.jpg"]


@pytest.fixture(scope="module")
def prepared(photos, face_mesh, tmp_path_factory):
    """The folder and what was said on the way."""
    out = tmp_path_factory.mktemp("prepared")
    return out, list(prepare(photos, out, face_mesh, shard=2))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_faces_are_kept_in_shards_and_the_rest_is_listed_with_reasons(prepared):
    out, progress = prepared
    assert progress[0] == Progress(1, 1, 0, 9) and progress[-1] == Progress(done=9, kept=6, rejected=3, total=9)
    assert sorted(contents(out)) == ["00000.safetensors", "00001.safetensors", "00002.safetensors", "rejects.json"]
    assert [name for shard in sorted(out.glob("*.safetensors")) for name in names_in(shard)] == KEPT
    rejects = json.loads((out / "rejects.json").read_text())["rejects"]
    assert rejects.keys() == {"P002/broken.jpg", "P002/text.jpg", "P002/wall.png"}
    assert rejects["P002/wall.png"] == "no face"
    assert "cannot read P002/broken.jpg as a picture" in rejects["P002/broken.jpg"]
    assert "it is none" in rejects["P002/text.jpg"]


def test_shards_hold_what_training_needs(prepared):
    shards = Shards(prepared[0])
    data = {key: shards.all(key) for key in shards.keys}
    assert shards.names == KEPT and not shards.rendered
    assert {key: (tuple(value.shape), value.dtype) for key, value in data.items()} == {
        "crop": ((6, 3, 128, 128), torch.uint8), "inside": ((6, 1, 128, 128), torch.uint8),
        "face": ((6, 3, 112, 112), torch.uint8), "points": ((6, 478, 2), torch.float32),
        "blendshapes": ((6, 51), torch.float32), "pose": ((6, 3), torch.float32),
    }  # fmt: skip
    away = five_points(data["points"]) - torch.tensor(FRAMES["mini-128"].points)
    assert away.norm(dim=-1).max() < 10
    smile = data["blendshapes"][:, 43]  # mouthSmileLeft: the second photo of each person is the happy one
    assert (smile[1::2] > smile[::2]).all()


def test_frame_and_face_show_the_same_at_their_places(prepared):
    """mini-128 is arcface-112 moved by 8 pixels to the right, unscaled."""
    shards = Shards(prepared[0])
    a, b = shards.all("crop")[:, :, :112, 8:120].float(), shards.all("face").float()
    assert (a - b).abs().max() <= 1


def test_crop_knows_where_the_photo_ends(photos, face_mesh, tmp_path):
    from PIL import Image

    with Image.open(photos / "P001" / "0.jpg") as photo:
        photo.crop((0, 62, photo.width, 125)).save(tmp_path / "close.png")  # brows to chin
    list(prepare(tmp_path, tmp_path / "out", face_mesh))
    inside = Shards(tmp_path / "out").all("inside")[0, 0]
    assert set(inside.unique().tolist()) == {0, 1} and inside[64, 64] == 1 and inside[0, 64] == 0


def test_archive_gives_the_same_as_folder(photos, prepared, face_mesh, tmp_path):
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in photos.rglob("*"):
            file.write(path, path.relative_to(photos))
    list(prepare(archive, tmp_path / "out", face_mesh, shard=2))
    assert contents(tmp_path / "out") == contents(prepared[0])


@pytest.mark.parametrize("stop", ["after a shard", "in a shard", "before the position was written"])
def test_interrupted_and_run_again_it_is_as_if_nothing_had_happened(photos, prepared, face_mesh, tmp_path, stop):
    steps, position = prepare(photos, tmp_path, face_mesh, shard=2), None
    for step in steps:
        if step.kept == 2 and position is None:
            position = (tmp_path / "rejects.json").read_text()
        if step.kept == {"after a shard": 2, "in a shard": 3}.get(stop, 4):
            break
    if stop == "before the position was written":
        (tmp_path / "rejects.json").write_text(position)
    steps.close()
    again = list(prepare(photos, tmp_path, face_mesh, shard=2))
    assert contents(tmp_path) == contents(prepared[0])
    assert again == prepared[1][-len(again) :]


def test_photos_that_are_added_are_read_and_none_is_lost(photos, prepared, face_mesh, tmp_path):
    """Added before those that are there already, and among them."""
    source = tmp_path / "photos"
    (source / "P002").mkdir(parents=True)
    for name in ("P002/0.jpg", "P002/wall.png"):
        shutil.copyfile(photos / name, source / name)
    *_, last = prepare(source, tmp_path / "out", face_mesh, shard=2)
    assert (last.kept, last.rejected) == (1, 1)
    shutil.copytree(photos, source, dirs_exist_ok=True)
    *_, last = prepare(source, tmp_path / "out", face_mesh, shard=2)
    assert last == Progress(done=9, kept=6, rejected=3, total=9)
    shards, whole = Shards(tmp_path / "out"), Shards(prepared[0])
    assert sorted(shards.names) == KEPT
    order = [shards.names.index(name) for name in whole.names]
    for key in whole.keys:
        assert torch.equal(shards.rows(key, order), whole.all(key)), key


def test_another_frame_is_refused_in_a_folder_that_has_one(photos, prepared, face_mesh, tmp_path):
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    for state in ("as it is", "of an older version"):
        if state == "of an older version":  # which does not name its frame
            (tmp_path / "rejects.json").write_text(json.dumps({"photos": 9, "rejects": {}}))
        with pytest.raises(ValueError, match='holds photos in the frame "mini-128", got --frame ffhq-256'):
            list(prepare(photos, tmp_path, face_mesh, frame="ffhq-256"))
    assert frame_of([tmp_path]) == "mini-128"


def test_run_again_after_the_end_it_does_nothing(photos, prepared, face_mesh):
    before = contents(prepared[0])
    assert list(prepare(photos, prepared[0], face_mesh, shard=2)) == []
    assert contents(prepared[0]) == before


def test_photos_of_which_none_is_usable_are_listed_too(face_mesh, tmp_path):
    (tmp_path / "a.jpg").write_text("nothing")
    assert list(prepare(tmp_path, tmp_path / "out", face_mesh)) == [Progress(done=1, kept=0, rejected=1, total=1)]
    assert "a.jpg" in json.loads((tmp_path / "out" / "rejects.json").read_text())["rejects"]
    with pytest.raises(ValueError, match="holds no prepared photos; run `python cli.py prepare"):
        Shards(tmp_path / "out")


def test_what_cannot_be_done_is_refused(photos, face_mesh, tmp_path):
    with pytest.raises(ValueError, match="holds no pictures"):
        list(prepare(tmp_path, tmp_path / "out", face_mesh))
    with pytest.raises(ValueError, match='got frame "giant", want one of arcface-112, mini-128'):
        list(prepare(photos, tmp_path / "out", face_mesh, frame="giant"))
