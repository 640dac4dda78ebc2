"""`train denoiser`: from prepared pictures to one file that Load DiffSFSR takes.

The run's folder holds, beside what every run keeps: `dataset.safetensors` (latents and codes of the pictures),
`reader.pt` (the latent reader, where one was trained), and `pictures/`, if asked for.
"""

import argparse
import copy
import dataclasses
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from torch import Tensor, nn

from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.network.checkpoint import save_checkpoint
from ...models.network.config import Config
from ...models.readers.decoded import DecodedReader
from ..data.dataset import Dataset
from ..data.encode import Encoding, encoded
from ..data.shards import frame_of, training_pictures
from ..driver import averaged_weights, changed, load_state, run
from ..state import save_atomically
from .grid import Grid
from .reader import ReaderTraining, load_reader, train_reader
from .settings import Training
from .start import Start, begin, build_model
from .train import Model, train


def denoiser(args: argparse.Namespace) -> None:
    """Train denoiser and conditioner; writes <name of the config>.safetensors, ready for ComfyUI."""
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU")  # as the Accelerator of the training loop does
    # the first process encodes all pictures before the others go on
    place = PartialState(cpu=on_cpu, timeout=timedelta(hours=12))
    args.out.mkdir(parents=True, exist_ok=True)
    start = begin(args.begin, args.autoencoder, args.recogniser, frame_of(args.data))
    start.autoencoder.to(place.device)
    start.recognisers.to(place.device)
    with place.main_process_first():
        cache = args.out / "dataset.safetensors"
        data = encoded(args.data, encoding_of(start, variations=args.variations), cache)
    scale = start.config.latent_scale
    rgb, bias = fit_preview(data.latents[:96].float().to(place.device) * scale, start.autoencoder, scale)
    config = dataclasses.replace(start.config, latent_rgb=rgb, latent_rgb_bias=bias)
    model = build_model(start, config, data, lambda: torch.cat(training_pictures(args.data, "face", 1000)))
    settings = settings_for(config, args)
    if args.lora:
        add_lora(model, args.lora)
    if args.checkpointing:
        model.denoiser.unet.enable_gradient_checkpointing()
        start.autoencoder.enable_gradient_checkpointing()  # for losses on decoded pixels
    reader = None
    if args.losses != "none" and args.estimate != "none":
        with place.main_process_first():
            reader = loss_reader(args, start, model, data).to(place.device)
    grid = Grid.read(args.pictures, config, start.recognisers, place.device) if args.pictures else None

    def export(step):
        with averaged_weights(step):
            parts = {
                "unet": plain(step.model.denoiser.unet),
                "vae": start.autoencoder,
                "conditioner": step.model.conditioner,
            }
            save_checkpoint(args.out / f"{config.name}.safetensors", config, parts, step.index * settings.batch)
            if grid:
                grid.draw(step.model, start.autoencoder, args.out / "pictures" / f"{step.index:07d}.jpg")

    steps = train(model, settings, data, load_state(args.out), reader, args.compile, start.sizes)
    run(steps, args, settings.steps, lambda s: s.loss, export)
    place.wait_for_everyone()
    place.destroy_process_group()  # else a process may abort on its way out


def encoding_of(start: Start, **varied) -> Encoding:
    """As the networks of a run want their pictures. varied: mirror, variations, seed"""
    return Encoding(start.autoencoder, start.recognisers, start.config.keeps_light, **varied)


def settings_for(config: Config, args: argparse.Namespace) -> Training:
    """A trained network is moved with care; what is added to one learns faster."""
    settings = Training()
    if config.name == "sd15":
        settings = dataclasses.replace(settings, rate=1e-4 if args.lora else 1e-5)
    return changed(settings, args)


def add_lora(model: Model, rank: int) -> None:
    """Train low-rank additions to the attention (Hu et al. 2021), the new inputs and the conditioner; nothing else."""
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise ValueError(f"--lora needs the package peft ({error}): `python -m pip install peft`") from error
    unet = model.denoiser.unet
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    unet.conv_in.requires_grad_(True)


def plain(unet: nn.Module) -> nn.Module:
    """The UNet with its low-rank additions, if any, added up into its own weights."""
    if not getattr(unet, "peft_config", None):
        return unet
    unet = copy.deepcopy(unet)
    unet.fuse_lora()
    unet.unload_lora()
    return unet


def loss_reader(args: argparse.Namespace, start: Start, model: Model, data: Dataset) -> nn.Module:
    """What reads identity and expression for the losses. A latent reader is trained first, some minutes, once."""
    neutral, spread = model.conditioner.neutral, model.conditioner.spread
    if args.losses == "decoded":
        mesh = FaceMesh.load(find_task_file())
        return DecodedReader(model.config, start.autoencoder, mesh, start.recognisers, neutral, spread)
    path = args.out / "reader.pt"
    if not path.is_file():
        device = next(start.autoencoder.parameters()).device
        steps = train_reader(
            ReaderTraining(), data, model.config.latent_scale, neutral, spread, start.sizes, device=device
        )
        for step in steps:
            if step.index % 100 == 0:
                print(f"reader, step {step.index}: cosine {step.cosine:.3f}, error {step.error:.3f}", flush=True)
        save_atomically(step.model.state_dict(), path)
    return load_reader(path, data.latents.shape[1:3], start.sizes)


@torch.inference_mode()
def fit_preview(z: Tensor, autoencoder: nn.Module, scale: float) -> tuple[tuple, tuple]:
    """The linear map from latents to RGB that comes closest to the decoder: weights (C, 3) and bias (3,)."""
    pixels = nn.functional.avg_pool2d(autoencoder.decode(z / scale).sample, 8)
    x = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
    x = torch.cat([x, torch.ones_like(x[:, :1])], dim=-1)
    found = torch.linalg.lstsq(x, pixels.permute(0, 2, 3, 1).reshape(-1, 3)).solution
    rows = [tuple(round(v, 5) for v in row) for row in found.tolist()]
    return tuple(rows[:-1]), rows[-1]
