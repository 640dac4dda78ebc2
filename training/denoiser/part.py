"""`train denoiser`: from prepared pictures to one file that Load DiffSFSR takes.

The run's folder holds, beside what every run keeps: `dataset.safetensors` (latents and codes of the pictures),
`reader.pt` (the latent reader, where one was trained), and `pictures/`, if asked for.
"""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor, nn

from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.network.checkpoint import save_checkpoint
from ...models.readers.decoded import DecodedReader
from ..data.dataset import Dataset, made_from
from ..data.encode import encoded
from ..data.shards import frame_of, training_pictures
from ..progress import shown
from ..run import Part, Run, Step, averaged_weights, save_atomically
from .grid import Grid
from .lora import add_lora, plain
from .reader import ReaderTraining, is_reader_of, load_reader, train_reader
from .settings import Training
from .start import Start, build_model, given, read_start
from .train import Model, train


def begin(run: Run, settings: Training) -> Part:
    """Train denoiser and conditioner; writes <name of the config>.safetensors, ready for ComfyUI."""
    place = run.place
    start = read_start(settings.begin, settings.autoencoder, settings.recogniser, frame_of(run.data)).to(place.device)
    start = given(start, settings.planes, settings.face_fill)
    with place.main_process_first():
        encoding = start.encoding(variations=settings.variations, bfloat16=settings.bfloat16)
        data = encoded(run.data, encoding, run.out / "dataset.safetensors")
    scale = start.config.latent_scale
    rgb, bias = fit_preview(data.latents[:96].float().to(place.device) * scale, start.autoencoder, scale)
    config = dataclasses.replace(start.config, latent_rgb=rgb, latent_rgb_bias=bias)
    model = build_model(start, config, data, lambda: torch.cat(training_pictures(run.data, "face", 1000)))
    if settings.lora:
        add_lora(model, settings.lora)
    if settings.checkpointing:
        model.denoiser.unet.enable_gradient_checkpointing()
        start.autoencoder.enable_gradient_checkpointing()  # for losses on decoded pixels
    reader = None
    if settings.losses != "none" and settings.estimate != "none":
        with place.main_process_first():
            reader = loss_reader(settings, run.out, start, model, data).to(place.device)
    grid = Grid.read(settings.people, config, start.recognisers, place.device) if settings.people else None

    def export(step: Step) -> None:
        with averaged_weights(step):
            denoiser, conditioner = model.denoiser, model.conditioner
            parts = {"unet": plain(denoiser.unet), "vae": start.autoencoder, "conditioner": conditioner}
            save_checkpoint(run.out / f"{config.name}.safetensors", config, parts, start.pictures + step.pictures)
            if grid:
                grid.draw(model, start.autoencoder, run.out / "pictures" / f"{step.pictures:09d}.jpg")

    return Part(train(model, settings, data, run.state(), reader, start.sizes), export)


def loss_reader(settings: Training, out: Path, start: Start, model: Model, data: Dataset) -> nn.Module:
    """What reads identity and expression for the losses. A latent reader is trained first, some minutes, once."""
    neutral, spread = model.conditioner.neutral, model.conditioner.spread
    if settings.losses == "decoded":
        mesh = FaceMesh.load(find_task_file())
        return DecodedReader(model.config, start.autoencoder, mesh, start.recognisers, neutral, spread)
    path, data_from = out / "reader.pt", made_from(out / "dataset.safetensors")
    if not is_reader_of(path, data_from):
        device, how = start.encoding().device, ReaderTraining(bfloat16=settings.bfloat16)
        steps = train_reader(how, data, model.config.latent_scale, neutral, spread, start.sizes, device)
        for step in shown(steps, "steps of the latent reader", how.steps):
            if step.index == how.steps:
                print(f"latent reader: cosine {step.cosine:.3f}, error {step.error:.3f}", flush=True)
        save_atomically({"made_from": data_from, "weights": step.model.state_dict()}, path)
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
