"""The mean frontal face that head poses are measured from: assets/mean_face.safetensors, `points` (ours).

Meshes of training people's photos, brought to one position, size and rotation (generalised Procrustes), averaged, and
made symmetric. Its rotation is that of the photos' mean, so a pitch of 0 is how people look into a camera.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from ..models.faces.mesh import FaceMesh
from ..models.pictures import decode_picture
from .data.photos import Photos, person_of
from .data.split import is_test_person


def meshes(task_file: Path, source: Path, count: int) -> Iterator[Tensor]:
    """The mesh (478, 3) of the largest face in each of `count` photos, evenly spread over the training people's."""
    photos = Photos(source)
    allowed = [name for name in photos.names if not is_test_person(person_of(name))]
    mesh = FaceMesh.load(task_file, mean_face=torch.eye(478, 3))  # no pose is read here
    for index in torch.linspace(0, len(allowed) - 1, count).round().long().unique().tolist():
        picture = decode_picture(photos.read(allowed[index]), allowed[index])
        yield from (face.points for face in mesh.find(picture, limit=1))


def align(points: Tensor, target: Tensor) -> Tensor:
    """points: (N, 478, 3) moved, scaled and turned onto target (478, 3), which is centred and of unit size."""
    points = points - points.mean(dim=1, keepdim=True)
    u, s, vh = torch.linalg.svd(points.mT @ target)
    u = u * torch.cat([torch.ones_like(s[:, :2]), torch.linalg.det(u @ vh)[:, None]], dim=1)[:, None]
    return points @ (u @ vh) / points.flatten(1).norm(dim=1)[:, None, None]


def mirror_of(face: Tensor) -> Tensor:
    """(478,) index of each point's partner on the other side, the nearest after mirroring. face: (478, 3) upright"""
    return torch.cdist(face * face.new_tensor([-1.0, 1.0, 1.0]), face).argmin(dim=1)


def mean_face(points: Iterable[Tensor]) -> Tensor:
    """points: meshes (478, 3); returns (478, 3), centred, unit size, x right, y down, z away, mirror-symmetric."""
    raw = torch.stack(list(points)).double()
    raw = raw - raw.mean(dim=1, keepdim=True)
    start = raw.mean(dim=0) / raw.mean(dim=0).norm()
    mean = start
    for _ in range(10):
        mean = align(raw, mean).mean(dim=0)
        mean = mean / mean.norm()
    mean = align(mean[None], start)[0]
    for _ in range(20):  # turned, a little each round, until it agrees with its mirror image
        partner = mirror_of(mean)
        mirrored = mean[partner] * mean.new_tensor([-1.0, 1.0, 1.0])
        both = (mean + mirrored) / 2
        mean = align(mean[None], both / both.norm())[0]
    if not torch.equal(partner[partner], torch.arange(len(mean))):
        raise ValueError(
            f"got {len(raw)} faces whose mean has sides that do not match point by point; take more photos"
        )
    return (both / both.norm()).float()
