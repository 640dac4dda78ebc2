"""What the autoencoder alone loses, on test people's photos: no result can be better (ours)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.comparison import correlation
from ...models.expression.library import MOVING
from ...models.frames import FRAMES
from ...models.masks import face_mask
from ...models.pipeline import DiffSFSR
from ...models.pixels import from_bytes
from ...models.readers.decoded import FrameMesh
from ...training.data.shards import Shards
from ...training.data.split import test_people
from ...training.progress import shown
from ..judges.networks import Judges
from .recognition import judge


@dataclass(frozen=True)
class Reconstruction:
    photos: int
    whole: float  # dB, mean over the photos; pixels beyond the photo's border left out
    face: float  # dB, inside the face mask
    acting: float  # correlation of the expressions that the face mesh reads in photo and reconstruction, mean
    cosine: float | None  # between the judge's codes of photo and reconstruction, mean; None without a judge
    lowest: float | None
    same: float | None  # the same between two photos of one person, mean
    others: float | None  # and of two people

    def markdown(self) -> str:
        lines = [
            f"{self.photos} photos: {self.whole:.2f} dB, inside the face mask {self.face:.2f} dB; "
            f"correlation of the expressions read before and after {self.acting:.3f}."
        ]
        if self.cosine is not None:
            lines.append(
                f"The judge's cosine between photo and reconstruction: {self.cosine:.4f} on average, {self.lowest:.4f} "
                f"at the lowest; of two photos of one person {self.same:.4f}, of two people {self.others:.4f}."
            )
        return "\n".join(lines)


@torch.inference_mode()
def measure(model: DiffSFSR, folders: Sequence[Path], judges: Judges | None, limit: int = 256) -> Reconstruction:
    """folders: prepared folders; measured is on their test people."""
    prepared = [shards for shards in map(Shards, folders) if not shards.rendered]
    tested = test_people(person for shards in prepared for person in shards.people)
    autoencoder, neutral = model.autoencoder, model.encoders.conditioner.neutral
    device = model.encoders.device
    mesh = FrameMesh(model.encoders.mesh, FRAMES[model.config.frame]).to(device)
    whole, face, acting, before, after, people = [], [], [], [], [], []
    for shards in prepared:
        rows = [row for row, person in enumerate(shards.people) if person in tested]
        rows = rows[:: max(1, len(rows) * len(prepared) // limit)]
        for start in shown(range(0, len(rows), 16), f"parts of {shards.folder.name} measured"):
            part = rows[start : start + 16]
            x, points = from_bytes(shards.rows("crop", part)), shards.rows("points", part)
            y = autoencoder.decode(autoencoder.encode(x.to(device)).latent_dist.mode()).sample.clamp(-1, 1).cpu()
            inside = shards.rows("inside", part).float()
            whole.append(decibels(x, y, inside))
            face.append(decibels(x, y, inside * face_mask(points, x.shape[-1])))
            acting.append(correlation(*((mesh(pixels.to(device))[1] - neutral)[:, MOVING].cpu() for pixels in (x, y))))
            people += [shards.people[row] for row in part]
            if judges is not None:
                before += [judge(judges, picture, p) for picture, p in zip(x, points, strict=True)]
                after += [judge(judges, picture, p) for picture, p in zip(y, points, strict=True)]
    found = [float(torch.cat(values).mean()) for values in (whole, face, acting)]
    if judges is None:
        return Reconstruction(len(people), *found, None, None, None, None)
    photos, own = torch.stack(before), F.cosine_similarity(torch.stack(before), torch.stack(after))
    cosine, same = photos @ photos.T, torch.tensor([[a == b for b in people] for a in people])
    pairs = torch.ones_like(same).triu(1)
    return Reconstruction(
        len(people), *found, float(own.mean()), float(own.min()),
        float(cosine[pairs & same].mean()), float(cosine[pairs & ~same].mean()),
    )  # fmt: skip


def decibels(x: Tensor, y: Tensor, where: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture; x, y (B, 3, S, S) in [-1, 1], where (B, 1, S, S) -> (B,)"""
    error = ((x - y).square() * where).sum((1, 2, 3)) / (3 * where.sum((1, 2, 3))).clamp(min=1)
    return 10 * torch.log10(4 / error)
