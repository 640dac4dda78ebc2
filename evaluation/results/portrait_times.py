"""What a portrait costs, part by part: `python cli.py benchmark portrait` (ours).

Cold and warm, by threads, and by the number of pixels, faces and frames. Every column of the tables is measured in a
process of its own. Other work on the machine lengthens what the clock says, and processor seconds little; of some
rounds the least counts.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.network.unused import left_out
from ...models.pictures import read_picture
from ..people import find_people, people_in
from .tables import grid

SELFIE, SCENE = "P009", "P003"
SIDE, SLOT = 2048, 512  # of the scene, and of each portrait in a picture of several faces, pixels
THREADS, SIDES, FACES, FRAMES = (1, 2), (512, 1024, SIDE), (1, 2, 4, 8), (1, 4, 16)
STEPS, ROUNDS = 4, 3
START, LOAD, ALL = "start Python, import torch and diffusers", "load the networks", "**all of these**"
FIND_SELFIE, ENCODE = "find the selfie's face", "encode it, and the word"
ONCE = START, LOAD, FIND_SELFIE, ENCODE  # for a whole video
PREVIEW = "a preview, in place of paint and finish"


@dataclass(frozen=True)
class Setting:
    threads: int = 1
    side: int = SIDE  # pixels of the scene; the selfie is made smaller by as much
    faces: int | None = None  # in a picture of so many portraits; None: the scene
    frames: int = 1  # each the same picture
    steps: int = STEPS  # of the painter
    rounds: int = ROUNDS


@dataclass(frozen=True)
class Cost:
    """Seconds and memory. What is done once in a process has no warm ones."""

    cold: float  # of the clock, the first time in its process
    warm: float | None = None  # of the clock, after that
    processor: float | None = None  # of all threads together, after the first time
    memory: float = 0.0  # MiB, the most that the process had held by the end of the first time


@dataclass(frozen=True)
class Measured:
    parts: dict[str, Cost]  # by name, what a portrait takes, in its order
    asides: dict[str, Cost]  # what these consist of, and what could stand in their place


def run(count: int | None = None, steps: int = STEPS) -> None:
    """Of the bundled model; count: rounds."""
    for line in lines(apart, steps, count or ROUNDS):
        print(line, flush=True)


def lines(measure: Callable[[Setting], Measured], steps: int = STEPS, rounds: int = ROUNDS) -> Iterator[str]:
    """Four Markdown tables. measure: see measure() and apart(); asked once for each setting"""
    measure, setting = cache(measure), Setting(steps=steps, rounds=rounds)
    columns = {}
    for threads in THREADS:
        found, name = measure(replace(setting, threads=threads)), many(threads, "thread")
        for which, title in (("cold", "cold"), ("warm", "warm"), ("processor", "warm, processor")):
            columns[f"{name}: {title}"] = seconds(found, which)
        columns[f"{name}: most memory so far, MiB"] = megabytes(found)
    yield from table(f"a portrait of {SIDE} pixels, seconds", columns)
    sides = {f"{side} px": replace(setting, side=side) for side in SIDES}
    yield from compare("processor seconds by the side of the scene", sides, measure)
    crowds = {many(n, "face"): replace(setting, faces=n) for n in FACES}
    yield from compare(f"processor seconds by faces in a picture of {4 * SLOT}x{2 * SLOT} pixels", crowds, measure)
    videos = {many(n, "frame"): replace(setting, side=SLOT, frames=n) for n in FRAMES}
    yield from compare(f"processor seconds by frames of {SLOT} pixels", videos, measure)


def compare(heading: str, settings: dict[str, Setting], measure: Callable[[Setting], Measured]) -> Iterator[str]:
    """A table with a column for each setting."""
    columns = {}
    for name, setting in settings.items():
        found = measure(setting)
        most = f"{max(cost.memory for cost in found.parts.values()):.0f}"
        columns[name] = seconds(found, "processor") | each_frame(setting, found) | {"most memory, MiB": most}
    rows = max(columns.values(), key=len)
    yield from table(heading, {name: {row: column.get(row, "") for row in rows} for name, column in columns.items()})


def each_frame(setting: Setting, found: Measured) -> dict[str, str]:
    """Frames a second of one thread; what is done once for a video, with the selfie, is left out."""
    if setting.frames == 1:
        return {}
    spent = {name: cost.processor for name, cost in found.parts.items() if name not in ONCE}
    (paint,) = (name for name in spent if name.startswith("paint"))
    whole = sum(spent.values())
    without = whole - spent[paint] - spent["finish"] + found.asides[PREVIEW].processor
    ways = {"frames a second": whole, "frames a second without the painter": without}
    return {name: f"{setting.frames / value:.2f}" for name, value in ways.items()}


def seconds(found: Measured, which: str) -> dict[str, str]:
    """A column of "cold", "warm" or "processor" seconds: the parts, their sum, and the asides."""
    parts, asides = (
        {name: value for name, cost in costs.items() if (value := getattr(cost, which)) is not None}
        for costs in (found.parts, found.asides)
    )
    return {name: f"{value:.3f}" for name, value in (parts | {ALL: sum(parts.values())} | asides).items()}


def megabytes(found: Measured) -> dict[str, str]:
    return {name: f"{cost.memory:.0f}" for name, cost in (found.parts | found.asides).items()}


def many(n: int, name: str) -> str:
    return f"{n} {name}{'s' * (n > 1)}"


def table(heading: str, columns: dict[str, dict[str, str]]) -> Iterator[str]:
    """Markdown; the first column says which rows there are, and a cell is empty where another has none."""
    rows = ([row, *(column.get(row, "") for column in columns.values())] for row in next(iter(columns.values())))
    yield ""
    yield from grid((heading, *columns), rows)


def apart(setting: Setting) -> Measured:
    """measure() in a process of its own, from its start on."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(measure, setting, time.time()).result()


