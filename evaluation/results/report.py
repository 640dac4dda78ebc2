"""How well one result came out, by the pack's own eyes: `python cli.py generate --report` (ours)."""

import torch
from torch import Tensor

from ...models.codes import Background, Expression, Identity
from ...models.comparison import compare
from ...models.faces.mesh import Face
from ...models.frames import invert, transform
from ...models.pipeline import DiffSFSR

KEYS = ("identity_cosine", "expression_error", "pose_error_deg")


def report_one(
    model: DiffSFSR, picture: Tensor, identity: Identity, expression: Expression, background: Background
) -> dict[str, float | None]:
    """Compare the generated face with what was asked for; of several faces or codes, the first.

    picture  (3, H, W) in [-1, 1], the result
    returns  identity_cosine, 1 = same code, mean over the recognisers; expression_error, mean absolute difference of
             the codes over MOVING; pose_error_deg, that of yaw, pitch and roll. None where the result shows no face.
    """
    face = face_at(model.encoders.mesh.find(picture.to(model.encoders.device)), background)
    if face is None:
        return dict.fromkeys(KEYS)
    return against(model, face, code_of(model, picture, face), identity, expression, background)


def against(
    model: DiffSFSR, face: Face, code: Tensor, identity: Identity, expression: Expression, background: Background
) -> dict[str, float]:
    """What report_one tells, of a face that was found already, with its code (1, D)."""
    read = face.blendshapes - model.encoders.conditioner.neutral
    found = compare((identity.code[:1], code), (expression.code[0], read), (background.pose[0], face.pose))
    values = found.cosine, found.expression, found.turn.abs().mean()
    return {key: round(float(value), 4) for key, value in zip(KEYS, values, strict=True)}


def face_at(faces: list[Face], background: Background) -> Face | None:
    """The face whose centre is nearest to that of the background's first face; None if no centre is within its box."""
    old = transform(background.points[0].cpu(), invert(background.matrix[0].cpu()))  # (478, 2) picture pixels
    half = (old.amax(0) - old.amin(0)) / 2
    away = [((face.points[:, :2].cpu().mean(0) - old.mean(0)) / half).abs().amax().item() for face in faces]
    return faces[away.index(min(away))] if away and min(away) < 1 else None


@torch.inference_mode()
def code_of(model: DiffSFSR, picture: Tensor, face: Face) -> Tensor:
    """(1, D) the identity of one of the faces in a picture (3, H, W), whichever is the largest."""
    return model.encoders.codes(picture, [face])
