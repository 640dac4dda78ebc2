"""Tells how far a long command has got: on a terminal a line that is written over, elsewhere one every ten seconds."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
TERMINAL, LOG = 0.2, 10.0  # seconds between two lines


class Meter:
    """Counts what is done of `total` things, and says so on stderr; to be used in a `with` block, which ends its line.

    What was done before it first heard of it takes no part in the time that is left.
    """

    def __init__(self, what: str, total: int | None = None):
        self.what, self.total, self.done, self.note = what, total, 0, ""
        self.terminal, self.open = sys.stderr.isatty(), False
        self.started = self.said = time.monotonic()
        self.begun: tuple[int, float] | None = None  # how many were done when

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *error) -> None:
        if self.open:
            print(file=sys.stderr)

    def advance(self, count: int = 1, note: str = "") -> None:
        """So many more are done; note: what else is to be said."""
        self.at(self.done + count, note)

    def at(self, done: int, note: str = "") -> None:
        """So many are done in all."""
        now = time.monotonic()
        self.begun = self.begun or (done, now)
        self.done, self.note = done, note
        if now - self.said >= (TERMINAL if self.terminal else LOG) or (self.open and done == self.total):
            self.said, self.open = now, self.terminal
            text, end = (f"\r{self}\x1b[K", "") if self.terminal else (str(self), "\n")
            print(text, end=end, file=sys.stderr, flush=True)

    def __str__(self) -> str:
        now = time.monotonic()
        parts = [f"{self.what}: {self.done}" + ("" if self.total is None else f" of {self.total}")]
        parts.append(clock(now - self.started))
        first, since = self.begun or (0, now)
        if self.total and self.done > first:
            parts.append(f"{clock((now - since) / (self.done - first) * (self.total - self.done))} left")
        return ", ".join([*parts, self.note] if self.note else parts)


def shown(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The same items; each counts as done when the next one is asked for."""
    with Meter(what, len(items) if total is None and hasattr(items, "__len__") else total) as meter:
        for item in items:
            yield item
            meter.advance()


def follow(steps: Iterable[Any], what: str) -> str:
    """Run the making of shards to its end; returns what came of it. steps: shards.Progress"""
    with Meter(what) as meter:
        for step in steps:
            meter.total = step.total
            meter.at(step.done, f"{step.kept} kept, {step.rejected} rejected")
    return f"{meter.done} {what}, {meter.note}" if meter.done else f"nothing to do: all {what} before"


def clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
