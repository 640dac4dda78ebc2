"""`train autoencoder`: on patches of crops; writes autoencoder.pt, averaged weights and the scale of the latents."""

import torch

from ...models.pixels import from_bytes
from ..data.shards import training_pictures
from ..run import Part, Run, Step, averaged_weights
from .settings import AutoencoderTraining
from .train import load_autoencoder, save_autoencoder, train_autoencoder


def begin(run: Run, settings: AutoencoderTraining) -> Part:
    groups, device = training_pictures(run.data, "crop"), run.place.device
    probe = from_bytes(groups[0][:256]).to(device)

    def export(step: Step) -> None:
        with averaged_weights(step):
            with torch.no_grad():
                scale = 1 / step.model.encode(probe).latent_dist.mode().std().item()
            save_autoencoder(run.out / "autoencoder.pt", step.model, scale)

    before = load_autoencoder(settings.begin)[0] if settings.begin else None
    return Part(train_autoencoder(settings, groups, run.state(), before, device), export)
