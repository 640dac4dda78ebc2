"""Training of the denoiser and the conditioner: a generator of steps. Logging, saving and pictures are the caller's."""

from collections.abc import Iterator, Sequence

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from diffusers.models.attention_processor import AttnProcessor
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from ...models.conditions import Conditioner, Conditions
from ...models.network.config import Config
from ...models.network.denoiser import Denoiser
from ...models.network.precision import autocast
from ...models.network.schedule import Schedule
from ..data.dataset import Dataset
from ..data.stream import ahead
from ..run import Step, resume, trained
from .batches import Batch, Sampler, own_share
from .losses import denoising_loss
from .settings import Training
from .stable_diffusion import began_as_stable_diffusion


class Model(nn.Module):
    """The trained part: denoiser and conditioner."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.denoiser = Denoiser(config)
        self.conditioner = Conditioner(config)

    def forward(self, z: Tensor, t: Tensor, batch: Batch) -> Tensor:
        tokens = self.conditioner(batch.identity, batch.expression, batch.pose, batch.keep, batch.style)
        planes = {name: getattr(batch, name) for name in self.config.planes}
        return self.denoiser(z, t, Conditions(tokens, planes))


def new_model(config: Config, data: Dataset, seed: int = 0) -> Model:
    """An untrained model that knows how faces at rest look in the data, and how much they move."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Model(config)
    neutral, spread = expression_statistics(data)
    model.conditioner.neutral.copy_(neutral)
    model.conditioner.spread.copy_(spread)
    return model


def train(
    model: Model,
    training: Training,
    data: Dataset,
    state: dict | None = None,
    reader: nn.Module | None = None,
    sizes: Sequence[int] = (),
) -> Iterator[Step]:
    """Yield after every step, with the loss of the joint batch. Of several processes, each does its share of a batch.

    model   is changed in place; what has requires_grad is trained
    state   what Step.state() gave
    reader  for the losses on the estimate of z_0
    sizes   lengths of the recognisers' vectors in the identity code, one vector where empty
    """
    # buffers never change; precision is in our own hands, so that the model stays as it is
    accelerator = Accelerator(
        mixed_precision="no", kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)]
    )
    device, own = accelerator.device, own_share(training.batch, accelerator.process_index, accelerator.num_processes)
    model.to(device)
    if device.type == "cpu":  # where the backward pass of fused attention is slow
        model.denoiser.unet.set_attn_processor(AttnProcessor())
    parameters, peak = trained(model), training.peak_rate(began_as_stable_diffusion(model.config))
    averaged = EMAModel(parameters, decay=0.9995, use_ema_warmup=True, inv_gamma=1.0, power=0.75, foreach=True)
    optimiser = torch.optim.AdamW(parameters, lr=peak, weight_decay=0.01, betas=(0.9, 0.99), fused=True)
    positions = training.positions(resume(state, model=model, averaged=averaged, optimiser=optimiser))
    averaged.to(device)
    schedule, spread = Schedule(), model.conditioner.spread
    sampler = Sampler(data, training, model.conditioner.neutral, model.config.latent_scale, sizes)

    def joint_mean(values: Tensor) -> Tensor:
        return accelerator.reduce(values.detach().mean(), "mean")

    batches = ahead(sampler.draw(position, training.swap if reader else 0.0, own) for position in positions)
    runner = accelerator.prepare_model(torch.compile(model) if training.compile else model)
    for position, batch in zip(positions, batches, strict=True):
        rise = (position / training.batch + 1) / 200
        fall = 0.05 + 0.95 * (1 - position / training.pictures) / 0.4
        optimiser.param_groups[0]["lr"] = peak * min(1.0, rise, fall)
        batch = batch.to(device)
        with autocast(device, training.bfloat16):
            loss = denoising_loss(runner, batch, model.config, training, schedule, reader, spread, joint_mean)
        optimiser.zero_grad()
        accelerator.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        averaged.step(parameters)
        parts = {"averaged": averaged, "optimiser": optimiser}
        yield Step(position + training.batch, joint_mean(loss).item(), model, parts)


def expression_statistics(data: Dataset) -> tuple[Tensor, Tensor]:
    """Neutral: the mean of the tenth of the pictures with the stillest faces; spread: standard deviation, at least .03.

    "Still" is measured from a face at rest, with smiles, frowns and open jaws weighing alike. Rendered faces, which act
    more than people do, count only where there are no photos.
    """
    photos = data.style == 0
    blendshapes = data.blendshapes[photos] if photos.any() else data.blendshapes
    spread = blendshapes.std(0).clamp(min=0.03)
    activity = ((blendshapes - resting(blendshapes)) / spread).square().mean(1)
    still = activity.argsort()[: max(1, len(blendshapes) // 10)]
    return blendshapes[still].mean(0), spread


def resting(blendshapes: Tensor) -> Tensor:
    """(M, 51) -> (51,): a face at rest, the lower quarter of each channel; expressions add to it."""
    return blendshapes.quantile(0.25, dim=0)
