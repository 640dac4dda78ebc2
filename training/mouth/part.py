"""`train mouth`: the network that paints teeth. What it is trained on is cut out first, and kept."""

import torch

from ...models.appearance.mouth import Mouth
from ...models.pipeline import DiffSFSR
from ..decoder.adversary import Critic
from ..progress import Meter
from ..retoucher.adversary import CHANNELS, IN_WINDOWS, Seen
from ..run import Part, Run, Step, averaged_weights
from .examples import Examples, write_mouths
from .settings import MouthTraining
from .train import train


def begin(run: Run, settings: MouthTraining) -> Part:
    """Train on portraits, 640 pixels wide; writes mouth.safetensors. `settings.begin`: the model that reads meshes."""
    device, kept = run.place.device, run.out / "mouths.safetensors"
    if not kept.is_file():
        run.out.mkdir(parents=True, exist_ok=True)
        model = DiffSFSR.load(settings.begin or "mini", device=str(device))
        with Meter("portraits") as meter:
            for done, meter.total in write_mouths(list(run.data), kept, model):
                meter.at(done)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = Mouth.load(settings.mouth) if settings.mouth else Mouth()
        adversary = Critic([CHANNELS[i] for i in IN_WINDOWS])
    networks = (network.to(device) for network in (model.train().requires_grad_(True), adversary, Seen()))

    def export(step: Step) -> None:
        with averaged_weights(step):
            step.model.save(run.out / "mouth.safetensors")

    return Part(train(settings, *networks, Examples(kept), run.state()), export)
