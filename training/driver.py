"""Drives a training loop: curve, saving, a time limit, and what is done every few minutes. The loops are generators."""

import argparse
import csv
import dataclasses
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import reduce

from .state import ResumableStep, save_atomically, trained


def run(
    steps: Iterable[ResumableStep],
    args: argparse.Namespace,
    total: int,
    measure: Callable[[ResumableStep], float],
    export: Callable[[ResumableStep], None],
) -> None:
    """Curve, saving, a time limit. Saved are the state first, then the weights to use, by the first process alone."""
    place = PartialState()
    started = saved = time.monotonic()
    values: list[float] = []
    for step in steps:
        values.append(measure(step))
        now = time.monotonic()
        late = now - started > args.minutes * 60
        if place.num_processes > 1:  # they stop together
            late = bool(reduce(torch.tensor(float(late), device=place.device), "sum") > 0)
        if place.is_main_process:
            if step.index % 50 == 0 or step.index == total:
                mean, values = sum(values) / len(values), []
                with open(args.out / "curve.csv", "a", newline="") as file:
                    csv.writer(file).writerow([step.index, f"{mean:.5f}"])
                print(f"step {step.index} of {total}: {mean:.4f}, {(now - started) / 60:.1f} min", flush=True)
            if late or step.index == total or now - saved > args.save_every * 60:
                save_atomically(step.state(), args.out / "state.pt")
                export(step)
                saved = now
        if late:
            break


class averaged_weights:
    """Within this block the model has its averaged weights."""

    def __init__(self, step):
        self.step = step

    def __enter__(self):
        self.step.averaged.store(trained(self.step.model))
        self.step.averaged.copy_to(trained(self.step.model))

    def __exit__(self, *error):
        self.step.averaged.restore(trained(self.step.model))


def changed(settings, args: argparse.Namespace):
    """The settings with what was given on the command line under the same names."""
    names = {field.name for field in dataclasses.fields(settings)}
    given = {key: value for key, value in vars(args).items() if key in names and value is not None}
    return dataclasses.replace(settings, **given)


def load_state(out: Path) -> dict | None:
    out.mkdir(parents=True, exist_ok=True)
    path = out / "state.pt"
    return torch.load(path, weights_only=True, map_location="cpu") if path.is_file() else None
