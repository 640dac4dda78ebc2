"""Photos for training, from folders or archives; people, never pictures, are split into train and test."""

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def read_photos(source: Path) -> Iterator[tuple[str, bytes]]:
    """Every picture file below a folder or inside a .zip, in the same sorted order for both.

    returns (name, content): the name is the path relative to the source with forward slashes,
            `Person_Name/file.jpg`; the content is the file as it is, not decoded and perhaps broken
    """
    source = Path(source)
    if source.is_dir():
        names = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
        for name in sorted(filter(is_picture, names)):
            yield name, (source / name).read_bytes()
        return
    if not zipfile.is_zipfile(source):
        raise ValueError(f"got {source}, want a folder of pictures or a .zip of them")
    with zipfile.ZipFile(source) as archive:
        for name in sorted(filter(is_picture, archive.namelist())):
            yield name, archive.read(name)


def is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not name.endswith("/")


def person_of(name: str) -> str:
    """The person in a photo: the folder that it lies in, else the file's own name."""
    path = PurePosixPath(name)
    return path.parent.name or path.stem


def test_people(names: list[str]) -> set[str]:
    """The people who take part in no training: every tenth of the sorted names."""
    return set(sorted({person_of(name) for name in names})[9::10])
