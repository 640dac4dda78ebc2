"""A mask over mouth and nose on a person's own photo: what it hides is not carried (ours).

Cloth is told by its colour: from the tip of the nose to the chin and the cheeks beside the mouth all of it is far bluer
than forehead and upper cheeks, or all far darker. A beard leaves the nose free, lips are redder than skin, and light
from a side falls on forehead and chin alike. Cloth of the skin's own colour, or redder, is not seen.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..frames import nearest
from .bands import blur
from .light import BLACK, to_log
from .raster import Window, rasterise
from .topology import TRIANGLES
from .trust import around

ABOVE = (151, 9, 108, 337, 69, 299, 67, 297, 118, 347, 117, 346, 111, 340, 6, 168)  # forehead, cheeks, between the eyes
BELOW = (  # tip of the nose, upper lip, lips, chin, cheeks beside the mouth
    (1, 4, 5, 19, 45, 275),
    (164, 167, 393, 0, 37, 267),
    (13, 14, 0, 17, 37, 267, 84, 314),
    (152, 175, 199, 200, 201, 421),
    (205, 425, 207, 427, 206, 426, 212, 432, 216, 436),
)
BLUER = 0.25  # logarithm of red over blue by which cloth differs: of 480 photos without any the most was .16
DARKER = 0.9  # logarithm of brightness, likewise: .33
PART = 0.5  # of either: a single point that differs by it is hidden
BRIDGE, CHIN = 197, 152  # cloth lies between the two
BLOCKS = 80  # across a photo, in which colours are read


def covered(photos: Tensor, points: Tensor) -> Tensor:
    """(n,) bool: do the faces wear a mask over mouth and nose? photos (n, 3, C, C) in [-1, 1], points (n, 478, 3)"""
    least = [
        torch.stack([x[:, list(part)].median(1).values for part in BELOW]).amin(0) for x in _unlike_skin(photos, points)
    ]
    return (least[0] > BLUER) | (least[1] > DARKER)


def uncover(photos: Tensor, points: Tensor, worn: Tensor) -> tuple[Tensor, Tensor | None]:
    """Photos with the person's skin where cloth is, and which points (n, 478) they show; None for all of them.

    worn: of covered()
    """
    if not worn.any():
        return photos, None
    bluer, darker = _unlike_skin(photos, points)
    bridge = points[:, BRIDGE, None, :2]
    down = points[:, CHIN, None, :2] - bridge
    along = ((points[..., :2] - bridge) * down).sum(-1) / down.square().sum(-1)
    unlike = (bluer > PART * BLUER) | (darker > PART * DARKER) | (along > 0.5)
    hidden = ((along > 0) & unlike & worn[:, None]).to(photos)
    triangles = torch.tensor(TRIANGLES, device=photos.device)
    corner = around(triangles, points.shape[1]).to(photos)
    cloth = (hidden @ corner.mT > 0).to(photos)  # (n, T) with one hidden corner at least
    hidden, size = (cloth @ corner > 0).to(photos), photos.shape[-1]
    filled = []
    for photo, face, lies in zip(photos, points, hidden, strict=True):
        raster = rasterise(face[None].cpu(), triangles.cpu(), Window(0, 0, size, size))  # not known to work everywhere
        shown = raster.plane(raster.interpolate(lies[None, :, None].cpu())).permute(0, 3, 1, 2).to(photos)
        skin = _seen(photo[None], face[None])[0, list(ABOVE)].median(0).values
        filled.append(torch.lerp(photo[None], skin[None, :, None, None], (2 * blur(shown, size / 100)).clamp(0, 1)))
    return torch.cat(filled), 1 - hidden


def warning(worn: Tensor) -> str:
    """What is said of covered() photos; nothing where none is."""
    if not worn.any():
        return ""
    which = "the identity photo" if len(worn) == 1 else f"{int(worn.sum())} of {len(worn)} identity photos"
    return (
        f"mouth and nose seem covered in {which}: what is hidden is painted, not taken from there, and the likeness "
        "suffers; use a photo that shows the whole face"
    )


def _unlike_skin(photos: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """(n, 478) each: by how much points are bluer, and darker, than the skin above; logarithms."""
    logs = to_log(_seen(photos, points), BLACK)
    warmth, light = logs[..., 0] - logs[..., 2], logs.mean(-1)
    return tuple(x[:, list(ABOVE)].median(1, keepdim=True).values - x for x in (warmth, light))


def _seen(photos: Tensor, points: Tensor) -> Tensor:
    """(n, 478, 3): the photos' colours about the points."""
    block = max(photos.shape[-1] // BLOCKS, 1)
    return nearest(F.avg_pool2d(photos, block), points / block)
