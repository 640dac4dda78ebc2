"""Drives the training of a part: it goes on where it stopped, and writes a curve, its state and the weights to use.

A part is a folder here. Its part.py says what is trained on (`begin`), its train.py how: a generator of steps. A run's
folder holds `state.pt`, to go on from; `curve.csv`: pictures seen and the mean since the row before; `settings.json`:
with which settings it went on from where; and what the part exports, averaged weights in float16.
"""

import csv
import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Protocol

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env, reduce
from torch import Tensor, nn

from ..models.network.device import choose_device
from .data.shards import write_json
from .settings import Settings, recorded

ROW = 50  # steps to a row of the curve


class Stateful(Protocol):
    def state_dict(self) -> dict: ...

    def load_state_dict(self, state_dict: dict): ...


@dataclass
class Step:
    """One step of a training, done."""

    pictures: int  # seen so far, by all processes together
    value: float  # what the curve shows
    model: nn.Module  # raw weights
    parts: dict[str, Stateful] = field(default_factory=dict)  # what else is needed to go on, by name

    def state(self) -> dict:
        """Everything that is needed to go on, loadable with weights_only=True."""
        parts = {"model": self.model, **self.parts}
        return {"pictures": self.pictures, **{name: part.state_dict() for name, part in parts.items()}}


def resume(state: dict | None, **parts: Stateful) -> int:
    """Put the parts back to where Step.state() found them; returns the pictures seen, 0 for a fresh start."""
    if state is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["pictures"]


@dataclass(frozen=True)
class Part:
    """A part that is about to be trained, or trained further."""

    steps: Generator[Step, None, None]
    export: Callable[[Step], None]  # writes the weights to use


@dataclass(frozen=True)
class Run:
    """Where a part is trained, on what, and for how long."""

    part: str  # a folder here
    data: tuple[Path, ...]  # prepared folders
    out: Path
    minutes: float = float("inf")
    save_every: float = 3.0  # minutes
    device: str = "auto"

    @property
    def place(self) -> PartialState:
        """This process and its device. The first one encodes all pictures before the others go on."""
        cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or choose_device(self.device).type == "cpu"
        return PartialState(cpu=cpu, timeout=timedelta(hours=12))

    def state(self, mmap: bool = False) -> dict | None:
        """What an earlier run has left to go on from; mmap: what is not asked for is not read."""
        path = self.out / "state.pt"
        if not path.is_file():
            return None
        state = torch.load(path, weights_only=True, map_location="cpu", mmap=mmap)
        if "pictures" not in state:
            raise ValueError(f"{path} was left by an older version; change --out, and give its weights to --from")
        return state

    def go(self, settings: Settings) -> None:
        """Train: a line and a row of the curve every ROW steps, everything saved every few minutes and at the end."""
        place = self.place
        self.out.mkdir(parents=True, exist_ok=True)
        part = import_module(f".{self.part}.part", __package__).begin(self, settings)
        if place.is_main_process:
            record(self.out / "settings.json", settings, self.state(mmap=True))
        started = saved = time.monotonic()
        values: list[float] = []
        for step in part.steps:
            values.append(step.value)
            now, last = time.monotonic(), step.pictures >= settings.pictures
            late = agreed(now - started > self.minutes * 60, place)
            if last or late or len(values) == ROW:
                if place.is_main_process:
                    self._tell(step, settings, sum(values) / len(values), now - started)
                values.clear()
            if place.is_main_process and (last or late or now - saved > self.save_every * 60):
                save_atomically(step.state(), self.out / "state.pt")
                part.export(step)
                saved = now
            if late:
                break
        part.steps.close()
        place.wait_for_everyone()
        place.destroy_process_group()  # else a process may abort on its way out

    def _tell(self, step: Step, settings: Settings, mean: float, seconds: float) -> None:
        with open(self.out / "curve.csv", "a", newline="") as file:
            csv.writer(file).writerow([step.pictures, f"{mean:.5f}"])
        print(f"{step.pictures} of {settings.pictures} pictures: {mean:.4f}, {seconds / 60:.1f} min", flush=True)


def agreed(late: bool, place: PartialState) -> bool:
    """Whether any process says so: they stop together."""
    if place.num_processes == 1:
        return late
    return bool(reduce(torch.tensor(float(late), device=place.device), "sum") > 0)


def record(path: Path, settings: Settings, state: dict | None) -> None:
    """Add the settings to a run's list of those it was begun and gone on with, where they are others than the last."""
    entries = json.loads(path.read_text()) if path.is_file() else []
    now = recorded(settings)
    before = entries[-1]["settings"] if entries else now
    for key in sorted(now | before):
        if before.get(key) != now.get(key):
            print(f"{key} was {before.get(key)}, from here on it is {now.get(key)}", flush=True)
    if not entries or before != now:
        write_json(path, [*entries, {"from_picture": state["pictures"] if state else 0, "settings": now}])


def generator_at(seed: int, position: int) -> torch.Generator:
    """For the draws of a step, so that a resumed run draws what an uninterrupted one would."""
    return torch.Generator().manual_seed(seed * 1_000_000_007 + position)


def trained(model: nn.Module) -> list[nn.Parameter]:
    """What of a model is trained, and so averaged: all of it, or what was added to it."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def descend(loss: Tensor, parameters: Iterable[nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
    """One step of a network, its gradient no longer than 1."""
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()


@contextmanager
def averaged_weights(step: Step) -> Iterator[None]:
    """Within this block the model has its averaged weights, those of step.parts["averaged"]."""
    averaged, parameters = step.parts["averaged"], trained(step.model)
    averaged.store(parameters)
    averaged.copy_to(parameters)
    try:
        yield
    finally:
        averaged.restore(parameters)


def save_atomically(value: dict, path: Path) -> None:
    temporary = path.with_suffix(".unfinished")
    torch.save(value, temporary)
    os.replace(temporary, path)
