"""Faces that are shown while somebody moves sliders: read once, shown again and again, forgotten with their node.

Nodes that only pass expressions on show one, too (nodes/doing.py).

All work is done by one thread, one piece at a time, on the CPU, so that neither the host's event loop nor its queue
waits; of what one node asks for, only the last counts.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import folder_paths
import torch
from server import PromptServer

from ..models.faces.task_file import find_task_file
from .folders import ASSETS, BUNDLED, state_of, task_folders
from .load import find
from .photo import EXAMPLES

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.appearance.live import Live
    from ..models.appearance.mouth import Mouth
    from ..models.appearance.shape import ShapeModel
    from ..models.expression.library import ExpressionLibrary
    from ..models.expression.normalisation import Normalisation
    from ..models.faces.mesh import FaceMesh

Answer = TypeVar("Answer")
NODES = 6  # whose faces are kept, the last ones used
IDLE = 600.0  # seconds after which a face is forgotten that nobody asked for
LARGEST_FILE = 64 * 2**20  # bytes of a photo
MOST_PIXELS = 64_000_000
WIDTH = 1280  # pixels of a photo's longer side that are looked at


class Superseded(Exception):
    """The same node has asked for something else meanwhile."""


@dataclass
class Kept:
    of: tuple  # the files, with their sizes and times
    live: Live
    used: float = field(default_factory=time.monotonic)


class Studio:
    def __init__(self):
        self._thread = ThreadPoolExecutor(1, "diffsfsr-live")
        self._turn = asyncio.Lock()
        self._asked: dict[str, int] = {}  # node -> number of its last question
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._networks: tuple[FaceMesh, ShapeModel, Mouth] | None = None
        self._library: ExpressionLibrary | None = None
        self._normalisation: tuple[str, Normalisation] | None = None  # of the last checkpoint, with its file's state
        self._later: asyncio.TimerHandle | None = None

    async def do(self, who: str, work: Callable[[Callable[[], None]], Answer]) -> Answer:
        """What `work` gives, done in its turn by the studio's thread.

        who   Superseded is raised where it has asked again before its turn came
        work  is given a function that raises it where it has asked again meanwhile
        """
        number = self._asked[who] = self._asked.get(who, 0) + 1

        def go_on() -> None:
            if self._asked.get(who) != number:
                raise Superseded

        try:
            async with self._turn:
                go_on()
                loop = asyncio.get_running_loop()
                self._rest_later(loop)
                return await loop.run_in_executor(self._thread, _quietly(lambda: work(go_on)))
        finally:
            if self._asked.get(who) == number:
                del self._asked[who]

    def wait_for(self, work: Callable[[], Answer]) -> Answer:
        """What `work` gives, for a node of the host's queue: it waits for the piece under way at most."""
        loop = PromptServer.instance.loop
        loop.call_soon_threadsafe(self._rest_later, loop)
        return self._thread.submit(_quietly(work)).result()

    def _rest_later(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nobody says good-bye when a browser is closed."""
        if self._later:
            self._later.cancel()
        self._later = loop.call_later(IDLE + 1, self._thread.submit, self.drop_idle)

    def live(
        self, node: str, photo: str | tuple[str, ...], scene: str | None = None, checkpoint: str = BUNDLED[0]
    ) -> Live:
        """The face in a photo of the input folder, in its place or in another's; read at the first call.

        photo       or several of one person, for a scene
        checkpoint  by whose neutral expressions are counted, as its sampler does
        ValueError where there is no such photo, no face in it, or no such checkpoint
        """
        path = find(checkpoint)
        photos = (photo,) if isinstance(photo, str) else photo
        files = {name: photo_file(name) for name in (*photos, scene) if name}
        of = (photos, scene, state_of(path, *files.values()))
        kept = self._kept.get(node)
        if kept is None or kept.of != of:
            self._kept.pop(node, None)
            kept = self._kept[node] = Kept(of, self._read([files[name] for name in photos], files.get(scene), path))
        kept.used = time.monotonic()
        self._kept.move_to_end(node)
        while len(self._kept) > NODES:
            self._kept.popitem(last=False)
        return kept.live

    def word(self, label: str, variant: int, intensity: float, checkpoint: str = BUNDLED[0]) -> Tensor:
        """The expression code (1, 51) of one of the 135, as Expression by Label gives it; ValueError for others."""
        from ..models.expression.library import ExpressionLibrary

        if self._library is None:
            self._library = ExpressionLibrary.load(ASSETS / "expressions.json")
        return self._normalised(find(checkpoint)).word(self._library, label, variant, intensity)

    def forget(self, node: str) -> None:
        """What was kept for a node."""
        self._kept.pop(node, None)
        self.drop_idle()

    def drop_idle(self) -> None:
        """What nobody has asked for in a while; with the last face the networks go, too."""
        old = time.monotonic() - IDLE
        for each in [each for each, kept in self._kept.items() if kept.used < old]:
            del self._kept[each]
        if not self._kept:
            self._networks = self._library = self._normalisation = None

    def _read(self, photos: list[Path], scene: Path | None, checkpoint: Path) -> Live:
        from ..models.appearance.finish import Finisher
        from ..models.appearance.live import Live
        from ..models.appearance.photos import photograph
        from ..models.pictures import decode_picture

        mesh, shape, mouth = self._ready()
        finisher = Finisher(mesh, shape, self._normalised(checkpoint).neutral, mouth)
        found = []
        for path in (*photos, *filter(None, [scene])):
            picture = decode_picture(path.read_bytes(), path.name, WIDTH)
            faces = finisher.mesh.find(picture, limit=1)
            if not faces:
                raise ValueError(f"no face was found in {path.name}; choose a photo that shows one from the front")
            found.append((picture, faces[0]))
        if scene is None:
            return Live(finisher, *found[0])
        return Live(finisher, *found.pop(), photograph(*zip(*found, strict=True)))

    def _ready(self) -> tuple[FaceMesh, ShapeModel, Mouth]:
        if self._networks is None:
            from ..models.appearance.mouth import Mouth
            from ..models.appearance.shape import ShapeModel
            from ..models.faces.mesh import FaceMesh

            mesh = FaceMesh.load(find_task_file(task_folders())).eval().requires_grad_(False)
            self._networks = mesh, ShapeModel.load(), Mouth.load()
        return self._networks

    def _normalised(self, checkpoint: Path) -> Normalisation:
        from ..models.expression.normalisation import Normalisation

        state = state_of(checkpoint)
        if self._normalisation is None or self._normalisation[0] != state:
            self._normalisation = state, Normalisation.load(checkpoint)
        return self._normalisation[1]


@functools.lru_cache(maxsize=1)
def studio() -> Studio:
    """The host's one, of routes and nodes."""
    return Studio()


def photo_file(name: str) -> Path:
    """A picture of the input folder by the name that Load Image has for it, or one of the pack's examples; ValueError
    for any other name."""
    from PIL import Image

    if name in (path.name for path in EXAMPLES.glob("*")):
        return EXAMPLES / name
    plain = name.removesuffix(" [input]")
    top = os.path.abspath(folder_paths.get_input_directory())
    path = os.path.abspath(os.path.join(top, plain)) if "\0" not in plain else ""
    inside = path and os.path.commonpath((top, path)) == top and not os.path.isabs(plain) and ".." not in plain
    if not inside or not os.path.isfile(path):
        raise ValueError(f'there is no picture "{name:.80}" in the input folder; choose one in Load Image')
    if os.path.getsize(path) > LARGEST_FILE:
        raise ValueError(f"{Path(path).name} has more than {LARGEST_FILE >> 20} MB; make it smaller")
    try:
        with Image.open(path) as picture:  # its header alone
            width, height = picture.size
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"{Path(path).name} is no picture that can be read; save it as PNG or JPEG") from error
    if width * height > MOST_PIXELS:
        raise ValueError(f"{Path(path).name} has {width} x {height} pixels; make it smaller")
    return Path(path)


def _quietly(work: Callable[[], Answer]) -> Callable[[], Answer]:
    def run() -> Answer:
        with torch.inference_mode():
            return work()

    return run


def switched_off() -> bool:
    """Whether the environment says that this host is to serve no faces: DIFFSFSR_LIVE=0."""
    return os.environ.get("DIFFSFSR_LIVE", "1").strip().lower() in ("0", "off", "false", "no")
