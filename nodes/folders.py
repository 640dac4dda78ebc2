"""Where the host keeps what the pack reads and writes, and what is there; no question of these stops a schema."""

import logging
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

import folder_paths

from ..models.faces.task_file import TASK_FILE, find_task_file
from ..models.files import check_name
from .placeholders import filled

FOLDER = "diffsfsr"
IDENTITIES = "diffsfsr_identities"  # the host's name for both folders with identities
EXPRESSIONS = "diffsfsr_expressions"
KEPT = ("identities", "expressions")  # folders in models/diffsfsr with what users save
ASSETS = Path(__file__).resolve().parents[1] / "assets"
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
BUNDLED = ("mini.safetensors",)  # of the files in assets/, those that are checkpoints


def register_folders() -> None:
    """models/diffsfsr, what lies in it, and models/mediapipe, beside what extra_model_paths.yaml may have named."""
    models = Path(folder_paths.models_dir)
    for name, defaults, extensions in (
        (FOLDER, [models / FOLDER], {".safetensors"}),
        (IDENTITIES, [identity_output(), models / FOLDER / "identities"], {".safetensors"}),
        (EXPRESSIONS, [expression_output(), models / FOLDER / "expressions"], {".safetensors", ".json"}),
        ("mediapipe", [models / "mediapipe"], {".task", ".safetensors"}),
    ):
        folders, known = folder_paths.folder_names_and_paths.get(name, ([], set()))
        folders = list(dict.fromkeys([*folders, *map(str, defaults)]))
        folder_paths.folder_names_and_paths[name] = (folders, set(known) | extensions)


def identity_output() -> str:
    return str(Path(folder_paths.get_output_directory()) / "identities")


def expression_output() -> str:
    return str(Path(folder_paths.get_output_directory()) / "expressions")


def listed(find: Callable[[], Iterable[str]]) -> list[str]:
    """What `find` gives, for a list in a schema; where the disk refuses, nothing but a line in the log.

    A schema that raises takes all nodes of the pack with it, and one unreadable folder is enough for that.
    """
    try:
        return list(find())
    except (OSError, ValueError) as error:
        logging.warning("DiffSFSR: a list of files is empty, since they cannot be read: %s", error)
        return []


def checkpoints() -> dict[str, Path | None]:
    """Names to choose from, the bundled ones first, with the paths of these; the user's own files go before them."""
    own = [name for name in kept_files(FOLDER) if Path(name).parts[0] not in KEPT]
    bundled = {name: ASSETS / name for name in BUNDLED if (ASSETS / name).is_file() and name not in own}
    return bundled | dict.fromkeys(own)


def kept_files(kind: str) -> list[str]:
    """Names of the files in the folders that the host knows by this name."""
    return listed(lambda: folder_paths.get_filename_list(kind))


def meshes() -> list[str]:
    """Names of the face meshes to choose from, the usual one first, whether it is there or not."""
    return [TASK_FILE, *(name for name in kept_files("mediapipe") if name.endswith(".task") and name != TASK_FILE)]


def find_mesh(name: str) -> Path:
    """The path of a face mesh that is on the list; FileNotFoundError in words where the usual one is missing."""
    if name == TASK_FILE:
        return find_task_file(task_folders())
    if name not in meshes():
        raise ValueError(f'there is no face mesh "{name}"; choose one of {meshes()}, or put it into models/mediapipe')
    return Path(folder_paths.get_full_path_or_raise("mediapipe", name))


def task_folders() -> list[Path]:
    """Where the host looks for face_landmarker.task, beside the pack's own places."""
    return [Path(folder) for folder in folder_paths.get_folder_paths("mediapipe")]


def pack_folders() -> list[Path]:
    """Where insightface and other nodes keep packs: models/insightface/models, or where extra_model_paths.yaml says."""
    default = str(Path(folder_paths.models_dir) / "insightface")
    named = folder_paths.folder_names_and_paths.get("insightface", ([], set()))[0]
    return [Path(folder) / "models" for folder in dict.fromkeys([*named, default])]


def packs() -> list[str]:
    """Names of the insightface packs that are there."""
    return sorted({pack for folder in pack_folders() for pack in subfolders(folder) if pack_files(folder / pack)})


def pack_files(pack: Path) -> list[Path]:
    return sorted(Path(pack, name) for name in _names(pack) if name.endswith(".onnx"))


def photo_folders() -> list[str]:
    """Folders in the input folder that hold folders."""
    top = Path(folder_paths.get_input_directory())
    return sorted(name for name in subfolders(top) if subfolders(top / name))


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder; none where it cannot be read."""
    return [name for name in _names(folder) if os.path.isdir(os.path.join(folder, name))]


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # it is not there, may not be read, or lies on a disk that is gone
        return []


def state_of(*files: Path | str | None) -> str:
    """Size and time of change of files, for a fingerprint: another text when one of them changed, came or went."""
    told = []
    for file in files:
        try:
            state = os.stat(file)
            told.append(f"{file} {state.st_size} {state.st_mtime_ns}")
        except (OSError, TypeError, ValueError):
            told.append(f"{file} is not there")
    return "\n".join(told)


def kept_file(kind: str, file: str, what: str, saver: str) -> Path:
    """One of the files that a list offers; ValueError for any other name. kind: the host's name for the folders."""
    known = kept_files(kind)
    if file not in known:  # a name is never used as a path
        others = f"; choose one of {known}, or make one" if known else ", nor any other; make one"
        raise ValueError(f'there is no {what} "{file}"{others} with {saver}')
    return Path(folder_paths.get_full_path_or_raise(kind, file))


def kept_state(kind: str, file: str | None) -> str:
    """state_of for kept_file, which never raises."""
    return state_of(folder_paths.get_full_path(kind, file) if file and file in kept_files(kind) else None)


def check_prefix(prefix: str) -> str:
    """The beginning of a file's name, with folders before it, as the host wants it; ValueError where it is none."""
    parts = PurePosixPath(prefix.replace("\\", "/")).parts
    if not parts or not prefix.strip() or ".." in parts or parts[0] == "/" or PureWindowsPath(prefix).drive:
        raise ValueError(f'got the name "{prefix:.60}", want one such as "anna" or "family/anna"')
    for part in parts:
        check_name(part, part)
    return "/".join(map(on_any_system, parts))


def on_any_system(name: str) -> str:
    """A name that Windows takes, too; others stay as they are."""
    name = re.sub(r'[<>:"|?*]', "_", name).rstrip(". ")
    return f"_{name}" if PureWindowsPath(name).stem.upper() in RESERVED else name


def new_file(prefix: str, folder: str) -> Path:
    """A .safetensors file in a folder that is not there yet; ValueError for a name that leads out of the folder."""
    try:
        place, name, counter, *_ = folder_paths.get_save_image_path(check_prefix(filled(prefix)[0]), folder)
    except OSError as error:
        raise ValueError(f"cannot make a folder in {folder} ({error}); let ComfyUI write there") from error
    return Path(place) / f"{name}_{counter:05}_.safetensors"
