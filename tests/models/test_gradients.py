"""Gradients of identity and expression to the pixels, which training's losses need, against finite differences."""

from collections.abc import Callable

import pytest
import torch
from diffsfsr.models.faces.mesh import BLENDSHAPES, FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.frames import FRAMES, align, crop, five_points
from diffsfsr.models.identity.recogniser import Recogniser, compound_code
from diffsfsr.models.network.checkpoint import ASSETS
from torch import Tensor, nn

CELLS = (("P001", 1), ("P003", 4), ("P008", 3))  # happy, surprised, angry


@pytest.fixture(scope="module")
def exact() -> FaceMesh:
    return FaceMesh.load(find_task_file()).double()


@pytest.fixture(scope="module")
def recognisers() -> nn.ModuleDict:
    """A trained one and one that is not, in double precision."""
    torch.manual_seed(0)
    small = Recogniser((8, 8, 8, 8), (1, 1, 1), 6).eval()
    trained = Recogniser.load(ASSETS / "resnet-face.safetensors")
    return nn.ModuleDict({"trained": trained, "small": small}).double().requires_grad_(False)


@pytest.fixture(scope="module")
def pictures(acted) -> Tensor:
    return torch.stack([acted(*cell, 260) for cell in CELLS]).double()


@pytest.fixture(scope="module")
def points(face_mesh, pictures) -> Tensor:
    """(3, 478, 2) picture pixels."""
    return torch.stack([face_mesh.find(picture.float())[0].points[:, :2] for picture in pictures]).double()


def check(value: Callable[[Tensor], Tensor], x: Tensor, step: float, tolerance: float) -> None:
    """value (B,) of x (B, ...): along its own gradient, each member of the batch rises as steeply as that is long."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(x).sum(), x)
    length = gradient.flatten(1).norm(dim=1)
    assert gradient.isfinite().all() and length.min() > 1e-6
    with torch.no_grad():
        direction = step * gradient / length[:, None, None, None]
        slope = (value(x + direction) - value(x - direction)) / (2 * step)
    torch.testing.assert_close(slope.double(), length, rtol=tolerance, atol=0)


def test_identity_to_the_aligned_faces(recognisers, pictures, points):
    matrix = align(five_points(points), FRAMES["arcface-112"])
    faces = crop(pictures, matrix, 112)
    with torch.no_grad():
        others = compound_code(recognisers, faces).roll(1, 0)  # somebody else's
    check(lambda x: (compound_code(recognisers, x) * others).sum(-1), faces, step=0.02, tolerance=0.02)


def test_identity_to_the_pictures(recognisers, pictures, points):
    matrix = align(five_points(points), FRAMES["arcface-112"])

    def codes(x: Tensor) -> Tensor:
        return compound_code(recognisers, crop(x, matrix, 112))

    with torch.no_grad():
        others = codes(pictures).roll(1, 0)
    check(lambda x: (codes(x) * others).sum(-1), pictures * 0.9, step=0.02, tolerance=0.02)


@pytest.mark.parametrize("channel", ["mouthSmileLeft", "jawOpen", "browInnerUp", "eyeBlinkRight"])
def test_blendshapes_to_the_pictures(exact, pictures, points, channel):
    """Through the mesh's own crop, as in training: cut by points that are known, read with gradients."""
    low, high = points.amin(1), points.amax(1)
    scale = 256 / (1.5 * (high - low).amax(-1))  # (3,) crop pixels in a picture pixel
    shift = 128 - scale[:, None] * (low + high) / 2
    matrix = torch.cat([torch.eye(2) * scale[:, None, None], shift[..., None]], dim=-1)

    def read(x: Tensor) -> Tensor:
        return exact.read(crop(x, matrix, 256))[1][:, BLENDSHAPES.index(channel)]

    check(read, pictures * 0.9, step=1e-4, tolerance=0.02)


def test_members_of_a_batch_do_not_touch_each_other(exact, recognisers, pictures):
    faces, crops = pictures[..., :112, :112].clone(), pictures[..., :256, :256].clone()
    for value, x in ((lambda x: compound_code(recognisers, x)[0, 0], faces), (lambda x: exact.read(x)[1][0, 0], crops)):
        (gradient,) = torch.autograd.grad(value(x.requires_grad_()), x)
        assert gradient[0].any() and not gradient[1:].any()
