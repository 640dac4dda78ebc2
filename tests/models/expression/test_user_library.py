import json
import os

import pytest
import torch
from diffsfsr.models.expression.user_library import UserLibrary, build
from diffsfsr.models.faces.mesh import BLENDSHAPES
from diffsfsr.models.pictures import to_pil
from safetensors.torch import save_file

HAPPY, SAD = 1, 2  # cells of openpeople's sheets


class Counting:
    """The face mesh, and how often it was asked."""

    def __init__(self, mesh):
        self.mesh, self.asked = mesh, 0

    def find(self, picture):
        self.asked += 1
        return self.mesh.find(picture)


@pytest.fixture
def mesh(face_mesh):
    return Counting(face_mesh)


@pytest.fixture
def folder(tmp_path, acted):
    """Three faces in two labels, and what is to be left out."""
    root = tmp_path / "photos"
    for name, picture in {
        "joy/P002.png": acted("P002", HAPPY),
        "joy/more/P004.png": acted("P004", HAPPY),
        "gloom/P002.png": acted("P002", SAD),
        "gloom/two.png": torch.cat([acted("P002", SAD), acted("P004", SAD)], dim=2),
        "gloom/empty.png": torch.zeros(3, 64, 64),
        "loose.png": acted("P004", SAD),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        to_pil(picture).save(root / name)
    (root / "joy" / "broken.jpg").write_bytes(b"no picture")
    (root / "joy" / "notes.txt").write_text("no picture either")
    return root


@pytest.fixture
def out(tmp_path):
    return tmp_path / "mine.safetensors"


@pytest.fixture
def poses():
    """A library of four photos whose heads turn by -30, 0, 0 and 40 degrees; the third is rolled."""
    pose = torch.tensor([[-30.0, 0, 0], [0, 0, 0], [1, 0, 45], [40, 10, 0]])
    readings = torch.arange(4.0)[:, None].expand(4, 51) / 10
    return UserLibrary(("joy/a", "joy/b", "joy/c", "gloom/d"), readings, pose, {})


def last(progress):
    *_, end = progress
    return end


def test_a_folder_becomes_a_library_and_says_what_it_left_out(folder, out, mesh, face_mesh, acted):
    end = last(build(folder, out, mesh))
    assert (end.done, end.of, end.kept) == (7, 7, 3)
    library = UserLibrary.load(out)
    assert library.labels == ("gloom", "joy") and library.count("joy") == 2 and library.count("gloom") == 1
    assert library.photos == ("gloom/P002.png", "joy/P002.png", "joy/more/P004.png")
    reasons = library.rejected
    assert reasons["gloom/two.png"] == "2 faces" and reasons["gloom/empty.png"] == "no face found"
    assert reasons["loose.png"] == "lies in no label's folder" and "cannot read" in reasons["joy/broken.jpg"]
    report = json.loads(out.with_suffix(".json").read_text())
    assert report["labels"] == {"gloom": 1, "joy": 2} and report["rejected"] == reasons
    face = face_mesh.find(acted("P002", HAPPY))[0]
    torch.testing.assert_close(library.blendshapes[1], face.blendshapes, atol=0.02, rtol=0)  # the file has 8 bits
    torch.testing.assert_close(library.pose[1], face.pose, atol=0.5, rtol=0)


def test_it_reads_only_what_is_new_changed_or_was_interrupted(folder, out, mesh, acted):
    first = next(iter(build(folder, out, mesh, every=2)))  # stopped after the first save
    assert first.done == 2 and first.of == 7 and mesh.asked == 2
    last(build(folder, out, mesh))
    assert mesh.asked == 5  # the broken and the loose file do not get so far
    whole = UserLibrary.load(out)
    last(build(folder, out, mesh))
    assert mesh.asked == 5
    (folder / "joy" / "P002.png").unlink()
    to_pil(acted("P004", HAPPY)).save(folder / "gloom" / "P002.png")
    os.utime(folder / "gloom" / "P002.png", (1, 1))
    last(build(folder, out, mesh))
    assert mesh.asked == 6
    again = UserLibrary.load(out)
    assert again.photos == ("gloom/P002.png", "joy/more/P004.png") and again.rejected == whole.rejected
    assert torch.equal(again.blendshapes[1], whole.blendshapes[2])
    assert not torch.equal(again.blendshapes[0], whole.blendshapes[0])


def test_retrieval_is_random_by_seed(poses):
    drawn = [poses.random("joy", seed) for seed in range(40)]
    assert drawn == [poses.random("joy", seed) for seed in range(40)]
    assert set(drawn) == {0, 1, 2} and poses.random("gloom", 0) == 3


def test_retrieval_is_nearest_in_yaw_and_pitch(poses):
    assert poses.nearest("joy", torch.tensor([-20.0, 0, 0])) == 0
    assert poses.nearest("joy", torch.tensor([0.9, 0, -45])) == 2  # roll is not counted
    assert poses.nearest("gloom", torch.tensor([-20.0, 0, 0])) == 3


def test_an_expression_is_the_reading_minus_a_neutral(poses):
    expression = poses.expression([2, 3], torch.full((51,), 0.2))
    torch.testing.assert_close(expression.code[:, 0], torch.tensor([0.0, 0.1]))
    assert expression.name == "joy, gloom"
    assert torch.equal(poses.expression([1], poses.blendshapes[1]).code, torch.zeros(1, 51))


def test_an_unknown_label_names_those_that_are_near(poses):
    with pytest.raises(ValueError, match='got "jay", want one of the 2 labels of this library, such as joy'):
        poses.random("jay", 0)


def test_folders_and_names_that_cannot_be_used_are_refused(tmp_path, folder, out, mesh):
    out.with_suffix(".part").mkdir()
    for arguments, error, message in [
        ((folder, out.with_suffix(".part")), ValueError, "want a name that ends in .safetensors"),
        ((folder, tmp_path / ("x" * 240 + ".safetensors")), ValueError, "with 252 letters, want at most 200"),
        ((tmp_path / "none", out), FileNotFoundError, "no folder .*none; want one with a folder for each label"),
        ((folder, out.with_suffix(".json")), ValueError, "want a name that ends in .safetensors"),
        ((folder, tmp_path / "no" / "mine.safetensors"), FileNotFoundError, "no folder .* make it first"),
        ((folder / "joy" / "more", out), ValueError, "holds no label/photo.jpg"),
    ]:
        with pytest.raises(error, match=message):
            last(build(*arguments, mesh))
    assert not mesh.asked and not out.exists()


def test_files_that_are_no_library_are_refused(tmp_path, out):
    with pytest.raises(FileNotFoundError, match="no library .* make it: python cli.py library build"):
        UserLibrary.load(out)
    out.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"cannot read the library mine\.safetensors.*Build it again"):
        UserLibrary.load(out)
    save_file({"pose": torch.zeros(1, 3)}, out)
    with pytest.raises(ValueError, match='no library of this pack .format "None", want "diffsfsr-library-1"'):
        UserLibrary.load(out)
    state = {"blendshapes": BLENDSHAPES, "photos": ["joy/a"], "rejected": {}, "stamps": {}}
    metadata = {"format": "diffsfsr-library-1", "library": json.dumps(state)}
    save_file({"pose": torch.zeros(2, 3), "blendshapes": torch.zeros(2, 51)}, out, metadata=metadata)
    with pytest.raises(ValueError, match="the readings in mine.safetensors are not those of the photos"):
        UserLibrary.load(out)


