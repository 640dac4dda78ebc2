"""`train decoder`: the last stage, a decoder that finishes what the denoiser makes. The latents stay what they are."""

import argparse
from pathlib import Path

import torch
from safetensors import safe_open

from ..models.checkpoint import fill, save_checkpoint
from ..models.recogniser import Recogniser
from .adversary import Adversary
from .autoencoder import save_autoencoder
from .dataset import Dataset, encode_shards, join
from .decoder import DecoderTraining, refine_decoder
from .denoiser_run import frame_of
from .driver import changed, load_state, run
from .photos import test_people
from .prepare import Shards
from .runs import everyone, training_pictures
from .softened import Softened
from .start import Start, begin
from .train import Model


def decoder(args: argparse.Namespace) -> None:
    """Refine the decoder of the checkpoint `args.begin`; writes the checkpoint anew, and autoencoder.pt."""
    photos = [folder for folder in args.data if not Shards(folder).rendered]
    if args.begin is None or not photos:
        raise ValueError("want --from with a checkpoint of this pack, and prepared photos in --data")
    args.out.mkdir(parents=True, exist_ok=True)
    start = begin(args.begin, None, None, frame_of(photos))
    model, scale, denoiser = start.autoencoder, start.config.latent_scale, denoiser_of(start)
    recogniser = next((each for each in start.recognisers.values() if isinstance(each, Recogniser)), None)
    if recogniser is None:
        raise ValueError(f"got {args.begin.name}, trained with packs alone, want one with a recogniser of this pack")
    latents = Softened(denoiser, encoded(photos, start, args.out / "dataset.safetensors"), start.sizes)
    with safe_open(args.begin, framework="pt") as file:
        seen = int(file.metadata()["step"])

    def export(step) -> None:
        save_autoencoder(args.out / "autoencoder.pt", step.model, scale)
        parts = {"unet": denoiser.denoiser.unet, "vae": step.model, "conditioner": denoiser.conditioner}
        save_checkpoint(args.out / f"{start.config.name}.safetensors", start.config, parts, seen)

    settings, crops = changed(DecoderTraining(), args), torch.cat(training_pictures(photos, "crop"))
    steps = refine_decoder(settings, model, Adversary(recogniser), crops, latents, load_state(args.out), args.compile)
    run(steps, args, settings.steps, lambda s: s.psnr, export)


def denoiser_of(start: Start) -> Model:
    model = Model(start.config).requires_grad_(False)
    fill(model.denoiser.unet, start.unet, "unet")
    fill(model.conditioner, start.conditioner, "conditioner")
    return model


def encoded(folders: list[Path], start: Start, cache: Path) -> Dataset:
    """One row for each training picture, in the order of training_pictures."""
    if cache.is_file():
        return Dataset.load(cache)
    tested, light = test_people(everyone(folders)), start.config.face_fill == "light"
    networks = start.autoencoder, start.recognisers
    data = join([encode_shards(folder, *networks, tested, {}, mirror=False, light=light) for folder in folders])
    data.save(cache)
    return data
