"""What diffusers loads, seconds long, where it is installed: for networks and adapters that no drawing has."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

UNUSED = ("peft", "scipy", "torchvision", "transformers")


@contextmanager
def left_out(alone: bool) -> Iterator[None]:
    """In this block Python takes UNUSED for not installed (None says so to it), but for what is loaded already.

    alone  whether the process draws and does nothing else, since diffusers remembers what it found; if not, none is
    """
    absent = [name for name in UNUSED if alone and name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