def test_a_library_that_is_complete_is_not_written_again(folder, out, mesh):
    """So that it may lie in a folder that cannot be written to."""
    last(build(folder, out, mesh))
    written = out.stat().st_mtime_ns, out.stat().st_ino, out.with_suffix(".json").stat().st_ino
    assert last(build(folder, out, mesh)).kept == 3
    assert (out.stat().st_mtime_ns, out.stat().st_ino, out.with_suffix(".json").stat().st_ino) == written
    (folder / "joy" / "P002.png").unlink()
    assert last(build(folder, out, mesh)).kept == 2 and UserLibrary.load(out).count("joy") == 1


@pytest.mark.parametrize("change, message", [
    ({"photos": ["joy/a", "joy/a"]}, "not those of the photos"), ({"photos": [1, 2]}, "not those of the photos"),
    ({"photos": None}, "not those of the photos"), ({"rejected": []}, "does not say which photos it left out"),
    ({"stamps": {"joy/a": 3}}, "does not say which photos"), ({"blendshapes": {}}, "other blendshapes"),
])  # fmt: skip
def test_what_a_library_says_of_its_photos_is_checked(out, change, message):
    state = {"blendshapes": BLENDSHAPES, "photos": ["joy/a", "joy/b"], "rejected": {}, "stamps": {}} | change
    tensors = {"pose": torch.zeros(2, 3), "blendshapes": torch.zeros(2, 51)}
    save_file(tensors, out, metadata={"format": "diffsfsr-library-1", "library": json.dumps(state)})
    with pytest.raises(ValueError, match=message):
        UserLibrary.load(out)
    good = json.dumps(state | {"photos": ["joy/a", "joy/b"], "rejected": {}, "stamps": {}, "blendshapes": BLENDSHAPES})
    save_file(tensors | {"blendshapes": torch.full((2, 51), 7.0)}, out,
              metadata={"format": "diffsfsr-library-1", "library": good})  # fmt: skip
    with pytest.raises(ValueError, match="readings outside of 0 to 1"):
        UserLibrary.load(out)
