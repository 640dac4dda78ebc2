"""The fit of expressions to meshes finds what made them, whoever's face it is."""

import pytest
import torch
from diffsfsr.models.appearance.shape import ShapeModel, features, turn_features
from diffsfsr.models.appearance.topology import LEFT_EYE, LIPS, OUTLINE, RIGHT_IRIS
from diffsfsr.models.faces.mesh import MEAN_FACE
from diffsfsr.training import shape
from safetensors.torch import load_file

PEOPLE, PHOTOS = 60, 6


@pytest.fixture(scope="module")
def mean() -> torch.Tensor:
    return load_file(MEAN_FACE)["points"].double()


@pytest.fixture(scope="module")
def made(mean) -> dict:
    """Meshes of people with shapes of their own, moved by three smooth motions of five blendshapes, in any place."""
    generator = torch.Generator().manual_seed(0)

    def normal(*size):
        return torch.randn(size, generator=generator, dtype=torch.float64)

    nearness = torch.exp(-(torch.cdist(mean, mean) / 0.02).square())
    below = (mean[:, 1] > 0.005).double()[:, None]  # the upper half is still
    truth = 0.002 * (nearness @ normal(478, 5 * 3)).unflatten(1, (5, 3)).permute(1, 0, 2) * below
    truth[:, list(RIGHT_IRIS)] = 0
    blendshapes = torch.zeros(PEOPLE * PHOTOS, 51, dtype=torch.float64)
    blendshapes[:, 24:29] = torch.rand(PEOPLE * PHOTOS, 5, generator=generator, dtype=torch.float64)
    own = mean + 0.002 * (nearness @ normal(478, PEOPLE * 3)).unflatten(1, (PEOPLE, 3)).permute(1, 0, 2)
    canonical = own.repeat_interleave(PHOTOS, 0) + torch.einsum("nf,fpc->npc", blendshapes[:, 24:29], truth)
    angle = 0.2 * normal(len(canonical), 3)
    zero = torch.zeros(len(canonical)).double()
    x, y, z = angle.unbind(1)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).unflatten(1, (3, 3))
    points = 900 * canonical @ torch.linalg.matrix_exp(skew).mT + 50 * normal(len(canonical), 1, 3)
    names = [f"person {i // PHOTOS}" for i in range(len(points))]
    return {"truth": truth, "meshes": shape.Meshes(names, points, blendshapes, 5 * normal(len(points), 3))}


def test_the_points_that_nothing_moves_are_found_and_the_motions_too(mean, made):
    meshes = made["meshes"]
    within = shape.Within(meshes.people)
    steady = shape.steady_points(mean, meshes.points, within)
    still = made["truth"].norm(dim=(0, 2)) < 1e-6
    assert steady[still].sum() > 0.8
    canonical, placement = shape.empty(mean, steady).canonical(meshes.points)
    turn = turn_features(placement.rotation)
    motions, response = shape.motions_and_response(canonical, meshes.blendshapes, turn, within)
    a, b = meshes.blendshapes[:20], meshes.blendshapes[20:40]
    moved = torch.einsum("bk,kpc->bpc", (features(b) - features(a)) @ response, motions)
    true = torch.einsum("bf,fpc->bpc", (b - a)[:, 24:29], made["truth"])
    assert (moved - true).norm() < 0.15 * true.norm()


def test_a_turn_of_the_head_is_no_expression_but_known_for_itself(mean, made):
    """What goes along with the pose alone must not be laid on a blendshape that goes along with the pose, too."""
    meshes = made["meshes"]
    within = shape.Within(meshes.people)
    canonical, placement = shape.empty(mean, torch.ones(478)).canonical(meshes.points)
    turn = turn_features(placement.rotation)
    pitch = turn[:, 1]  # of 20 degrees
    leak = 0.002 * torch.sin(40 * mean[:, 1:2]).expand(-1, 3)
    noise = torch.rand(len(pitch), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    blendshapes = meshes.blendshapes.clone()
    blendshapes[:, 0] = (0.4 + 0.3 * pitch + 0.2 * noise).clamp(0, 1)
    seen = canonical + pitch[:, None, None] * leak
    motions, response = shape.motions_and_response(seen, blendshapes, turn, within)
    ahead = torch.zeros(2, 51, dtype=torch.float64)
    ahead[:, 0] = torch.tensor([0.4, 0.7])
    moved = (features(ahead[1:]) - features(ahead[:1])) @ response @ motions.flatten(1)
    assert abs(moved @ leak.flatten()) < 0.2 * leak.square().sum()  # most of it where pose is not regarded
    calm = seen - torch.einsum("nk,kpc->npc", features(blendshapes) @ response, motions)
    bend = shape.bend_of_turns(calm, turn, within)
    assert (bend[1] - leak).norm() < 0.2 * leak.norm()


def test_the_outline_takes_along_what_is_near_and_leaves_the_features(mean):
    follow = shape.following(mean)
    assert torch.equal(follow[list(OUTLINE)], torch.eye(len(OUTLINE), dtype=torch.float64))
    assert follow.min() >= -1e-9 and follow.sum(dim=1).max() <= 1 + 1e-9
    assert not follow[[*LEFT_EYE[0], *LIPS[1], *RIGHT_IRIS, 4]].any()
    chin, below_lip = 175, 18  # one row above the outline's lowest point, and right below the lip
    assert follow[chin].sum() > 0.6 > follow[below_lip].sum() > 0


def test_a_step_with_the_gain_brings_the_reading_nearer(face_mesh):
    model = ShapeModel.load()
    few = ShapeModel(model.mean, model.steady, model.turning, model.motions[:8], torch.zeros(153, 8),
                     torch.zeros(51, 8), model.follow, model.unfold.least)  # fmt: skip
    few.gain = shape.newton_gain(few, few.mean[None], face_mesh, prior=0.01).float()
    goal = few.mean + 0.4 * torch.einsum("k,kpc->pc", torch.tensor([1.0, -1, 0, 1, 0, -1, 1, 0]), few.motions)
    wants = few.read(goal[None], face_mesh)
    errors = [(few.read(few.refine(few.mean[None], wants, face_mesh, n), face_mesh) - wants).norm() for n in (0, 1, 3)]
    assert errors[1] < 0.6 * errors[0] and errors[2] < 0.7 * errors[1]


def test_test_people_and_photos_seen_before_are_left_out(photos, tmp_path, face_mesh):
    people = [person for person, _ in shape.read_meshes([photos, photos], face_mesh)]
    assert sorted(people) == sorted(["P001"] * 2 + ["P002"] * 2 + ["P003"] * 2)
