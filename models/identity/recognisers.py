"""The recognisers of a checkpoint together: the compound identity code (paper), of one photo, of several, between two.

B batch, n photos, D length of the compound code: one unit vector a recogniser, side by side.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..appearance.photos import Appearance, morph
from ..codes import Identity, broadcast, check_readers
from ..faces.insightface_pack import PREFIX, PackRecogniser, find_pack
from ..network.checkpoint import ASSETS
from .recogniser import Recogniser, compound_code, unit_vectors

ODD = 0.4  # cosine; as SAME in models/faces/tracking.py, which has the measurement


class Recognisers(nn.Module):
    """Networks by name, in the order in which their vectors stand in the code; a mapping."""

    def __init__(self, networks: Mapping[str, nn.Module]):
        super().__init__()
        self.names = tuple(networks)
        self.networks = nn.ModuleList(networks.values())  # no ModuleDict: it refuses a pack's name with a dot

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str) -> nn.Module:
        return self.networks[self.names.index(name)]

    def keys(self) -> tuple[str, ...]:
        return self.names

    def values(self) -> nn.ModuleList:
        return self.networks

    def items(self) -> Iterable[tuple[str, nn.Module]]:
        return zip(self.names, self.networks, strict=True)

    @classmethod
    def load(
        cls, names: Iterable[str], checkpoint: str, assets: Path = ASSETS, packs: Sequence[Path] = ()
    ) -> "Recognisers":
        """checkpoint: whose they are, for messages; packs: folders with insightface packs, for "insightface/<pack>"."""
        found = {}
        for name in names:
            if name.startswith(PREFIX):
                found[name] = PackRecogniser.load(find_pack(name.removeprefix(PREFIX), packs))
                continue
            file = assets / f"{name}.safetensors"
            if not file.is_file():
                raise ValueError(
                    f'{checkpoint} was trained with the recogniser "{name}", which this pack does not have '
                    f"({file.name} is not in its assets); update the pack, or choose another checkpoint"
                )
            found[name] = Recogniser.load(file)
        return cls(found)

    @property
    def device(self) -> torch.device:
        """Of the first that has weights; an insightface pack keeps its own on the CPU."""
        return next(self.parameters(), torch.empty(0)).device

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Lengths of their vectors, as they come out."""
        blank = torch.zeros(1, 3, 112, 112, device=self.device)
        with torch.no_grad():
            return tuple(recogniser(blank).shape[-1] for recogniser in self.values())

    def encode(self, faces: Tensor) -> Tensor:
        """Faces (B, 3, 112, 112) in [-1, 1], frame arcface-112 -> their codes (B, D)."""
        return compound_code(self, faces)

    def merge(self, codes: Tensor) -> Tensor:
        """Codes of several photos of one person (n, D) to one (1, D); a photo that is unlike the others counts less."""
        sizes = self.sizes
        return merge_photos(weigh_photos(codes, sizes), sizes)

    def odd_ones(self, codes: Tensor) -> list[int]:
        """Which of several photos (n, D) hardly show the person whom the others show; of two that differ, both."""
        return odd_photos(codes, self.sizes)

    def blend(self, first: Identity, second: Identity, share: float) -> Identity:
        """Someone between two people: `share` of the second, 0..1. In batches, the first with the first, and so on."""
        for which, identity in (("first", first), ("second", second)):
            self.check(identity, f"the {which} identity")
        return blend(first, second, share)

    def check(self, identity: Identity, what: str = "the identity") -> None:
        """ValueError for an identity that other recognisers have read."""
        if identity.recognisers != self.names:
            raise ValueError(
                f"{what} was made with {', '.join(identity.recognisers)}, but this checkpoint was trained with "
                f"{', '.join(self.names)}; encode the photos again with this checkpoint"
            )


def blend(first: Identity, second: Identity, share: float) -> Identity:
    """As of Recognisers, of people whom any recognisers have read, the same ones; ValueError for others."""
    check_readers((first, second))
    codes = broadcast({"first": first.code, "second": second.code})
    sizes = unit_sizes(torch.cat(codes), len(first.recognisers))
    blended = [
        merge_photos(torch.cat([one[None] * (1 - share), other[None] * share]), sizes)
        for one, other in zip(*codes, strict=True)
    ]
    appearances = ()
    if first.appearances and second.appearances:
        pairs = zip(*(_repeat(each.appearances, len(blended)) for each in (first, second)), strict=True)
        appearances = tuple(morph(*pair, share) for pair in pairs)
    photos = first.photos + second.photos
    return replace(first, code=torch.cat(blended), photos=photos, appearances=appearances)


def unit_sizes(codes: Tensor, count: int) -> tuple[int, ...]:
    """Lengths of so many unit vectors that stand side by side in codes (B, D): squares add up to 1, 2, ... there."""
    reached = codes.double().square().cumsum(-1)
    ends = [int((reached - number).abs().sum(0).argmin()) + 1 for number in range(1, count)]
    return tuple(end - start for start, end in pairwise((0, *ends, codes.shape[-1])))


def _repeat(appearances: tuple[Appearance, ...], count: int) -> tuple[Appearance, ...]:
    return appearances if len(appearances) == count else appearances * count


def merge_photos(code: Tensor, sizes: Iterable[int]) -> Tensor:
    """Codes of several photos of one person (n, D) to one (1, D): the mean direction, recogniser by recogniser."""
    return unit_vectors(code.mean(0, keepdim=True), sizes)


def weigh_photos(code: Tensor, sizes: Iterable[int]) -> Tensor:
    """For merge_photos: the less a photo agrees with the others, the shorter are its vectors.

    A photo of somebody else, or a bad one, then hardly counts; of two photos both count the same. The weight is the
    4th power of the cosine to the geometric median (ours; docs/results.md has the measurement).

    code (n, D), unit vectors side by side -> (n, D), each vector of length 0..1
    """
    parts = []
    for vectors in code.split(list(sizes), dim=-1):
        median = vectors.mean(0, keepdim=True)
        for _ in range(10):  # Weiszfeld 1937
            near = 1 / (vectors - median).norm(dim=-1, keepdim=True).clamp(min=1e-3)  # (n, 1)
            median = (near * vectors).sum(0, keepdim=True) / near.sum()
        parts.append(vectors * (vectors @ F.normalize(median, dim=-1).mT).clamp(min=1e-3) ** 4)
    return torch.cat(parts, dim=-1)


def odd_photos(code: Tensor, sizes: Iterable[int]) -> list[int]:
    """Photos (n, D) whose cosine to what the others make together is below ODD (ours)."""
    odd = []
    for i in range(len(code) if len(code) > 1 else 0):
        others = torch.cat([code[:i], code[i + 1 :]])
        together = merge_photos(weigh_photos(others, sizes), sizes)[0]
        if F.cosine_similarity(code[i], together, dim=0) < ODD:
            odd.append(i)
    return odd


def disagreement(numbers: Sequence[int], count: int) -> str:
    """A warning that names photos, counted from 1."""
    if len(numbers) == count:
        which = "the identity photos do not show one person, as it seems"
    else:
        which = f"identity photo {' and '.join(map(str, numbers))} of {count} shows somebody else, as it seems"
    return f"{which}; take out what does not belong, since all are merged into one identity"
