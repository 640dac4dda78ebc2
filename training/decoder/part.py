"""`train decoder`: the last stage, a decoder that finishes what the denoiser makes. The latents stay what they are."""

import copy

from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.frames import FRAMES
from ...models.identity.recogniser import Recogniser
from ...models.network.checkpoint import save_checkpoint
from ...models.readers.decoded import FrameMesh
from ..autoencoder.train import save_autoencoder
from ..data.encode import encoded
from ..data.shards import Shards, frame_of, pictures_named
from ..denoiser.start import read_start, trained_model
from ..run import Part, Run, Step
from .adversary import Adversary
from .settings import DecoderTraining
from .softened import Softened
from .train import between, refine_decoder


def begin(run: Run, settings: DecoderTraining) -> Part:
    """Refine the decoder of the checkpoint `settings.begin`; writes the checkpoint anew, and autoencoder.pt."""
    photos, device = [folder for folder in run.data if not Shards(folder).rendered], run.place.device
    if settings.begin is None or not photos:
        raise ValueError("want --from with a checkpoint of this pack, and prepared photos in --data")
    start = read_start(settings.begin, None, None, frame_of(photos), renew=False).to(device)
    model, config, denoiser = start.autoencoder, start.config, trained_model(start).to(device)
    recogniser = next((each for each in start.recognisers.values() if isinstance(each, Recogniser)), None)
    if recogniser is None:
        raise ValueError(
            f"got {settings.begin.name}, trained with packs alone, want one with a recogniser of this pack"
        )
    encoding = start.encoding(mirror=False, bfloat16=settings.bfloat16)
    data = encoded(photos, encoding, run.out / "dataset.safetensors")
    before = copy.deepcopy(model.state_dict())

    def export(step: Step) -> None:
        vae = between(step.model, before, settings.share)
        save_autoencoder(run.out / "autoencoder.pt", vae, config.latent_scale)
        parts = {"unet": denoiser.denoiser.unet, "vae": vae, "conditioner": denoiser.conditioner}
        save_checkpoint(run.out / f"{config.name}.safetensors", config, parts, start.pictures)

    crops, inside = (pictures_named(photos, data.names, key) for key in ("crop", "inside"))
    mesh = FrameMesh(FaceMesh.load(find_task_file()), FRAMES[config.frame]).to(device)
    latents, adversary = Softened(denoiser, data, start.sizes), Adversary(recogniser).to(device)
    return Part(refine_decoder(settings, model, adversary, crops, latents, run.state(), mesh, inside), export)
