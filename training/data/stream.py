"""Batches drawn ahead of their use, in a thread of their own."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], count: int = 2) -> Iterator[T]:
    """The same items in the same order; up to `count` are made while the one before is worked on.

    What making them raises is raised where they are asked for. Closed, or left to itself, it makes no more.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None, bool]] = queue.Queue(count)
    stop = threading.Event()

    def put(item: T | None, error: BaseException | None = None, last: bool = False) -> None:
        while not stop.is_set():
            try:
                return ready.put((item, error, last), timeout=0.1)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
            put(None, last=True)
        except BaseException as error:  # whatever it is, it belongs to who asks for the item
            put(None, error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = ready.get()
            if error is not None:
                raise error
            if last:
                return
            yield item
    finally:
        stop.set()
        thread.join()
