"""Where checkpoints come from, and which files are refused."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def load(host):
    return host.part("nodes.load")


@pytest.fixture(scope="module")
def folders(host):
    return host.part("nodes.folders")


@pytest.fixture
def folder(host):
    """The user's own folder for checkpoints."""
    folder = host.base / "models" / "diffsfsr"
    folder.mkdir(exist_ok=True)
    yield folder
    for file in folder.glob("*.*"):
        file.unlink()
    host.folder_paths.filename_list_cache.clear()


@pytest.fixture
def choices(host):
    def choices():
        host.folder_paths.filename_list_cache.clear()
        return host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRLoad"].INPUT_TYPES()["required"]["checkpoint"][1]["options"]

    return choices


def save(host, path, untrained, **changes):
    """A checkpoint file of the untrained networks."""
    config = SimpleNamespace(to_dict=lambda: untrained.config.to_dict() | changes)
    parts = {"unet": untrained.unet, "vae": untrained.vae, "conditioner": untrained.encoders.conditioner}
    host.part("models.network.checkpoint").save_checkpoint(path, config, parts, step=0)


def test_only_checkpoints_are_on_the_list(choices, folder, folders):
    bundled = [name for name in folders.BUNDLED if (folders.ASSETS / name).is_file()]
    (folder / "mine.safetensors").touch()
    (folder / "notes.txt").touch()
    assert choices() == [*bundled, "mine.safetensors"]


def test_a_file_of_the_user_goes_before_a_bundled_one_of_the_same_name(choices, folder, load):
    (folder / "mini.safetensors").touch()
    assert choices().count("mini.safetensors") == 1
    assert load.find("mini.safetensors") == folder / "mini.safetensors"


def test_folders_that_the_user_named_stay(host, folders, tmp_path):
    known, extensions = host.folder_paths.folder_names_and_paths["diffsfsr"]
    host.folder_paths.folder_names_and_paths["diffsfsr"] = ([str(tmp_path)], set())
    folders.register_folders()
    assert host.folder_paths.folder_names_and_paths["diffsfsr"] == ([str(tmp_path), *known], {".safetensors"})
    host.folder_paths.folder_names_and_paths["diffsfsr"] = (known, extensions)


@pytest.mark.parametrize("name", ["other.safetensors", "../mini.safetensors", "/etc/hosts", "expressions.json", ""])
def test_names_that_are_not_on_the_list_are_refused(run, name):
    with pytest.raises(ValueError, match="there is no checkpoint"):
        run("DiffSFSRLoad", checkpoint=name)


def test_broken_and_foreign_files_are_refused_in_words(host, run, folder, choices, untrained):
    save(host, folder / "whole.safetensors", untrained)
    (folder / "cut.safetensors").write_bytes((folder / "whole.safetensors").read_bytes()[:5000])
    (folder / "text.safetensors").write_text("not a checkpoint")
    save(host, folder / "stranger.safetensors", untrained, recognisers=["nobody"])
    save(host, folder / "misfit.safetensors", untrained, heads=3, widths=[64, 64], recognisers=[])
    choices()
    for name, message in (
        ("cut", "incomplete"),
        ("text", "incomplete, broken or no checkpoint"),
        ("stranger", 'the recogniser "nobody"'),
        ("misfit", "do not fit"),
    ):
        with pytest.raises(ValueError, match=message):
            run("DiffSFSRLoad", checkpoint=f"{name}.safetensors")


def test_the_bundled_checkpoint_loads(run):
    loaded, model, vae = run("DiffSFSRLoad", checkpoint="mini.safetensors")
    config = loaded.ready().config
    assert config.name == "mini" and vae.latent_channels == config.latent_channels
    assert all(weight.detach().isfinite().all() for weight in model.model.parameters())
    with torch.inference_mode():
        grey = vae.decode(vae.encode(torch.full((1, 128, 128, 3), 0.5)))
    assert (grey - 0.5).abs().mean() < 0.05


def test_weights_reach_the_host_as_the_file_has_them(host, load, monkeypatch):
    """Widened, those of a Stable Diffusion size would take twice their memory; which dtype to compute in it decides."""
    native, given = host.part("nodes.native"), []
    for name in ("load_model", "load_vae"):
        real = getattr(native, name)

        def record(config, weights, *more, real=real):
            given.append({weight.dtype for weight in weights.values()})
            return real(config, weights, *more)

        monkeypatch.setattr(native, name, record)
    loaded = load.load(load.find("mini.safetensors"))
    assert given == [{torch.float16}] * 2
    assert loaded.model.model.get_dtype() == torch.float32 == loaded.vae.vae_dtype  # on a CPU


ALONE = """
import importlib.util, sys
comfyui, folder = sys.argv[1:]
sys.argv[1:] = []
sys.path.append(comfyui)
from comfy.cli_args import args
args.cpu = True
import comfy.sample, comfy_api.latest, latent_preview
before = set(sys.modules)
spec = importlib.util.spec_from_file_location("pack", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
from pack.nodes import list_nodes
for node in list_nodes():
    node.GET_SCHEMA()
import pack.models.network.checkpoint, pack.models.encoders, pack.nodes.native
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_nodes_load_and_run_without_heavy_packages(host, folders):
    """In a process of its own: the tests' own modules have brought diffusers into this one."""
    command = [sys.executable, "-c", ALONE, str(Path(host.folder_paths.__file__).parent), str(folders.ASSETS.parent)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    assert {"diffusers", "accelerate", "cv2", "mediapipe"}.isdisjoint(modules.split())


def test_a_missing_face_landmarker_is_told_before_a_run_with_the_command_that_gets_it(host, monkeypatch, tmp_path):
    schema = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRLoad"].INPUT_TYPES
    assert "missing" not in schema()["optional"]["face_mesh"][1]
    task_file = host.part("models.faces.task_file")
    monkeypatch.setattr(task_file, "places", lambda: [tmp_path])
    missing = schema()["optional"]["face_mesh"][1]["missing"]
    folder = Path(host.folder_paths.models_dir) / "mediapipe"
    assert f"{sys.executable} {Path(task_file.PACK) / 'cli.py'} download {folder}" in missing


def test_another_face_mesh_is_a_choice_and_only_what_is_on_the_list(host, load, folders):
    task_file = host.part("models.faces.task_file")
    other = Path(host.folder_paths.models_dir) / "mediapipe" / "other.task"
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(task_file.find_task_file().read_bytes())
    try:
        host.folder_paths.filename_list_cache.clear()
        assert folders.meshes() == [task_file.TASK_FILE, "other.task"] and folders.find_mesh("other.task") == other
        with pytest.raises(ValueError, match="there is no face mesh"):
            folders.find_mesh("../other.task")
    finally:
        other.unlink()
        host.folder_paths.filename_list_cache.clear()
