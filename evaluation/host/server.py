"""Runs a real ComfyUI as a process of its own and talks to it over HTTP and its websocket."""

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from PIL import Image

PACK = Path(__file__).resolve().parents[2]
FOLDERS = ("custom_nodes", "models", "input", "output", "user", "temp")
JPEG_OR_PNG = 1  # kind of the websocket's binary messages that carry a preview


class HostError(RuntimeError):
    """The host refused a graph, a node failed, or the host is gone."""


@dataclass(frozen=True)
class Event:
    """One message of the host about a running graph.

    kind:    the host's name for it: "execution_start", "executing", "progress", "executed", "execution_success", ...;
             "preview" for a picture sent while sampling
    """

    kind: str
    data: dict = field(default_factory=dict)
    picture: Image.Image | None = None


def find_comfyui(folder: str | Path | None = None) -> Path:
    """The ComfyUI folder: the one given, else $COMFYUI, else the one that `make install` puts into .comfyui."""
    folder = Path(folder or os.environ.get("COMFYUI") or PACK / ".comfyui" / "ComfyUI").absolute()
    if not (folder / "main.py").is_file():
        raise FileNotFoundError(f"no ComfyUI in {folder}: run `make install`, or name the folder of yours with COMFYUI")
    return folder


class Host:
    """A ComfyUI on the CPU with this pack in its custom_nodes; use it as a context manager.

    comfyui:  folder of ComfyUI's main.py; its own models, input and output are neither used nor touched
    base:     folder for everything that this host reads and writes (models, input, output, ...), made if missing
    options:  more of its command-line options
    """

    def __init__(self, comfyui: Path, base: Path, options: Sequence[str] = ()):
        self.comfyui, self.base, self.options = comfyui, base, options
        self.log = base / "host.log"

    def __enter__(self) -> "Host":
        for name in FOLDERS:
            (self.base / name).mkdir(parents=True, exist_ok=True)
        link = self.base / "custom_nodes" / "ComfyUI-DiffSFSR"
        if not link.exists():
            link.symlink_to(PACK, target_is_directory=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port)]
        command += ["--base-directory", str(self.base.absolute()), "--temp-directory", str(self.base.absolute())]
        command += ["--database-url", "sqlite:///:memory:", "--disable-api-nodes", "--preview-method", "auto"]
        command += self.options
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self.comfyui, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._loop = asyncio.new_event_loop()
        self._session = self._wait_for(_open_session())
        try:
            self._wait_until_it_answers(seconds=600)  # a busy machine is slow; a host that ends is noticed
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._wait_for(self._session.close())
        self._loop.close()
        if self._process.poll() is not None:
            return  # it ended by itself
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    def get(self, path: str) -> dict:
        """The JSON that the host answers to a path such as "/object_info"."""
        return json.loads(self._wait_for(self._request("GET", path)))

    def upload(self, path: Path, name: str | None = None) -> str:
        """Put a picture into the host's input folder (as `name`); returns what Load Image knows it by."""
        form = aiohttp.FormData()
        form.add_field("image", path.read_bytes(), filename=name or path.name)
        form.add_field("overwrite", "true")
        return json.loads(self._wait_for(self._request("POST", "/upload/image", data=form)))["name"]

    def submit(self, prompt: dict[str, dict]) -> "Job":
        """Queue an API-format graph; HostError with the host's reasons if it refuses it."""
        client = uuid.uuid4().hex
        websocket = self._wait_for(self._session.ws_connect(f"{self.url}/ws?clientId={client}", max_msg_size=0))
        body = {"prompt": prompt, "client_id": client}
        try:
            answer = json.loads(self._wait_for(self._request("POST", "/prompt", json=body)))
        except HostError:
            self._wait_for(websocket.close())
            raise
        return Job(self, answer["prompt_id"], websocket)

    def run(self, prompt: dict[str, dict]) -> list[Image.Image]:
        """Queue a graph, wait for its end, and return the pictures that it saved."""
        job = self.submit(prompt)
        for _ in job:
            pass
        return job.pictures()

    def interrupt(self) -> None:
        """Stop the running graph, as the front end's button does."""
        self._wait_for(self._request("POST", "/interrupt", json={}))

    def free(self) -> None:
        """Unload all models and forget all results before the next graph, as the front end's buttons do."""
        self._wait_for(self._request("POST", "/free", json={"unload_models": True, "free_memory": True}))

    def log_tail(self, lines: int = 40) -> str:
        """The end of what the host printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _wait_until_it_answers(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise HostError(f"ComfyUI ended with status {self._process.returncode}:\n{self.log_tail()}")
            try:
                self.get("/system_stats")
            except aiohttp.ClientConnectionError:
                time.sleep(0.2)
            else:
                return
        raise HostError(f"ComfyUI did not answer within {seconds} seconds:\n{self.log_tail()}")

    def _wait_for(self, awaitable):
        return self._loop.run_until_complete(awaitable)

    async def _request(self, method: str, path: str, **body) -> bytes:
        async with self._session.request(method, self.url + path, **body) as response:
            content = await response.read()
            if not response.ok:
                raise HostError(f"ComfyUI answered {response.status} to {path}: {content.decode(errors='replace')}")
            return content


class Job:
    """A queued graph. Iterate over it to follow the work; the iteration ends with the work."""

    def __init__(self, host: Host, identifier: str, websocket: aiohttp.ClientWebSocketResponse):
        self.host, self.identifier = host, identifier
        self._websocket = websocket

    def __iter__(self) -> Iterator[Event]:
        """HostError with the node's type and message if a node fails; an interrupted graph just ends."""
        failure = None
        try:
            while True:
                event = self._receive()
                if event.kind != "preview" and event.data.get("prompt_id") != self.identifier:
                    continue  # the state of the queue, or another graph
                if event.kind == "execution_error":
                    failure = HostError(f"{event.data['node_type']}: {event.data['exception_message'].strip()}")
                if event.kind == "executing" and event.data["node"] is None:
                    break
                yield event
        finally:
            self.host._wait_for(self._websocket.close())
        if failure:
            raise failure

    def pictures(self) -> list[Image.Image]:
        """What the graph's SaveImage nodes saved; previews and videos are left out."""
        outputs = self.host.get(f"/history/{self.identifier}")[self.identifier]["outputs"]
        saved = (output.get("images", []) for output in outputs.values() if "animated" not in output)
        entries = [entry for entries in saved for entry in entries]
        return [self._picture(entry) for entry in entries if entry["type"] == "output"]

    def _picture(self, entry: dict) -> Image.Image:
        path = "/view?" + "&".join(f"{key}={entry[key]}" for key in ("filename", "subfolder", "type"))
        return Image.open(io.BytesIO(self.host._wait_for(self.host._request("GET", path))))

    def _receive(self, seconds: float = 600) -> Event:
        message = self.host._wait_for(self._websocket.receive(seconds))
        if message.type == aiohttp.WSMsgType.TEXT:
            content = json.loads(message.data)
            return Event(content["type"], content["data"])
        if message.type == aiohttp.WSMsgType.BINARY:
            if int.from_bytes(message.data[:4], "big") == JPEG_OR_PNG:
                return Event("preview", picture=Image.open(io.BytesIO(message.data[8:])))  # after two 4-byte headers
            return Event("text")
        raise HostError(f"ComfyUI closed the connection:\n{self.host.log_tail()}")


async def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120))
