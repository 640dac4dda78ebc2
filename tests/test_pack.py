"""The pack as ComfyUI sees it: how it loads, what imports what, what the repository may hold."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {  # layer: what it may import
    "models": {"models"},
    "nodes": {"nodes", "models"},
    "training": {"training", "models"},
    "rendering": {"rendering", "training", "models"},
    "evaluation": {"evaluation", "rendering", "training", "models"},
    "commands": {"commands", "evaluation", "rendering", "training", "models"},
}
HOST = {
    "app", "comfy", "comfy_api", "comfy_api_nodes", "comfy_config", "comfy_execution", "comfy_extras", "execution",
    "folder_paths", "latent_preview", "node_helpers", "nodes", "protocol", "server", "utils",
}  # fmt: skip
OWN = {"diffsfsr", "cli", "tests", *LAYERS}
ORACLES = {"cv2", "mediapipe", "insightface"}

# what ComfyUI's nodes.py does with a folder in custom_nodes
LOAD = """
import importlib.util, json, os, sys
folder = sys.argv[1]
name = folder.replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, os.path.join(folder, "__init__.py"))
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
spec.loader.exec_module(module)
print(json.dumps({"v1": hasattr(module, "NODE_CLASS_MAPPINGS"), "v3": callable(module.comfy_entrypoint),
                  "modules": sorted({entry.partition(".")[0] for entry in sys.modules}), "path": sys.path}))
"""


@pytest.mark.parametrize("name", ["diffsfsr_pack", "ComfyUI-DiffSFSR", "My Pack.v1"])
def test_loads_as_comfyui_loads_it_under_any_folder_name(name, tmp_path):
    folder = tmp_path / name
    folder.symlink_to(ROOT, target_is_directory=True)
    output = subprocess.run(
        [sys.executable, "-I", "-c", LOAD, str(folder)], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    loaded = json.loads(output)
    assert loaded["v3"] and not loaded["v1"]
    assert {"torch", "numpy", "diffusers", "PIL", "safetensors", *LAYERS}.isdisjoint(loaded["modules"])
    assert not {str(folder), str(ROOT)} & set(loaded["path"])


def sources(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def imports(path: Path, nested: bool = True) -> Iterator[tuple[int, str]]:
    """(level, dotted name) of the imports in a file; `nested` also gives those inside functions and classes."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            yield child
            if nested or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from walk(child)

    for node in walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{node.module}." if node.module else ""
            yield from ((node.level, module + alias.name) for alias in node.names)


def absolute(path: Path, nested: bool = True) -> set[str]:
    """Top-level names of the packages that a file imports from outside of the pack."""
    return {name.partition(".")[0] for level, name in imports(path, nested) if level == 0}


def relative(path: Path, nested: bool = True) -> set[tuple[str, ...]]:
    """What a file imports from the pack, as paths from the root: ("models", "geometry", "crop")."""
    package = path.relative_to(ROOT).parent.parts
    targets = set()
    for level, name in imports(path, nested):
        if level:
            assert level - 1 <= len(package), f"{path.relative_to(ROOT)} imports from above the pack"
            targets.add((*package[: len(package) - level + 1], *name.split(".")))
    return targets


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_import_one_way_and_by_relative_imports(layer):
    assert sources(layer)
    for path in sources(layer):
        name = path.relative_to(ROOT)
        layers = {target[0] for target in relative(path)}
        assert layers <= LAYERS[layer], f"{name} imports {layers - LAYERS[layer]}"
        own = absolute(path) & (OWN - HOST if layer == "nodes" else OWN)
        assert not own, f"{name}: import {own} with dots; without them the host's own are found"


def test_only_nodes_import_the_host():
    paths = [ROOT / "cli.py", *(path for layer in LAYERS if layer != "nodes" for path in sources(layer))]
    found = {str(path.relative_to(ROOT)): absolute(path) & HOST for path in paths}
    assert not {path: names for path, names in found.items() if names}


def test_models_and_nodes_do_without_the_packages_of_the_tests():
    lazily = {"insightface_pack.py", "poisson.py"}  # where a user asks for it
    for path in sources("models") + sources("nodes"):
        assert not absolute(path, nested=path.name not in lazily) & ORACLES, path


def test_nodes_load_without_diffusers():
    """Follows the imports that run when the nodes are loaded, through every file of the pack."""
    waiting, seen = sources("nodes"), set()
    assert not any("diffusers" in absolute(path) for path in waiting)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        assert "diffusers" not in absolute(path, nested=False), f"{path.relative_to(ROOT)} is loaded with the nodes"
        for target in relative(path, nested=False):
            for depth in range(1, len(target) + 1):
                place = ROOT.joinpath(*target[:depth])
                waiting += [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]


def test_init_imports_nothing_at_load():
    assert list(imports(ROOT / "__init__.py", nested=False)) == []
    assert relative(ROOT / "__init__.py") == {("nodes", "DiffSFSRExtension")}


@pytest.fixture(scope="module")
def repository() -> list[Path]:
    """Every file that is tracked or would be."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if result.returncode:
        pytest.skip(f"not a git checkout: {result.stderr.strip()}")
    paths = [ROOT / name for name in result.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_git_does_not_ignore_the_models_folder(repository):
    assert set(sources("models")) <= set(repository)


def test_no_source_file_is_long(repository):
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in repository
               if path.suffix == ".py"}  # fmt: skip
    assert not {path: length for path, length in lengths.items() if length > 400}


def test_no_file_names_a_place_on_somebodys_machine(repository):
    place = re.compile(rb"(?<![\w.])/(?:work|root|home|Users)/\w")
    found = {str(path.relative_to(ROOT)): place.findall(path.read_bytes()) for path in repository}
    assert not {path: names for path, names in found.items() if names}


def test_requirements_agree_and_leave_torch_and_numpy_to_comfyui():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no TOML reader")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = (ROOT / "requirements.txt").read_text("utf-8").split("\n")
    assert project["dependencies"] == [line for line in requirements if line and not line.startswith("#")]
    names = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    assert names.isdisjoint({"torch", "torchvision", "numpy", "Pillow", "opencv-python", "mediapipe", "insightface"})
