"""`train decoder`: the last stage, a decoder that finishes what the denoiser makes. The latents stay what they are."""

import argparse
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
from ..denoiser.run import encoding_of
from ..denoiser.start import begin, pictures_seen, trained_model
from ..driver import changed, load_state, run
from .adversary import Adversary
from .softened import Softened
from .train import DecoderTraining, between, refine_decoder


def decoder(args: argparse.Namespace) -> None:
    """Refine the decoder of the checkpoint `args.begin`; writes the checkpoint anew, and autoencoder.pt."""
    photos = [folder for folder in args.data if not Shards(folder).rendered]
    if args.begin is None or not photos:
        raise ValueError("want --from with a checkpoint of this pack, and prepared photos in --data")
    args.out.mkdir(parents=True, exist_ok=True)
    start = begin(args.begin, None, None, frame_of(photos), renew=False)
    model, scale, denoiser = start.autoencoder, start.config.latent_scale, trained_model(start)
    recogniser = next((each for each in start.recognisers.values() if isinstance(each, Recogniser)), None)
    if recogniser is None:
        raise ValueError(f"got {args.begin.name}, trained with packs alone, want one with a recogniser of this pack")
    data = encoded(photos, encoding_of(start, mirror=False), args.out / "dataset.safetensors")
    settings, begun = changed(DecoderTraining(), args), copy.deepcopy(model.state_dict())
    latents, seen = Softened(denoiser, data, start.sizes), pictures_seen(args.begin)

    def export(step) -> None:
        vae = between(step.model, begun, settings.share)
        save_autoencoder(args.out / "autoencoder.pt", vae, scale)
        parts = {"unet": denoiser.denoiser.unet, "vae": vae, "conditioner": denoiser.conditioner}
        save_checkpoint(args.out / f"{start.config.name}.safetensors", start.config, parts, seen)

    crops, inside = (pictures_named(photos, data.names, key) for key in ("crop", "inside"))
    mesh, state = FrameMesh(FaceMesh.load(find_task_file()), FRAMES[start.config.frame]), load_state(args.out)
    steps = refine_decoder(settings, model, Adversary(recogniser), crops, latents, state, args.compile, mesh, inside)
    run(steps, args, settings.steps, lambda s: s.psnr, export)