def measure(setting: Setting, begun: float | None = None) -> Measured:
    """begun: when this process was started, seconds since 1970, where it was for nothing but this"""
    with left_out(alone=begun is not None):
        from ...models.pipeline import DiffSFSR, Painting
        from .portrait_parts import Portrait
    parts = {} if begun is None else {START: Cost(time.time() - begun, memory=memory())}
    threads = torch.get_num_threads()
    torch.set_num_threads(setting.threads)
    try:
        with torch.inference_mode():
            pictures = scene(setting)
            loading = time.perf_counter()
            model = DiffSFSR.load("mini")
            parts[LOAD] = Cost(time.perf_counter() - loading, memory=memory())
            choose = "all" if setting.faces else "largest"
            portrait = Portrait(model, selfie(setting), pictures, choose, Painting(setting.steps))
            parts |= {name: clock(part, setting.rounds) for name, part in portrait.parts().items()}
            return Measured(parts, {name: clock(part, setting.rounds) for name, part in portrait.asides().items()})
    finally:
        torch.set_num_threads(threads)


def clock(work: Callable[[], object], rounds: int) -> Cost:
    """Of something that is done once, and then in so many rounds."""
    begun = time.perf_counter()
    work()
    cold, most, warm, processor = time.perf_counter() - begun, memory(), [], []
    for _ in range(rounds):
        begun, before = time.perf_counter(), time.process_time()
        work()
        warm.append(time.perf_counter() - begun)
        processor.append(time.process_time() - before)
    return Cost(cold, min(warm), min(processor), most)


def memory() -> float:
    """MiB, the most that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def selfie(setting: Setting) -> Tensor:
    """(3, H, W) in [-1, 1]"""
    return scaled(read_picture(find_people() / SELFIE / "assets" / "amateur_selfie.jpg"), setting.side / SIDE)


def scene(setting: Setting) -> Tensor:
    """(frames, 3, H, W) in [-1, 1]: one portrait, or so many faces in a grey picture that has room for the most."""
    if setting.faces is None:
        picture = scaled(read_picture(find_people() / SCENE / "assets" / "studio_portrait.jpg"), setting.side / SIDE)
    else:
        picture = torch.zeros(3, 2 * SLOT, max(FACES) // 2 * SLOT)
        for i, person in enumerate(people_in()[: setting.faces]):
            own = read_picture(person / "assets" / "studio_portrait.jpg")
            top, left = i % 2 * SLOT, i // 2 * SLOT
            picture[:, top : top + SLOT, left : left + SLOT] = scaled(own, SLOT / own.shape[-1])
    return picture.expand(setting.frames, -1, -1, -1)


def scaled(picture: Tensor, factor: float) -> Tensor:
    size = [round(factor * side) for side in picture.shape[1:]]
    return picture if factor == 1 else F.interpolate(picture[None], size=size, mode="area")[0]
