"""The training runs of the command line: they resume, write a curve and export weights. The loops are generators.

Each run keeps in its folder: `state.pt` (to go on from), `curve.csv`, and what it has made so far, averaged, fp16.
Those of the denoiser and of the decoder are in denoiser_run.py and decoder_run.py.
"""

import argparse

import torch

from ..models.identity.recogniser import Recogniser
from .autoencoder.train import AutoencoderTraining, load_autoencoder, save_autoencoder, train_autoencoder
from .data.shards import training_pictures
from .driver import averaged_weights, changed, load_state, run
from .recogniser.teacher import Teacher
from .recogniser.train import RecogniserTraining, train_recogniser


def recogniser(args: argparse.Namespace) -> None:
    """Distil `args.teacher` on the aligned faces; writes <shape>.safetensors."""
    if args.teacher is None:
        raise ValueError("got no --teacher, want a .tflite face recogniser with 112 px input")
    settings = changed(RecogniserTraining(), args)
    faces = torch.cat(training_pictures(args.data, "face"))
    codes, hints = Teacher.load(args.teacher).read(faces)
    begin = Recogniser.load(args.begin) if args.begin else None
    steps = train_recogniser(settings, faces, codes, hints, load_state(args.out), args.compile, begin)
    out = args.out / f"{args.shape}.safetensors"
    run(steps, args, settings.steps, lambda s: s.cosine, lambda s: s.model.recogniser.save(out))


def autoencoder(args: argparse.Namespace) -> None:
    """Train on patches of the crops; writes autoencoder.pt, averaged weights and the scale of the latents."""
    groups = training_pictures(args.data, "crop")
    settings = changed(AutoencoderTraining(), args)
    probe = groups[0][:256].float() / 127.5 - 1

    def export(step):
        with averaged_weights(step):
            with torch.no_grad():
                scale = 1 / step.model.encode(probe).latent_dist.mode().std().item()
            save_autoencoder(args.out / "autoencoder.pt", step.model, scale)

    begin = load_autoencoder(args.begin)[0] if args.begin else None
    steps = train_autoencoder(settings, groups, load_state(args.out), args.compile, begin)
    run(steps, args, settings.steps, lambda s: s.psnr, export)
