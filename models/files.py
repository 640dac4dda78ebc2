"""Files of ours, read with care and written whole: .safetensors that name their format, and JSON (ours).

Every reader of the pack goes through here, so that a broken, foreign or malicious file ends in an error in words, at
once, and never as an object with NaN in it. Without torch until a tensor is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

HEADER = 2**22  # bytes of a file's header that are read; ours have 2**18 at most, but for libraries of photos
TEXT = 2**20  # bytes of JSON from outside
LONGEST = 200  # bytes of a file's name, so that a suffix while writing has room
DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "I64": "int64", "U8": "uint8"}
# name -> dtype, then lengths: ("float32", "n", 51); a letter is any length, the same wherever it occurs
Layout = Mapping[str, Sequence]


def read_tensors(
    path: Path,
    what: str,
    formats: Mapping[str, Layout | None],
    again: str,
    *,
    unread: Sequence[str] = (),
    header: int = HEADER,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file of ours, and its metadata. ValueError or FileNotFoundError where it is none.

    what     "identity", "expression", ...: for the words
    formats  those that the metadata may name, with what is in such a file; None for tensors of any name and shape
    again    how to get a good one, for the words: "save it again"
    unread   names of tensors that have to be there, but are left in the file
    header   bytes of a header that is read
    """
    with opened(path, what, formats, again, header=header) as (file, metadata):
        layout = formats[metadata["format"]]
        if layout is not None:
            check_layout(file, layout, f"the {what} {Path(path).name}", again)
        tensors = {key: file.get_tensor(key) for key in file.keys() if key not in unread}  # noqa: SIM118
        for key, tensor in tensors.items():
            check_numbers(tensor, f'"{shown(key)}" of the {what} {Path(path).name}', again)
    return tensors, metadata


