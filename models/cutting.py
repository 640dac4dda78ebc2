"""Faces cut out of their pictures in the generation frame, with all that is needed to put others in their places."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .codes import CutOut
from .faces.mesh import Face
from .frames import Frame, align, crop, five_points, transform_mesh
from .masks import face_mask
from .network.config import MASK_MARGINS


def cut_out(
    picture_at: Callable[[int], Tensor],
    found: Sequence[list[Face]],
    frame: Frame,
    margins: Sequence[float] = MASK_MARGINS,
    mask: Tensor | None = None,
    matrix: Tensor | None = None,
) -> CutOut:
    """Cut the frame around each face; pictures are asked for one at a time.

    picture_at  a picture's number -> (3, H, W) in [-1, 1]
    found       the faces of each picture; some may have none
    margins     of the face mask, as face_mask has them
    mask        (P, 1, H, W) in 0..1 in place of the face mask; 1 = regenerate
    matrix      (N, 2, 3) picture to crop pixels, where they are known; else each face is aligned by its points
    """
    index = torch.tensor([i for i, faces in enumerate(found) for _ in faces])
    points, pose, blendshapes = (
        torch.stack([getattr(face, name) for faces in found for face in faces]).cpu()
        for name in ("points", "pose", "blendshapes")
    )
    if matrix is None:
        matrix = align(five_points(points), frame)  # (N, 2, 3)
    inner = transform_mesh(points, matrix)  # (N, 478, 3)
    crops, masks = [], []
    for i in index.unique().tolist():
        own = index == i
        crops.append(crop(picture_at(i)[None], matrix[own], frame.size, repeat=True))  # else its light would be dark
        if mask is None:
            masks.append(face_mask(inner[own], frame.size, *margins))
        else:
            masks.append(_own_mask(mask[i], matrix[own], frame.size, i))
    return CutOut(
        index=index,
        crop=torch.cat(crops),
        mask=torch.cat(masks),
        pose=pose,
        matrix=matrix,
        points=inner,
        blendshapes=blendshapes,
    )


def _own_mask(mask: Tensor, matrix: Tensor, size: int, i: int) -> Tensor:
    """mask (1, H, W), of picture i, in the crops of its faces, matrix (n, 2, 3): (n, 1, S, S), 0 or 1"""
    inner = (crop(mask.expand(1, 3, -1, -1) * 2 - 1, matrix, size)[:, :1] > 0).float()
    if (inner.flatten(1).sum(1) == 0).any():
        raise ValueError(
            f"the mask given covers nothing of a face in picture {i + 1}; paint over it, or leave the mask off"
        )
    return inner
