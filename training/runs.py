"""The three training runs of the command line: they resume, write a curve and export weights. The loops are generators.

Each run keeps in its folder: `state.pt` (to go on from), `curve.csv`, and what it has made so far, averaged, fp16.
"""

import argparse
import csv
import dataclasses
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from ..models.autoencoder import build_autoencoder
from ..models.checkpoint import fill, save_checkpoint
from ..models.config import mini
from ..models.recogniser import Recogniser
from ..models.tflite import Graph
from .autoencoder import AutoencoderTraining, train_autoencoder
from .dataset import Dataset, encode_shards, join
from .decoder import DecoderTraining, refine_decoder
from .photos import person_of, test_people
from .prepare import load_shards, names_in
from .reader import LatentReader, ReaderTraining, train_reader
from .recogniser import RecogniserTraining, train_recogniser
from .train import Training, expression_statistics, train

SAVE_EVERY = 180  # seconds


def recogniser(args: argparse.Namespace) -> None:
    """Distil `args.teacher` on the aligned faces; writes recogniser.safetensors."""
    if args.teacher is None:
        raise ValueError("got no --teacher, want a .tflite face recogniser with 112 px input")
    names, data = gather(args.data)
    rows = training_rows(names)
    faces = data["face"][rows]
    teacher = Graph(args.teacher.read_bytes())
    codes = teacher_codes(teacher, faces)
    settings = changed(RecogniserTraining(), args)
    steps = train_recogniser(settings, faces, codes, load_state(args.out))
    run(steps, args, settings.steps, lambda s: s.cosine, lambda s: s.model.save(args.out / "recogniser.safetensors"))


def autoencoder(args: argparse.Namespace) -> None:
    """Train on patches of the crops; writes autoencoder.pt, averaged weights and the scale of the latents."""
    groups = []
    for folder in args.data:
        names, data = load_shards(folder)
        groups.append(data["crop"][training_rows(names, everyone(args.data))])
    settings = changed(AutoencoderTraining(), args)
    probe = groups[0][:256].float() / 127.5 - 1

    def export(step):
        with averaged_weights(step):
            with torch.no_grad():
                scale = 1 / step.model.encode(probe).latent_dist.mode().std().item()
            shape = {"widths": settings.widths, "layers": settings.layers, "latent_channels": settings.latent_channels}
            save_atomically({**shape, "scale": scale, "weights": step.model.state_dict()}, args.out / "autoencoder.pt")

    steps = train_autoencoder(settings, groups, load_state(args.out), args.compile)
    run(steps, args, settings.steps, lambda s: s.psnr, export)


def decoder(args: argparse.Namespace) -> None:
    """Refine the decoder of `args.autoencoder` on whole crops; writes autoencoder.pt anew, with the same latents."""
    if args.autoencoder is None or args.recogniser is None:
        raise ValueError("got no --autoencoder or no --recogniser, want the files that these two runs wrote")
    saved, model = load_autoencoder(args.autoencoder)
    names, data = gather(args.data)
    settings = changed(DecoderTraining(), args)

    def export(step):
        save_atomically(saved | {"weights": step.model.state_dict()}, args.out / "autoencoder.pt")

    crops, recogniser = data["crop"][training_rows(names)], Recogniser.load(args.recogniser[0])
    steps = refine_decoder(settings, model, recogniser, crops, load_state(args.out), args.compile)
    run(steps, args, settings.steps, lambda s: s.psnr, export)


def load_autoencoder(path: Path) -> tuple[dict, nn.Module]:
    """What `train autoencoder` wrote, as saved, and as a network."""
    saved = torch.load(path, weights_only=True)
    model = build_autoencoder(saved["widths"], saved["layers"], saved["latent_channels"], saved["scale"])
    return saved, fill(model, saved["weights"], "autoencoder")


def denoiser(args: argparse.Namespace) -> None:
    """Train denoiser and conditioner; writes mini.safetensors, ready for ComfyUI."""
    if args.autoencoder is None or args.recogniser is None:
        raise ValueError(
            "want --autoencoder and --recogniser, the files that `train autoencoder` and `train recogniser` wrote"
        )
    saved, model = load_autoencoder(args.autoencoder)
    recognisers = nn.ModuleDict({path.stem: Recogniser.load(path) for path in args.recogniser})
    args.out.mkdir(parents=True, exist_ok=True)
    cache = args.out / "dataset.safetensors"
    if cache.is_file():
        data = Dataset.load(cache)
    else:
        people = everyone(args.data)
        out = test_people(people)
        numbers = {person: i for i, person in enumerate(sorted({person_of(name) for name in people}))}
        data = join([encode_shards(folder, model, recognisers, out, numbers) for folder in args.data])
        data.save(cache)
    rgb, bias = fit_preview(data.latents[:96].float() * saved["scale"], model, saved["scale"])
    config = mini(
        recognisers=tuple(recognisers),
        identity_size=data.identity.shape[-1],
        latent_channels=saved["latent_channels"],
        latent_scale=saved["scale"],
        autoencoder_widths=tuple(saved["widths"]),
        autoencoder_layers=saved["layers"],
        latent_rgb=rgb,
        latent_rgb_bias=bias,
    )
    settings = changed(Training(), args)

    def export(step):
        with averaged_weights(step):
            parts = {"unet": step.model.denoiser.unet, "vae": model, "conditioner": step.model.conditioner}
            save_checkpoint(args.out / "mini.safetensors", config, parts, step.index * settings.batch)

    reader = latent_reader(args.out / "reader.pt", data, config.latent_scale) if args.losses else None
    steps = train(config, settings, data, load_state(args.out), reader, args.compile)
    run(steps, args, settings.steps, lambda s: s.loss, export)


