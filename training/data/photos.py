"""Where photos come from: a folder or a .zip of them, one folder a person."""

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


class Photos:
    """Every picture file below a folder or inside a .zip, in the same sorted order for both.

    A name is the path relative to the source with forward slashes, `Person_Name/file.jpg`; a photo's content is the
    file as it is, not decoded and perhaps broken. Iterated over, it gives (name, content).
    """

    def __init__(self, source: Path):
        self.source = Path(source)
        if self.source.is_dir():
            self.archive = None
            found = [path.relative_to(source).as_posix() for path in self.source.rglob("*") if path.is_file()]
        elif zipfile.is_zipfile(source):
            self.archive = zipfile.ZipFile(source)
            found = self.archive.namelist()
        else:
            raise ValueError(f"got {source}, want a folder of pictures or a .zip of them")
        self.names = sorted(filter(is_picture, set(found)))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return ((name, self.read(name)) for name in self.names)

    def read(self, name: str) -> bytes:
        return (self.source / name).read_bytes() if self.archive is None else self.archive.read(name)


def is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not name.endswith("/")


def person_of(name: str) -> str:
    """The person in a photo: the folder that it lies in, else the file's own name."""
    path = PurePosixPath(name)
    return path.parent.name or path.stem
