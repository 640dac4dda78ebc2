"""Distillation of a small recogniser from a teacher (ours): its codes, cosines of all pairs, and its maps as hints."""

from collections.abc import Iterator
from io import BytesIO
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.identity.recogniser import Recogniser
from ...models.network.checkpoint import fill
from ...models.network.precision import autocast
from ...models.pictures import decode_picture, to_pil
from ...models.pixels import from_bytes
from ..data.stream import ahead
from ..run import Step, generator_at, resume
from .settings import SHAPES, RecogniserTraining


class Pupil(nn.Module):
    """A recogniser, and for each of its stages a map of channels to those of the teacher."""

    def __init__(self, recogniser: Recogniser, channels: list[int]):
        """channels: of the teacher's hints"""
        super().__init__()
        self.recogniser = recogniser
        widths = recogniser.config["widths"][1:]
        self.adapters = nn.ModuleList(nn.Conv2d(w, c, 1) for w, c in zip(widths, channels, strict=True))
        self.ends = list(accumulate(recogniser.config["blocks"], initial=2))[1:]  # the stem has three layers

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """x (B, 3, 112, 112) in [-1, 1] -> unit vectors (B, D); maps (B, c, h, h)"""
        x, maps = x[self.recogniser.window], []
        for i, layer in enumerate(self.recogniser.features):
            x = layer(x)
            if i in self.ends:
                maps.append(self.adapters[len(maps)](x))
        code = self.recogniser.vector(self.recogniser.pool(x).flatten(1))
        return F.normalize(code.float(), dim=-1), maps


def draw_jitter(count: int, generator: torch.Generator) -> Tensor:
    """(B, 2, 3) for affine_grid: faces turned, scaled, moved and mirrored, as alignment errs."""
    angle, scale = torch.randn(2, count, generator=generator) * torch.tensor([[0.06], [0.05]])
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    right, down = torch.randn(2, count, generator=generator) * 0.03
    cos, sin = angle.cos() * (1 + scale), angle.sin() * (1 + scale)
    return torch.stack([cos * mirror, -sin, right, sin * mirror, cos, down], -1).view(count, 2, 3)


def warp(x: Tensor, theta: Tensor, side: int) -> Tensor:
    grid = F.affine_grid(theta, [len(x), 1, side, side], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def degrade(x: Tensor, generator: torch.Generator) -> Tensor:
    """Low resolution, colour, grey, noise, JPEG and occlusion; x (B, 3, 112, 112) in [-1, 1]."""
    b = len(x)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    def chance(p):
        return (torch.rand((b, 1, 1, 1), generator=generator) < p).float()

    side = int(torch.randint(28, 90, (), generator=generator))
    small = F.interpolate(
        F.interpolate(x, size=side, mode="area"), size=x.shape[-1], mode="bilinear", align_corners=False
    )
    x = torch.lerp(x, small, chance(0.3))
    x = x * (1 + normal(b, 3, 1, 1) * 0.1) + normal(b, 3, 1, 1) * 0.08
    x = torch.lerp(x, x.mean(1, keepdim=True).expand_as(x), chance(0.35))
    x = (x + normal(*x.shape) * 0.06 * chance(0.25)).clamp(-1, 1)
    for i in (torch.rand(b, generator=generator) < 0.2).nonzero().flatten().tolist():
        x[i] = through_jpeg(x[i], int(torch.randint(15, 80, (), generator=generator)))
    corner = torch.rand((b, 2), generator=generator) * 84
    grid = torch.arange(112.0)
    rows = (grid >= corner[:, :1]) & (grid < corner[:, :1] + 28)
    columns = (grid >= corner[:, 1:]) & (grid < corner[:, 1:] + 28)
    patch = (rows[:, None, :, None] & columns[:, None, None, :]).float() * chance(0.15)
    return x * (1 - patch)


def through_jpeg(x: Tensor, quality: int) -> Tensor:
    """x (3, h, w) in [-1, 1], saved as JPEG of this quality (1 to 95) and read again."""
    file = BytesIO()
    to_pil(x).save(file, "JPEG", quality=quality)
    return decode_picture(file.getvalue(), "a face in JPEG")


def distillation_loss(
    pupil: nn.Module, x: Tensor, code: Tensor, hints: list[Tensor], pairs: float, weight: float
) -> tuple[Tensor, Tensor]:
    """x (B, 3, 112, 112); code (B, D) the teacher's; hints as the pupil's maps. Returns the loss and the cosine."""
    own, maps = pupil(x)
    cosine = (own * code).sum(-1).mean()
    loss = 1 - cosine + pairs * (own @ own.T - code @ code.T).square().mean()
    wrong = [F.mse_loss(m.float(), h.float()) for m, h in zip(maps, hints, strict=True)]
    return loss + weight * sum(wrong) / len(wrong), cosine


def train_recogniser(
    settings: RecogniserTraining,
    faces: Tensor,
    codes: Tensor,
    hints: list[Tensor],
    state: dict | None = None,
    begin: Recogniser | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[Step]:
    """Yield after every step, with the mean cosine to the teacher; a resumed run draws what an uninterrupted one would.

    faces         (N, 3, 112, 112) uint8, frame arcface-112
    codes, hints  what Teacher.read() gave for them
    begin         gives the pupil its first weights
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        recogniser = Recogniser(**SHAPES[settings.shape], size=codes.shape[-1])
        model = Pupil(recogniser, [hint.shape[1] for hint in hints]).train()
    if begin is not None:
        fill(model.recogniser, begin.state_dict(), "recogniser").train().requires_grad_(True)
    model.to(device)
    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.05},
        {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=settings.rate)
    positions = settings.positions(resume(state, model=model, optimiser=optimiser))
    loss_of = torch.compile(distillation_loss) if settings.compile else distillation_loss
    draws = ahead(draw(settings, faces, codes, hints, position) for position in positions)
    for position, (x, code, seen) in zip(positions, draws, strict=True):
        rise, fall = (position / settings.batch + 1) / 100, 1 - position / settings.pictures
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * min(1, rise) * fall
        seen = [hint.to(device) for hint in seen]
        with autocast(device, settings.bfloat16):
            loss, cosine = loss_of(model, x.to(device), code.to(device), seen, settings.pairs, settings.hints)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield Step(position + settings.batch, cosine.item(), model, {"optimiser": optimiser})


def draw(
    settings: RecogniserTraining, faces: Tensor, codes: Tensor, hints: list[Tensor], position: int
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Degraded faces (B, 3, 112, 112), their codes, and their hints in the pupil's window."""
    left, top, right, bottom = (edge / 56 - 1 for edge in SHAPES[settings.shape]["window"])  # as affine_grid counts
    span, middle = (right - left) / 2, ((left + right) / 2, (top + bottom) / 2)
    window = torch.tensor([[span, 0, middle[0]], [0, span, middle[1]], [0, 0, 1]])
    generator = generator_at(settings.seed, position)
    rows = torch.randint(len(faces), (settings.batch,), generator=generator)
    theta = draw_jitter(settings.batch, generator)
    x = degrade(warp(from_bytes(faces[rows]), theta, faces.shape[-1]), generator)
    return x, codes[rows], [warp(h[rows].float(), theta @ window, round(h.shape[-1] * span)) for h in hints]
