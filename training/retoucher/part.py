"""`train retoucher`: the network that goes over composed faces. Its examples are made first, and kept."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from ...models.appearance.retouch import Retoucher
from ...models.pipeline import DiffSFSR
from ..progress import Meter
from ..run import Part, Run, Step, averaged_weights
from .adversary import Adversaries, Seen
from .examples import Examples, write_examples
from .readings import Readings
from .settings import RetoucherTraining
from .swaps import Swaps, write_swaps
from .train import train


def begin(run: Run, settings: RetoucherTraining) -> Part:
    """Train on portraits, 640 pixels wide; writes retoucher.safetensors. `settings.begin`: the model that paints."""
    device = run.place.device
    painter = DiffSFSR.load(settings.begin or "mini", device=str(device))
    examples = made(run.out / "examples", partial(write_examples, list(run.data), model=painter))
    swaps = None
    if settings.swaps and settings.faces:
        write = partial(write_swaps, list(run.data), model=painter, count=settings.swaps)
        swaps = Swaps(made(run.out / "swaps", write))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = Retoucher.load(settings.retoucher) if settings.retoucher else Retoucher()
        adversaries = Adversaries()
    networks = model.train().requires_grad_(True), adversaries, Seen()
    readings = None if swaps is None else Readings(painter.encoders.mesh, painter.encoders.recognisers).to(device)
    networks = tuple(network.to(device) for network in networks)

    def export(step: Step) -> None:
        with averaged_weights(step):
            step.model.save(run.out / "retoucher.safetensors")

    return Part(train(settings, *networks, Examples(examples), swaps, readings, run.state()), export)


def made(folder: Path, write: Callable[..., Iterator[tuple[int, int]]]) -> Path:
    """The folder, once everything is in it that write(out=folder) has to write."""
    folder.mkdir(parents=True, exist_ok=True)
    with Meter(folder.name) as meter:
        for done, meter.total in write(out=folder):
            meter.at(done)
    return folder
