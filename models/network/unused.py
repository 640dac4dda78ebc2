"""What diffusers loads where it is installed, for networks and adapters that no drawing has: five of its eight seconds.

diffusers asks once, as it is loaded, which packages there are, and then imports all of its networks, with whatever each
could be used with. It has no switch for that, and importing a submodule changes nothing, since its networks import each
other. So a process that draws and ends, `python cli.py generate`, tells Python meanwhile that they are not there, in
Python's own words: None in sys.modules. Nothing is replaced, and afterwards they can be imported as ever.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

UNUSED = ("peft", "scipy", "torchvision", "transformers")


@contextmanager
def left_out(alone: bool) -> Iterator[None]:
    """In this block Python takes UNUSED for not installed, but for what is loaded already.

    alone  whether the process draws and does nothing else; if not, nothing is left out, since diffusers remembers what
           it found, and a host or a training may want its adapters
    """
    absent = [name for name in UNUSED if alone and name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
