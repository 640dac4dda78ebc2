"""Where networks run: the one place that chooses (ours)."""

import torch

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """name: one of DEVICES; "auto" takes a GPU where there is one. ValueError where the one named is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(each for each, found in there.items() if found)
    if name not in there:
        raise ValueError(f'got the device "{name}", want one of {", ".join(DEVICES)}')
    if not there[name]:
        raise ValueError(
            f"this torch finds no {name} device here; want --device auto or cpu, or another build of torch"
        )
    return torch.device(name)