def latent_reader(path: Path, data: Dataset, scale: float) -> LatentReader:
    """The reader that identity and expression losses need; trained first, some minutes, where there is none."""
    model = LatentReader(data.latents.shape[1], data.identity.shape[-1])
    if path.is_file():
        return fill(model, torch.load(path, weights_only=True), "latent reader")
    settings = ReaderTraining()
    for step in train_reader(settings, data, scale, *expression_statistics(data)):
        if step.index % 100 == 0:
            print(f"reader, step {step.index}: cosine {step.cosine:.3f}, error {step.error:.3f}", flush=True)
    save_atomically(step.model.state_dict(), path)
    return step.model.eval().requires_grad_(False)


def run(steps: Iterable, args: argparse.Namespace, total: int, measure: Callable, export: Callable) -> None:
    """Drive a loop: curve, saving, a time limit. Saved are the state first, then the weights to use."""
    started = saved = time.monotonic()
    values: list[float] = []
    with open(args.out / "curve.csv", "a", newline="") as file:
        curve = csv.writer(file)
        for step in steps:
            values.append(measure(step))
            now = time.monotonic()
            if step.index % 50 == 0 or step.index == total:
                mean = sum(values) / len(values)
                values = []
                curve.writerow([step.index, f"{mean:.5f}"])
                file.flush()
                print(f"step {step.index} of {total}: {mean:.4f}, {(now - started) / 60:.1f} min", flush=True)
            late = now - started > args.minutes * 60
            if late or step.index == total or now - saved > SAVE_EVERY:
                save_atomically(step.state(), args.out / "state.pt")
                export(step)
                saved = now
            if late:
                break


class averaged_weights:
    """Within this block the model has its averaged weights."""

    def __init__(self, step):
        self.step = step

    def __enter__(self):
        self.step.averaged.store(self.step.model.parameters())
        self.step.averaged.copy_to(self.step.model.parameters())

    def __exit__(self, *error):
        self.step.averaged.restore(self.step.model.parameters())


def changed(settings, args: argparse.Namespace):
    given = {key: getattr(args, key) for key in ("steps", "batch", "rate") if getattr(args, key) is not None}
    return dataclasses.replace(settings, **given)


def load_state(out: Path) -> dict | None:
    out.mkdir(parents=True, exist_ok=True)
    path = out / "state.pt"
    return torch.load(path, weights_only=True) if path.is_file() else None


def save_atomically(value: dict, path: Path) -> None:
    temporary = path.with_suffix(".unfinished")
    torch.save(value, temporary)
    os.replace(temporary, path)


def everyone(folders: list[Path]) -> list[str]:
    """Names of all prepared photos: the test people are those of the union, whatever folder a photo is in."""
    return [
        name for folder in folders for shard in sorted(Path(folder).glob("*.safetensors")) for name in names_in(shard)
    ]


def training_rows(names: list[str], people: list[str] | None = None) -> list[int]:
    out = test_people(people or names)
    return [i for i, name in enumerate(names) if person_of(name) not in out]


def gather(folders: list[Path]) -> tuple[list[str], dict[str, Tensor]]:
    loaded = [load_shards(folder) for folder in folders]
    names = [name for part, _ in loaded for name in part]
    return names, {key: torch.cat([data[key] for _, data in loaded]) for key in loaded[0][1]}


@torch.inference_mode()
def teacher_codes(teacher: nn.Module, faces: Tensor, batch: int = 64) -> Tensor:
    """(N, D) unit vectors."""
    parts = [(part.float() - 127.5) / 128 for part in faces.split(batch)]
    codes = torch.cat([teacher(x.permute(0, 2, 3, 1))[0] for x in parts])
    return nn.functional.normalize(codes, dim=-1).clone()  # no longer an inference tensor


@torch.inference_mode()
def fit_preview(z: Tensor, autoencoder: nn.Module, scale: float) -> tuple[tuple, tuple]:
    """The linear map from latents to RGB that comes closest to the decoder: weights (C, 3) and bias (3,)."""
    pixels = nn.functional.avg_pool2d(autoencoder.decode(z / scale).sample, 8)
    x = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
    x = torch.cat([x, torch.ones(len(x), 1)], dim=-1)
    found = torch.linalg.lstsq(x, pixels.permute(0, 2, 3, 1).reshape(-1, 3)).solution
    rows = [tuple(round(v, 5) for v in row) for row in found.tolist()]
    return tuple(rows[:-1]), rows[-1]
