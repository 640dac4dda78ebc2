"""Which part of a crop is regenerated, and what the network is given in place of the face.

The mask is 1 where pixels are regenerated. S is the side of the generation frame.
"""

import torch
from torch import Tensor

from .appearance.topology import OUTLINE
from .frames import pixel_centres
from .network.config import MASK_MARGINS

TOP, CHIN = OUTLINE.index(10), OUTLINE.index(152)


def face_mask(
    points: Tensor,
    size: int,
    dilation: float = MASK_MARGINS[0],
    chin: float = MASK_MARGINS[1],
    forehead: float = MASK_MARGINS[2],
) -> Tensor:
    """The region to regenerate: the convex hull of the face oval, dilated, with the forehead and room for the jaw.

    That the forehead and a little beyond the cheeks belong to it is read off published pictures; the numbers are ours.

    points    (B, 478, 2 or 3) mesh in crop pixels
    dilation  growth about the oval's centre, as a part of its size
    chin      how far the chin is moved down along the face's own axis, as a part of the face's height
    forehead  how far the top is moved up, likewise (the oval ends in the middle of the forehead)
    returns   (B, 1, size, size), 0 or 1
    """
    if points.ndim != 3 or points.shape[1] != 478:
        raise ValueError(f"got mesh points of shape {tuple(points.shape)}, want (B, 478, 2 or 3)")
    oval = points[:, OUTLINE, :2]
    centre = oval.mean(1, keepdim=True)
    up = (oval[:, TOP] - oval[:, CHIN])[:, None]  # as long as the face is high
    spokes = oval - centre
    height = 2 * (spokes * up).sum(-1, keepdim=True) / up.square().sum(-1, keepdim=True).clamp(min=1e-9)  # about -1..1
    lift = forehead * height.clamp(0, 1) + chin * height.clamp(-1, 0)
    return _hull(centre + (1 + dilation) * spokes + lift * up, size)


def _hull(corners: Tensor, size: int) -> Tensor:
    """(B, K, 2) points -> (B, 1, size, size), 1 where a pixel's centre is in their convex hull."""
    edges = corners[:, None] - corners[:, :, None]  # (B, i, j, 2): from i to j
    turn = edges[:, :, :, None, 0] * edges[:, :, None, :, 1] - edges[:, :, :, None, 1] * edges[:, :, None, :, 0]
    length = edges.square().sum(-1)
    # i to j is an edge of the hull if no point is on its other side; of several on one line take the longest
    length = torch.where((turn >= 0).all(-1), length, 0.0)
    longest, end = length.max(-1)  # (B, i)
    edge = torch.take_along_dim(edges, end[:, :, None, None], 2).squeeze(2)
    is_edge = longest > 0
    pixels = pixel_centres(size, size, corners)
    found = is_edge.any(1)[:, None, None].expand(-1, size, size)
    for i in range(corners.shape[1]):
        (x, y), (dx, dy) = corners[:, i, :, None, None].unbind(1), edge[:, i, :, None, None].unbind(1)
        found = found & ((dx * (pixels[..., 1] - y) - dy * (pixels[..., 0] - x) >= 0) | ~is_edge[:, i, None, None])
    return found[:, None].to(corners.dtype)


def light_on_face(crop: Tensor, mask: Tensor) -> Tensor:
    """How light falls on a face: for each channel the plane that is nearest to its pixels (ours).

    A plane has a tone and a brighter side, and nothing else of the face.

    crop (B, 3, S, S) in [-1, 1], mask (B, 1, S, S) -> (B, 3, S, S) in [-1, 1]
    """
    batch, _, size, _ = crop.shape
    across = torch.linspace(-1, 1, size, dtype=crop.dtype, device=crop.device)
    y, x = torch.meshgrid(across, across, indexing="ij")
    plane = torch.stack([torch.ones_like(x), x, y]).flatten(1)  # (3, S * S)
    weighted = plane * mask.flatten(2)  # (B, 3, S * S)
    normal = weighted @ plane.T + plane.new_tensor([1e-6, 1.0, 1.0]).diag()  # slopes of a few pixels stay small
    found = torch.linalg.solve(normal, weighted @ crop.flatten(2).transpose(1, 2))  # (B, 3, channels)
    return (found.transpose(1, 2) @ plane).view(batch, 3, size, size).clamp(-1, 1)


def remove_face(crop: Tensor, mask: Tensor, fill: Tensor | float = 0.0) -> Tensor:
    """The crop with something else in place of its face; 0 is mid-grey.

    crop (B, 3, S, S) in [-1, 1], mask (B, 1, S, S), fill (B, 3, S, S) -> (B, 3, S, S)
    """
    return crop * (1 - mask) + mask * fill
