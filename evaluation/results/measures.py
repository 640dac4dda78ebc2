"""What is measured of one result with the pack's own networks, and of its pixels (ours)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.appearance.bands import blur
from ...models.codes import Background, Expression, Identity
from ...models.comparison import correlation
from ...models.compositing import FEATHER, feather
from ...models.expression.library import MOVING
from ...models.faces.mesh import Face
from ...models.frames import crop, transform
from ...models.masks import face_mask
from ...models.pipeline import DiffSFSR
from .report import against, code_of, face_at

METRICS = ("identity_cosine", "identity_top1", "nearer_than_background", "expression_correlation", "expression_error",
           "pose_error_deg", "face_found", "changed_outside", "detail", "detail_near_scene", "seams")  # fmt: skip
SIDE = 512  # of the crop that detail is read in, whatever the checkpoint's frame is, pixels
BOX = 7  # what a mean over so many pixels takes away is detail
WITHIN = -0.1  # by this part a face is shrunk, so that its outline and hair beside it are no detail of it
NEAR = (0.7, 1.3)  # detail that is near the scene's
STEP = 2.0  # pixels by which a picture is softened before a seam is looked for: finer ones are detail


@dataclass(frozen=True)
class Look:
    """What one picture shows at the place of a background's face."""

    picture: Tensor  # (3, H, W) in [-1, 1]
    face: Face | None
    code: Tensor | None  # (1, D) who it is
    detail: float
    seam: float
    changed: float  # outside of the mask, 8-bit steps
    crop: Tensor  # (3, SIDE, SIDE) in [-1, 1], around the face

    @property
    def face_in(self) -> tuple[Tensor, Face | None]:
        return self.picture, self.face

    @classmethod
    def at(cls, model: DiffSFSR, picture: Tensor, background: Background) -> "Look":
        """picture (3, H, W) in [-1, 1], of the background's size"""
        face = face_at(model.encoders.mesh.find(picture.to(model.encoders.device)), background)
        around = crop(picture[None].cpu(), _matrix(background), SIDE)
        values = seam(around, background), changed_outside(picture, background), around[0]
        if face is None:
            return cls(picture, None, None, 0.0, *values)
        return cls(picture, face, code_of(model, picture, face), detail(around, face, background), *values)


def measure(
    model: DiffSFSR,
    look: Look,
    before: Look,
    who: Identity,
    what: Expression,
    background: Background,
    gallery: Tensor,
    place: int,
) -> dict[str, float | None]:
    """METRICS of a look at a result, before: at the background itself; None where there is no face.

    gallery (K, D): all identities; place: the row of it that is wanted
    """
    values = {"face_found": float(look.face is not None), "changed_outside": look.changed}
    if look.face is None:
        return {key: values.get(key) for key in METRICS}
    read = look.face.blendshapes - model.encoders.conditioner.neutral
    ratio = look.detail / max(before.detail, 1e-6)
    values |= against(model, look.face, look.code, who, what, background)
    values |= {
        "identity_top1": float((gallery @ look.code[0]).argmax() == place),
        "nearer_than_background": float((look.code * who.code).sum() > (look.code * before.code).sum()),
        "expression_correlation": round(float(correlation(read[MOVING], what.code[0, MOVING])), 4),
        "detail": round(ratio, 4),
        "detail_near_scene": float(NEAR[0] <= ratio <= NEAR[1]),
        "seams": round(look.seam / max(before.seam, 1e-6), 4),
    }
    return {key: values.get(key) for key in METRICS}


def detail(around: Tensor, face: Face, background: Background) -> float:
    """Standard deviation of what a box of BOX pixels takes away of the grey inside the face.

    around  (1, 3, SIDE, SIDE) in [-1, 1]: a picture of the background's size, cut out as its face is
    """
    grey = around.mean(1, keepdim=True)
    fine = grey - F.avg_pool2d(F.pad(grey, [BOX // 2] * 4, mode="reflect"), BOX, 1)
    points = transform(face.points[None, :, :2].cpu(), _matrix(background))
    inside = face_mask(points.expand(1, -1, -1), SIDE, WITHIN, 0, 0) > 0
    return float(fine[inside].std()) if inside.sum() > 1 else 0.0


def seam(around: Tensor, background: Background) -> float:
    """Mean size of the grey's gradient across the border where faces fade into their pictures; around: as for detail().

    Weighted by how steeply they fade, so that what pasting adds counts as it does in the picture.
    """
    soft = feather(background.mask[:1].cpu(), FEATHER * background.mask.shape[-1])
    soft = blur(F.interpolate(soft, size=(SIDE, SIDE), mode="bilinear", align_corners=False), STEP)
    grey = blur(around.mean(1, keepdim=True), STEP)
    border, found = (torch.cat(torch.gradient(x[0], dim=(1, 2))) for x in (soft, grey))
    steepness = border.norm(dim=0)
    return float((border * found).sum(0).abs().sum() / steepness.sum().clamp(min=1e-9))


def _matrix(background: Background) -> Tensor:
    """(1, 2, 3): picture pixels to those of the crop of SIDE."""
    return background.matrix[:1].cpu() * (SIDE / background.mask.shape[-1])


def changed_outside(picture: Tensor, background: Background) -> float:
    """Largest change of a pixel, in 8-bit steps, further than two crop pixels from the regenerated region."""
    before = background.pictures[0]
    grown = F.pad(background.mask[:1], (2, 2, 2, 2))  # a face may reach the border of the crop
    grown = F.max_pool2d(grown, 5, 1, 2)
    height, width = before.shape[-2:]
    ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    at = transform(torch.stack([xs, ys], -1).reshape(1, -1, 2), background.matrix[:1])[0] + 2  # pixels of `grown`
    size = grown.shape[-1]
    index = at.floor().long().clamp(0, size - 1)
    within = ((at >= 0) & (at < size)).all(-1)
    touched = within & (grown[0, 0, index[:, 1], index[:, 0]] > 0)
    change = (picture - before).abs().amax(0).flatten()[~touched]
    return round(float(change.max() * 127.5), 2) if len(change) else 0.0
