"""What a step of training sees. All draws of a sample follow from the seed and its number, counted from the start.

So a resumed run draws what an uninterrupted one would, and several processes draw together what one would, each of them
its own share alone. M pictures of the data set, B of a process's batch, D length of the identity code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from ...models.identity.recogniser import unit_vectors
from ...models.network.schedule import STEPS
from ..data.dataset import Dataset
from .settings import Training

SWAP_FROM, SWAP_TO = 400, 900  # timesteps of swapped pictures: below, z_t still shows the face that is to go


@dataclass(frozen=True)
class Batch:
    """One training batch with everything drawn for it, so that the loss itself is deterministic."""

    z0: Tensor  # (B, C, h, w) unit variance: the answer
    background: Tensor  # (B, C, h, w)
    mask: Tensor  # (B, 1, h, w)
    selfie: Tensor  # (B, C, h, w), zero where nobody is shown; no channels where the network has no such plane
    trust: Tensor  # (B, 1, h, w), likewise
    weight: Tensor  # (B, 1, h, w) how much an error counts beside the others of the joint batch
    identity: Tensor  # (B, D) a unit vector of each recogniser
    expression: Tensor  # (B, 51) blendshapes minus neutral
    pose: Tensor  # (B, 3)
    style: Tensor  # (B,) int64, index in config.STYLES
    keep: Tensor  # (B, 3) bool: identity, expression, pose
    noise: Tensor  # (B, C, h, w)
    t: Tensor  # (B,)
    swapped: Tensor  # (B,) bool: identity and expression are another picture's, so the face has no known answer

    def to(self, device: torch.device | str) -> "Batch":
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


class Sampler:
    """Draws batches from a data set."""

    def __init__(
        self, data: Dataset, training: Training, neutral: Tensor, latent_scale: float, sizes: Sequence[int] = ()
    ):
        """neutral (51,); sizes: lengths of the recognisers' vectors in the identity code, one vector where empty"""
        self.data, self.training, self.neutral, self.latent_scale = data, training, neutral.cpu(), latent_scale
        self.sizes = tuple(sizes) or (data.identity.shape[-1],)
        if sum(self.sizes) != data.identity.shape[-1]:
            raise ValueError(f"got vectors of {self.sizes} numbers for a code of {data.identity.shape[-1]}")
        self.styles = [rows for rows in ((data.style == style).nonzero().flatten() for style in (0, 1)) if len(rows)]
        self.seldom = data.inside[data.style == 0].float().mean(0) < 0.5  # (1, h, w) most photos end before
        # rows of each person's pictures, copies left out, one person after the other in `order`
        person = data.person.unique(return_inverse=True)[1]
        true = (~data.copy).nonzero().flatten()
        self.order = true[person[true].argsort(stable=True)]
        counts = person[true].bincount(minlength=int(person.max()) + 1)
        self.count, self.first = counts[person], (counts.cumsum(0) - counts)[person]  # (M,) each
        self.place = torch.zeros_like(person)  # (M,) of a true picture among those of its person
        self.place[self.order] = torch.arange(len(self.order)) - self.first[self.order]

    def draw(self, position: int, swap: float = 0.0, own: slice = slice(None)) -> Batch:
        """position: samples drawn before; swap: share of swapped photos; own: this process's part of the joint batch"""
        data, training, b = self.data, self.training, self.training.batch
        places = torch.arange(b)[own]  # in the joint batch
        generators = self._generators(position + places)
        u = uniform(generators)
        rows, source = self._chosen(u)
        style, t = data.style[rows], floor(u[6], STEPS)
        photo = style == 0

        # a swapped photo gets the codes of another of the joint batch, of which the same is drawn here as where it is
        swapped, face = (u[5] < swap) & photo, rows
        if swapped.any():
            partner = (places + 1 + floor(u[4], max(b - 1, 1))) % b
            its_rows, its_source = rows.clone(), source.clone()
            its_rows[swapped], its_source[swapped] = self._chosen(
                uniform(self._generators(position + partner[swapped]))
            )
            swapped = swapped & (data.style[its_rows] == 0)
            source, face = torch.where(swapped, its_source, source), torch.where(swapped, its_rows, rows)

        mask = data.mask[rows]
        answered = mask * ~swapped.view(-1, 1, 1, 1)
        weight = (answered + training.outside * (1 - mask)) * data.agrees[rows]
        weight = weight * torch.where(data.inside[rows] > 0, 1.0, training.beyond)
        # a rendered head in the style of photos teaches only where photos seldom reach: the chin of tight crops
        stands_in = ~photo & (u[9] < training.stand_in) & self.seldom.any()
        weight = weight * torch.where(stands_in.view(-1, 1, 1, 1), self.seldom, True)

        # whose face has no known answer is shown no photo: it would be one of the answer that is there
        shown = ((u[10] >= training.drop_selfie) & ~swapped).view(-1, 1, 1, 1)

        def normal(*shape: int) -> Tensor:
            return torch.from_numpy(np.stack([g.standard_normal(shape, dtype=np.float32) for g in generators]))

        noise = normal(*data.latents.shape[1:]) + training.offset * normal(data.latents.shape[1], 1, 1)
        length = torch.cat([torch.full((size,), training.code_noise / size**0.5) for size in self.sizes])
        return Batch(
            z0=data.latents[rows].float() * self.latent_scale,
            background=data.background[rows].float() * self.latent_scale,
            mask=mask,
            selfie=data.selfie[rows].float() * self.latent_scale * shown,
            trust=data.trust[rows].float() * shown,
            weight=weight,
            identity=unit_vectors(data.identity[source] + normal(len(length)) * length, self.sizes),
            expression=data.blendshapes[face] - self.neutral,
            pose=data.pose[rows],
            style=torch.where(stands_in, 0, style),
            keep=self._keep(u[7], u[8]),
            noise=noise,
            t=torch.where(swapped, SWAP_FROM + t % (SWAP_TO - SWAP_FROM), t),
            swapped=swapped,
        )

    def _generators(self, numbers: Tensor) -> list[np.random.Generator]:
        """One a sample, by its number."""
        return [np.random.default_rng((self.training.seed, number)) for number in numbers.tolist()]

    def _chosen(self, u: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """u: of (B,) in [0, 1). Rows of the pictures, and of those that their identities are taken from."""
        kind = (u[0] < self.training.rendered).long() * (len(self.styles) - 1)
        rows = torch.stack([pictures[floor(u[1], len(pictures))] for pictures in self.styles])
        rows = rows[kind, torch.arange(len(kind))]
        return rows, self._other_photos(rows, u[2], u[3])

    def _other_photos(self, rows: Tensor, chance: Tensor, u: Tensor) -> Tensor:
        """Where the identity is taken from: another picture of the person where there is one, as often as asked."""
        count, true = self.count[rows], ~self.data.copy[rows]
        ahead = torch.where(true, 1 + floor(u, (count - 1).clamp(min=0)), floor(u, count))
        place = self.first[rows] + (self.place[rows] + ahead) % count.clamp(min=1)
        often = torch.where(self.data.style[rows] == 0, self.training.other_photo, 1.0)
        return torch.where((count > 1) & (chance < often), self.order[place.clamp(max=len(self.order) - 1)], rows)

    def _keep(self, u: Tensor, pose: Tensor) -> Tensor:
        """(B, 3) bool: identity, expression, pose."""
        both = self.training.drop_both
        without_expression = both + self.training.drop_expression
        neither = u < both
        no_expression = u < without_expression
        no_identity = neither | (~no_expression & (u < without_expression + self.training.drop_identity))
        return torch.stack([~no_identity, ~no_expression, pose >= self.training.drop_pose], dim=-1)


def uniform(generators: Sequence[np.random.Generator]) -> tuple[Tensor, ...]:
    """The first eleven numbers in [0, 1) of each generator: eleven of (B,) float64."""
    return torch.from_numpy(np.stack([each.random(11) for each in generators])).unbind(1)


def floor(u: Tensor, count: int | Tensor) -> Tensor:
    """u (B,) in [0, 1) to whole numbers below `count`."""
    return (u * count).long()


def own_share(batch: int, process: int, processes: int) -> slice:
    """The part of a joint batch that one of several processes works on."""
    if batch % processes:
        raise ValueError(f"got a batch of {batch} for {processes} processes, want a multiple of their number")
    return slice(process * batch // processes, (process + 1) * batch // processes)
