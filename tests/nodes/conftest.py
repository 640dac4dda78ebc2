"""A ComfyUI in this process, without its server: COMFYUI or .comfyui/ComfyUI says where it is."""

import asyncio
import copy
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import openpeople
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """The host's modules by name, with its core nodes and this pack loaded as the host loads it."""
    folder = Path(os.environ.get("COMFYUI", ROOT / ".comfyui" / "ComfyUI"))
    if not (folder / "nodes.py").is_file():
        pytest.skip(f"no ComfyUI in {folder}; `make test` installs one")
    base = tmp_path_factory.mktemp("host")
    for name in ("custom_nodes", "models", "input", "output", "user", "temp"):
        (base / name).mkdir()
    pack = str(base / "custom_nodes" / "diffsfsr-under-test")  # also the name under which the host imports it
    Path(pack).symlink_to(ROOT)
    sys.path.append(str(folder))
    arguments, sys.argv = sys.argv, ["main.py", "--cpu", "--base-directory", str(base), "--disable-api-nodes"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.cli_args  # noqa: F401  reads the arguments above

    sys.argv = arguments
    importlib.import_module("utils.install_util")  # before `nodes`, which puts a folder with another `utils` first
    import execution
    import folder_paths
    import server

    import nodes

    # the host's `nodes` put its comfy/ folder first on the path; no other test should see that
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != (folder / "comfy").resolve()]
    loop = asyncio.new_event_loop()
    server.PromptServer(loop)
    loop.run_until_complete(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
    loaded = loop.run_until_complete(nodes.load_custom_node(pack, module_parent="custom_nodes"))
    name = pack.replace(".", "_x_")  # under which the host imported the pack
    yield SimpleNamespace(
        base=base, loop=loop, nodes=nodes, folder_paths=folder_paths, execution=execution, pack=name, loaded=loaded,
        part=lambda path: importlib.import_module(f"{name}.{path}"),
    )  # fmt: skip
    loop.close()


@pytest.fixture(scope="session")
def run(host):
    """Execute a node by its id, as the host does: under inference mode; returns its outputs."""

    def run(node_id: str, **inputs) -> tuple:
        with torch.inference_mode():
            return host.nodes.NODE_CLASS_MAPPINGS[node_id].execute(**inputs).args

    return run


@pytest.fixture(scope="session")
def untrained(host) -> SimpleNamespace:
    """Config and networks of a small checkpoint with random weights; face mesh and library are the real ones."""
    generator = torch.Generator().manual_seed(6)
    config = host.part("models.network.config").mini(
        widths=(32, 64), layers=1, heads=2, context=48, latent_scale=0.4, autoencoder_widths=(32, 32, 32, 32)
    )
    mesh = host.part("models.faces.mesh")
    parts = SimpleNamespace(
        config=config,
        unet=host.part("models.network.denoiser").Denoiser(config).unet,
        vae=host.part("models.network.autoencoder").build_autoencoder(
            config.autoencoder_widths, config.autoencoder_layers, config.latent_channels, config.latent_scale
        ),
        encoders=host.part("models.encoders").Encoders(
            config,
            mesh.FaceMesh.load(host.part("models.faces.task_file").find_task_file()),
            {name: host.part("models.identity.recogniser").Recogniser() for name in config.recognisers},
            host.part("models.expression.library").ExpressionLibrary.load(ROOT / "assets" / "expressions.json"),
        ),
    )
    for network in (parts.unet, parts.vae, parts.encoders.recognisers, parts.encoders.conditioner):
        for weight in network.parameters():
            weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
        network.eval().requires_grad_(False)
    return parts


@pytest.fixture(scope="session")
def diffsfsr(host, untrained):
    """What Load DiffSFSR puts on its first wire."""
    with torch.inference_mode():
        return host.part("nodes.load").assemble(
            untrained.config, untrained.encoders, untrained.unet.state_dict(), untrained.vae.state_dict()
        )


@pytest.fixture(scope="module")
def write_checkpoint(host, untrained) -> Iterator[Callable[[str], Path]]:
    """write_checkpoint(name): the untrained one as a file in models/diffsfsr, until the module's end."""
    written = []

    def write(name: str) -> Path:
        path = Path(host.folder_paths.models_dir) / "diffsfsr" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = {"unet": untrained.unet, "vae": untrained.vae, "conditioner": untrained.encoders.conditioner}
        host.part("models.network.checkpoint").save_checkpoint(path, untrained.config, parts, step=1)
        host.folder_paths.filename_list_cache.clear()
        written.append(path)
        return path

    yield write
    for path in written:
        path.unlink()
    host.folder_paths.filename_list_cache.clear()


@pytest.fixture(scope="session")
def people():
    """A function: number of one of openpeople's people, which photo -> IMAGE (1, 384, W, 3)."""
    folders = sorted((Path(openpeople.__file__).parent / "data" / "curated").glob("P*/assets"))

    def photo(number: int, name: str = "studio_portrait", height: int = 384) -> torch.Tensor:
        picture = Image.open(folders[number] / f"{name}.jpg").convert("RGB")
        picture = picture.resize((round(picture.width * height / picture.height), height), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(picture)).float()[None] / 255

    return photo


@pytest.fixture
def queue(host):
    """queue(prompt): run a graph by the host's own executor, which keeps results; returns {node: what it shows}.

    ValueError with the node's words where one fails. `queue.ran`: the nodes that the last run did not find kept.
    """
    sent = []
    client = SimpleNamespace(
        client_id="test", last_node_id=None, last_prompt_id=None, prompt_queue=None,
        send_sync=lambda event, data, sid=None: sent.append((event, data)),
    )  # fmt: skip
    executor = host.execution.PromptExecutor(client, cache_args={"lru": 0, "ram": 16.0})  # as its main.py has it

    def queue(prompt: dict) -> dict:
        sent.clear()
        prompt = copy.deepcopy(prompt)  # the executor writes into it
        validated = host.execution.validate_prompt("test", prompt, None)
        valid, error, outputs, node_errors = host.loop.run_until_complete(validated)
        if not valid:
            raise ValueError(f"{error} {node_errors}")
        run = executor.execute_async(prompt, str(uuid4()), {"client_id": "test"}, outputs)
        host.loop.run_until_complete(run)
        failed = [data["exception_message"] for event, data in sent if event == "execution_error"]
        if failed:
            raise ValueError(failed[0])
        kept = {node for event, data in sent if event == "execution_cached" for node in data["nodes"]}
        queue.ran = set(prompt) - kept
        return {data["node"]: data["output"] for event, data in sent if event == "executed" and data["output"]}

    return queue
