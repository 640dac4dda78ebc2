"""Distillation of a small recogniser from teachers' codes (ours): cosine to the teacher, and agreement of all pairs."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.recogniser import Recogniser
from .state import ResumableStep, resume


@dataclass(frozen=True)
class RecogniserTraining:
    steps: int = 2000
    batch: int = 64
    rate: float = 2e-3
    pairs: float = 2.0  # weight of the squared differences between the pupil's and the teacher's cosines of all pairs
    seed: int = 0


@dataclass
class Step(ResumableStep):
    index: int  # steps done
    cosine: float  # mean cosine to the teacher, augmented training batch
    model: Recogniser
    optimiser: torch.optim.Optimizer


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Alignment jitter, mirror, blur, colour, grey, noise and occlusion; x (B, 3, 112, 112) in [-1, 1]."""
    b = len(x)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    def chance(p):
        return (torch.rand((b, 1, 1, 1), generator=generator) < p).float()

    angle, scale = normal(b) * 0.06, 1 + normal(b) * 0.05
    mirror = torch.where(torch.rand(b, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    theta = torch.stack([cos * mirror, -sin, normal(b) * 0.03, sin * mirror, cos, normal(b) * 0.03], -1).view(b, 2, 3)
    x = F.grid_sample(
        x, F.affine_grid(theta, list(x.shape), align_corners=False), padding_mode="border", align_corners=False
    )
    side = int(torch.randint(28, 90, (), generator=generator))
    small = F.interpolate(
        F.interpolate(x, size=side, mode="area"), size=x.shape[-1], mode="bilinear", align_corners=False
    )
    x = torch.lerp(x, small, chance(0.35))
    x = x * (1 + normal(b, 3, 1, 1) * 0.1) + normal(b, 3, 1, 1) * 0.08
    x = torch.lerp(x, x.mean(1, keepdim=True).expand_as(x), chance(0.35))
    x = x + normal(*x.shape) * 0.06 * chance(0.3)
    corner = torch.rand((b, 2), generator=generator) * 84
    grid = torch.arange(112.0)
    rows = (grid >= corner[:, :1]) & (grid < corner[:, :1] + 28)
    columns = (grid >= corner[:, 1:]) & (grid < corner[:, 1:] + 28)
    patch = (rows[:, None, :, None] & columns[:, None, None, :]).float() * chance(0.2)
    return (x * (1 - patch)).clamp(-1, 1)


def train_recogniser(
    config: RecogniserTraining, faces: Tensor, teacher: Tensor, state: dict | None = None
) -> Iterator[Step]:
    """Yield after every step; a resumed run draws what an uninterrupted one would.

    faces    (N, 3, 112, 112) uint8, frame arcface-112
    teacher  (N, D) the teacher's unit vectors
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = Recogniser(size=teacher.shape[-1]).train()
    decay = [p for p in model.parameters() if p.dim() > 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": decay, "weight_decay": 0.05},
            {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0},
        ],
        lr=config.rate,
    )
    start = resume(state, model=model, optimiser=optimiser)
    for index in range(start, config.steps):
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + index)
        rows = torch.randint(len(faces), (config.batch,), generator=generator)
        x = augment(faces[rows].float() / 127.5 - 1, generator)
        for group in optimiser.param_groups:
            group["lr"] = config.rate * min(1, (index + 1) / 100) * (1 - index / config.steps)
        with torch.autocast("cpu", torch.bfloat16):
            code = model(x)
        cosine = (code * teacher[rows]).sum(-1).mean()
        pairs = (code @ code.T - teacher[rows] @ teacher[rows].T).square().mean()
        optimiser.zero_grad()
        (1 - cosine + config.pairs * pairs).backward()
        optimiser.step()
        yield Step(index + 1, cosine.item(), model, optimiser)
