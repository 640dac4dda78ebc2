import zipfile

import pytest
from diffsfsr.training.data.photos import Photos, person_of


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    for name in (
        "Ann/b.JPG",
        "Ann/a.png",
        "Ann Lee/a.webp",
        "Ann-Marie/a.jpeg",
        "Bo/album/a.bmp",
        "Bo/notes.txt",
        "x.jpg",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "album.jpg").mkdir()
    return folder


def test_all_pictures_of_a_folder_in_sorted_order_undecoded(folder):
    names = ["Ann Lee/a.webp", "Ann-Marie/a.jpeg", "Ann/a.png", "Ann/b.JPG", "Bo/album/a.bmp", "x.jpg"]
    assert list(Photos(folder)) == [(name, name.encode()) for name in names] and len(Photos(folder)) == 6


def test_zip_and_folder_give_the_same(folder, tmp_path):
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*"), reverse=True):
            file.write(path, path.relative_to(folder))
    assert list(Photos(archive)) == list(Photos(folder))


def test_other_files_are_refused(folder, tmp_path):
    (tmp_path / "broken.zip").write_text("not an archive")
    for source in (folder / "x.jpg", tmp_path / "nowhere", tmp_path / "broken.zip"):
        with pytest.raises(ValueError, match="want a folder of pictures or a .zip of them"):
            list(Photos(source))


@pytest.mark.parametrize("name, person", [("Ann/a.jpg", "Ann"), ("2024/Ann/a.jpg", "Ann"), ("Ann.jpg", "Ann")])
def test_the_folder_names_the_person(name, person):
    assert person_of(name) == person