@contextmanager
def opened(path: Path, what: str, formats: Iterable[str], again: str, *, header: int = HEADER) -> Iterator:
    """A .safetensors of ours, open, and its metadata; what it raises while open becomes a ValueError in words."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not os.path.isfile(path):  # pathlib's own question raises for impossible names
        raise FileNotFoundError(f"no {what} file {path}; check the path")
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
        if header < size < path.stat().st_size:
            raise ValueError(f"got {path.name} with {size:,} bytes before its numbers, want a file of ours; {again}")
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") not in formats:
                raise ValueError(
                    f'{path.name} is no {what} of this pack (format "{shown(metadata.get("format"))}", want '
                    f'"{" or ".join(formats)}"); choose another file, or update the pack'
                )
            yield file, metadata
    except (SafetensorError, OSError) as error:
        raise ValueError(f"cannot read the {what} {path.name}: {shown(error, 200)}. {again.capitalize()}") from error


def check_layout(file, layout: Layout, place: str, again: str) -> None:
    """ValueError unless an open file has exactly these tensors; none is read for it."""
    found = {}
    for key in file.keys():  # noqa: SIM118
        part = file.get_slice(key)
        found[key] = (DTYPES.get(part.get_dtype(), part.get_dtype()), *part.get_shape())
    free: dict[str, int] = {}
    fits = found.keys() == layout.keys() and all(
        len(found[key]) == len(wanted)
        and all(
            have == (free.setdefault(want, have) if place and isinstance(want, str) else want)
            for place, (have, want) in enumerate(zip(found[key], wanted, strict=True))
        )
        for key, wanted in layout.items()
    )
    if not fits:
        raise ValueError(f"got {_described(found)} in {place}, want {_described(layout)}; {again}")


def check_numbers(tensor: Tensor, place: str, again: str) -> None:
    """ValueError for NaN and infinity."""
    if tensor.is_floating_point() and not all_finite(tensor):
        raise ValueError(f"got NaN or infinite numbers in {place}; {again}")


def all_finite(tensor: Tensor) -> bool:
    """Whether no number is NaN or infinite; without a copy of a large picture, which isfinite() makes."""
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())  # large numbers may have an infinite sum


def parse_json(text: str | bytes, place: str, wanted: str = "a JSON object", most: int = TEXT) -> object:
    """What JSON says; ValueError in words for text that is none, too long, nested too deep, or with endless numbers.

    text  as bytes in UTF-8, 16 or 32, with a byte-order mark or without
    most  bytes or letters that are read
    """
    if len(text) > most:
        raise ValueError(f"got {len(text):,} characters in {place}, want {wanted} of at most {most:,}")
    try:
        return json.loads(text.lstrip("\ufeff") if isinstance(text, str) else text, parse_int=_integer)
    except RecursionError:
        raise ValueError(f"cannot read {place} as JSON: it is nested too deep; want {wanted}") from None
    except ValueError as error:
        raise ValueError(f"cannot read {place} as JSON ({shown(error, 120)}); want {wanted}") from error


def read_table(path: Path, what: str, keys: set[str], format: int = 1) -> dict:
    """A JSON object that belongs to the pack, with exactly these keys; its "format" is among them."""
    path = Path(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no {what} {path}; it belongs to this pack: get the pack anew")
    table = parse_json(path.read_bytes(), str(path), f"the {what} in JSON")
    if not isinstance(table, dict) or table.keys() != keys:
        raise ValueError(f"got {path}, want the {what}: an object with {', '.join(sorted(keys))}")
    if table["format"] != format:
        raise ValueError(f"got the {what} in format {shown(repr(table['format']))}, want {format}; update the pack")
    return table


def is_names(value: object, most: int = 2**20) -> bool:
    """Whether a value from JSON is a list of texts."""
    return isinstance(value, list) and len(value) <= most and all(isinstance(each, str) for each in value)


def is_number(value: object, lowest: float, highest: float) -> bool:
    """Whether a value from JSON is a number of this range, both ends among it."""
    return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a .safetensors, complete or not at all; a file that is there already is replaced."""
    from safetensors.torch import save_file

    with written(path) as part:
        save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, part, metadata=metadata)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; becomes `path` if all goes well, and vanishes otherwise."""
    path = check_output(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise ValueError(f"cannot write {path} ({error.strerror or error}); write to another folder") from error
    finally:
        part.unlink(missing_ok=True)


def check_output(path: str | Path, suffixes: Sequence[str] = ("",), inputs: Iterable[str | Path] = ()) -> Path:
    """A path that a file can be written to; ValueError or FileNotFoundError in words where it is none.

    suffixes  one of which the name has to end in
    inputs    files that are read, and must not be overwritten
    """
    path = Path(path)
    check_name(path.name, str(path))
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder, want a file to write, such as {path / f'result{suffixes[0]}'}")
    if not os.path.isdir(path.parent):
        raise FileNotFoundError(f"no folder {path.parent} to write {path.name} into; make it first")
    if not path.name.lower().endswith(tuple(suffixes)):
        raise ValueError(f'cannot write "{path.name}"; end the name in one of {", ".join(suffixes)}')
    for other in inputs:
        if os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other):
            raise ValueError(f"{path} is one of the files that are read, and would be lost; give another name")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"the folder {path.parent} cannot be written to; write to another one")
    return path


def check_name(name: str, place: str) -> None:
    """ValueError for what is no name of a file: nothing, dots alone, control characters, too many letters."""
    if not name.strip(". ") or any(ord(letter) < 32 for letter in place):
        raise ValueError(f"got {shown(repr(place))} to write to, want the name of a file")
    if len(os.fsencode(name)) > LONGEST:
        raise ValueError(f'got the name "{shown(name)}" with {len(name)} letters, want at most {LONGEST}')


def shown(value: object, length: int = 60) -> str:
    """A value for a message: on one line, printable, and not longer than that."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value)[: length + 1])
    return text if len(text) <= length else text[: length - 3] + "..."


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 16 else float(digits)  # too many of them: infinite, which every reader refuses


def _described(tensors: Mapping[str, Sequence]) -> str:
    parts = [f'"{shown(key)}" {dtype} ({", ".join(map(str, shape))})' for key, (dtype, *shape) in tensors.items()]
    return ", ".join(parts[:6]) + (f" and {len(parts) - 6} more" if len(parts) > 6 else "") or "nothing"
