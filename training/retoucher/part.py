"""`train retoucher`: the network that goes over composed faces. Its examples are made first, and kept."""

import torch

from ...models.appearance.retouch import Retoucher
from ...models.pipeline import DiffSFSR
from ..progress import Meter
from ..run import Part, Run, Step, averaged_weights
from .adversary import Adversary, Seen
from .examples import Examples, write_examples
from .settings import RetoucherTraining
from .train import train


def begin(run: Run, settings: RetoucherTraining) -> Part:
    """Train on portraits, 640 pixels wide; writes retoucher.safetensors. `settings.begin`: the model that paints."""
    folder, device = run.out / "examples", run.place.device
    folder.mkdir(parents=True, exist_ok=True)
    painter = DiffSFSR.load(settings.begin or "mini", device=str(device))
    with Meter("examples") as meter:
        for done, meter.total in write_examples(list(run.data), folder, painter):
            meter.at(done)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model, adversary = Retoucher().to(device), Adversary().to(device)

    def export(step: Step) -> None:
        with averaged_weights(step):
            step.model.save(run.out / "retoucher.safetensors")

    return Part(train(settings, model, adversary, Seen().to(device), Examples(folder), run.state()), export)
