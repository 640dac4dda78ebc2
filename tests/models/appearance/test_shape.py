"""Shapes: canonical meshes, expressions that move them, and the mesh that a person has in a scene."""

import importlib.util
from pathlib import Path

import pytest
import torch
from diffsfsr.models.appearance.shape import ShapeModel
from diffsfsr.models.appearance.topology import LEFT_EYE, LEFT_IRIS, MOUTH, OUTLINE, RIGHT_EYE, RIGHT_IRIS
from diffsfsr.models.comparison import correlation
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.faces.mesh import BLENDSHAPES
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.models.pictures import read_picture
from safetensors import safe_open

CHIN = 152


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    return ShapeModel.load()


@pytest.fixture(scope="module")
def faces(acted, face_mesh):
    """Points (4, 478, 3) and blendshapes (4, 51): two people, each neutral and smiling."""
    found = [face_mesh.find(acted(person, cell, 300))[0] for person in ("P001", "P005") for cell in (0, 1)]
    return torch.stack([face.points for face in found]), torch.stack([face.blendshapes for face in found])


@pytest.fixture(scope="module")
def words(faces) -> torch.Tensor:
    """Blendshapes (15, 51) of every ninth of the 135 labels."""
    return wanted_for(*ExpressionLibrary.load(ASSETS / "expressions.json").labels[::9])


def wanted_for(*labels: str) -> torch.Tensor:
    """Blendshapes (labels, 51), as they are wanted by the bundled checkpoint."""
    library = ExpressionLibrary.load(ASSETS / "expressions.json")
    codes = torch.stack([library.code(label) for label in labels])
    with safe_open(ASSETS / "mini.safetensors", "pt") as file:
        return (file.get_tensor("conditioner.neutral").float() + codes).clamp(0, 1)


def with_(blendshapes: torch.Tensor, **values: float) -> torch.Tensor:
    """(1, 51) with some set; a name without Left or Right stands for both"""
    changed = blendshapes.clone().reshape(1, 51)
    for name, value in values.items():
        rows = [i for i, known in enumerate(BLENDSHAPES) if known in (name, f"{name}Left", f"{name}Right")]
        assert rows
        changed[:, rows] = value
    return changed


def turned(points: torch.Tensor, axis: tuple, degrees: float, scale: float, shift: tuple) -> torch.Tensor:
    axis = torch.tensor(axis) * torch.tensor(degrees).deg2rad()
    skew = torch.tensor([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return scale * points @ torch.linalg.matrix_exp(skew).mT + torch.tensor(shift)


def gap(points: torch.Tensor, opening) -> torch.Tensor:
    """Mean height of an opening (B,); edges as in topology"""
    upper, lower = (points[:, list(edge[1:-1]), 1] for edge in opening)
    return (lower - upper).mean(dim=1)


def test_a_canonical_mesh_knows_no_pose_place_or_size_and_goes_back_to_its_pixels(model, faces):
    points = faces[0]
    upright, _ = model.canonical(points)
    tilted = turned(points, (0.0, 0.0, 1.0), 35, 2.5, (400.0, -30.0, 12.0))
    again, placement = model.canonical(tilted)
    assert torch.allclose(again, upright, atol=2e-6)
    assert torch.allclose(placement.place(again), tilted, atol=5e-3)  # pixels
    width = upright[0, 454, 0] - upright[0, 234, 0]
    for axis, degrees in (((0.0, 1.0, 0.0), 25), ((1.0, 0.0, 0.0), -15)):  # the network sees these in another shape
        turn = turned(points, axis, degrees, 1.0, (0.0, 0.0, 0.0))
        again, placement = model.canonical(turn)
        assert (again - upright)[..., :2].norm(dim=-1).mean() < 0.04 * width
        assert torch.allclose(placement.place(again), turn, atol=5e-3)
    eyes = upright[:, [33, 263]]
    assert (eyes[:, 1, 0] > eyes[:, 0, 0] + 0.05).all() and ((eyes[:, 1, 1] - eyes[:, 0, 1]).abs() < 0.01).all()


def test_an_expression_leads_there_and_back_by_any_way(model, faces, words):
    shape, _ = model.canonical(faces[0][:1])
    there = model.move(shape, faces[1][:1], words[:1])
    round_about = model.move(model.move(shape, faces[1][:1], words[1:2]), words[1:2], words[:1])
    assert torch.allclose(there, round_about, atol=1e-6)
    assert torch.allclose(model.move(there, words[:1], faces[1][:1]), shape, atol=1e-6)
    assert not torch.allclose(there, shape, atol=1e-3)


@pytest.mark.parametrize("refined", [False, True])
def test_its_own_expression_in_its_own_scene_is_the_photo_itself(model, faces, face_mesh, refined):
    points, has = faces
    for i in range(4):
        own = points[i : i + 1], has[i : i + 1]
        wanted = model.wanted(model.person(*own, face_mesh if refined else None), own[1], *own, shape=1.0)
        assert torch.allclose(wanted, points[i : i + 1], atol=0.02)  # pixels of a face of about 150


def test_a_batch_is_its_rows(model, faces, words, face_mesh):
    points, has = faces
    given, who = (words[:4], points, has), model.person(points[:1], has[:1], face_mesh)
    together = model.wanted(who, *given)
    for i in range(4):
        alone = model.wanted(who, *(value[i : i + 1] for value in given))
        assert torch.allclose(together[i : i + 1], alone, atol=0.01)


@pytest.mark.parametrize("row", [0, 1], ids=["neutral", "smiling"])
def test_words_are_read_from_the_moved_mesh_and_nothing_folds(model, faces, words, face_mesh, row):
    points, has = faces[0][row : row + 1], faces[1][row : row + 1]
    scene = points.expand(len(words), -1, -1), has.expand(len(words), -1)
    wanted = model.wanted(model.person(points, has, face_mesh), words, *scene, shape=1.0)
    source = model.canonical(points)[0]
    assert not model.unfold.folds(wanted_frontal(model, wanted, points), source.expand_as(wanted)).any()
    got = correlation(face_mesh.blendshapes(wanted) - has, words - has)
    assert got.mean() > 0.85 and got.min() > 0.5


def wanted_frontal(model, wanted, scene):
    """The wanted mesh in the canonical view of the scene, which is exactly where it was made."""
    return model.canonical(scene)[1].lift(wanted)


def test_lids_meet_but_do_not_cross_irises_stay_round_and_follow_the_gaze(model, faces):
    points, has = faces[0][:1], faces[1][:1]
    who = model.person(points, has)

    def wanted(**values):
        return wanted_frontal(model, model.wanted(who, with_(has, **values), points, has, shape=1.0), points)

    still = wanted()
    closed = wanted(eyeBlink=0.75, eyeLookDown=0.7, eyeSquint=0.55, eyeWide=0.0)
    for opening, iris in ((LEFT_EYE, LEFT_IRIS), (RIGHT_EYE, RIGHT_IRIS)):
        assert -1e-4 < gap(closed, opening) < 0.35 * gap(still, opening)
        right = wanted(eyeLookOutLeft=0.7, eyeLookInRight=0.7, eyeLookInLeft=0.0, eyeLookOutRight=0.0)
        rings = [shape[0, list(iris[1:])] - shape[0, iris[0]] for shape in (still, right, closed)]
        assert torch.allclose(rings[0], rings[1], atol=1e-5) and torch.allclose(rings[0], rings[2], atol=1e-5)
        radius = rings[0].norm(dim=1).mean()
        assert right[0, iris[0], 0] - still[0, iris[0], 0] > 0.25 * radius


def test_a_mouth_opens_downwards_and_the_chin_goes_along(model, faces):
    points, has = faces[0][:1], faces[1][:1]
    who = model.person(points, has)
    shut, open_ = (model.wanted(who, with_(has, jawOpen=value), points, has, shape=0.0) for value in (0.0, 0.7))
    height = points[0, CHIN, 1] - points[0, 10, 1]
    assert gap(open_, MOUTH) > gap(shut, MOUTH) + 0.08 * height
    assert open_[0, CHIN, 1] > shut[0, CHIN, 1] + 0.03 * height
    assert (open_[0, 10] - shut[0, 10]).norm() < 0.03 * height


def test_more_of_an_expression_moves_further_without_jumps(model, faces, words, face_mesh):
    points, has = faces[0][1:2], faces[1][1:2]  # a smile
    who = model.person(points, has, face_mesh)
    for word in words[::4]:
        way = torch.lerp(has, word[None], torch.linspace(0, 1, 26)[:, None])
        scene = points.expand(26, -1, -1), has.expand(26, -1)
        path = model.wanted(who, way, *scene, shape=1.0)
        steps = (path[1:] - path[:-1]).norm(dim=-1)  # (25, 478) pixels
        assert steps.amax() < 0.2 * (path[-1] - path[0]).norm(dim=-1).amax()
        far = (path - path[:1]).flatten(1).norm(dim=1)
        assert (far[1:] > far[:-1] - 0.02 * far[-1]).all()


def test_shape_goes_from_the_scenes_outline_to_the_persons(model, faces):
    points, has = faces
    who, scene = model.person(points[:1], has[:1]), (points[2:3], has[2:3])
    shapes = {s: model.wanted(who, has[2:3], *scene, shape=s) for s in (0.0, 0.5, 1.0)}
    outline, middle = list(OUTLINE), (shapes[0.0] + shapes[1.0]) / 2
    width = scene[0][0, 454, 0] - scene[0][0, 234, 0]
    assert (shapes[0.0] - scene[0])[:, outline].norm(dim=-1).max() < 0.02 * width
    assert (shapes[1.0] - scene[0])[:, outline].norm(dim=-1).max() > 0.04 * width
    assert (shapes[0.5] - middle)[:, outline].norm(dim=-1).max() < 0.02 * width
    eyes = [*LEFT_EYE[0], *RIGHT_EYE[0]]
    assert torch.allclose(shapes[0.0][:, eyes], shapes[1.0][:, eyes], atol=0.5)


def test_one_spoilt_photo_among_several_does_not_count_for_much(model, faces):
    points, has = faces
    good, had = points[[0, 0, 1]], has[[0, 0, 1]]
    spoilt = points[:1] * torch.tensor([1.5, 0.8, 1.0])
    rest = has[:1], points[:1], has[:1], 1.0
    without = model.wanted(model.person(good, had), *rest)
    with_it = model.wanted(model.person(torch.cat([good, spoilt]), torch.cat([had, has[:1]])), *rest)
    alone = model.wanted(model.person(spoilt, has[:1]), *rest)
    assert (with_it - without).norm() < 0.15 * (alone - without).norm()


def test_what_is_wrong_is_said(model, faces):
    points, has = faces
    with pytest.raises(ValueError, match="1.5 for shape"):
        model.wanted(model.person(points[:1], has[:1]), has[:1], points[:1], has[:1], shape=1.5)
    with pytest.raises(ValueError, match=r"\(0, 478, 3\)"):
        model.person(points[:0], has[:0])


@pytest.mark.parametrize(("name", "parts"), [("mouthPressLeft", False), ("mouthShrugLower", False), ("jawOpen", True)])
def test_lips_part_only_for_what_parts_them(model, name, parts):
    """A shut mouth that is pressed no more stays shut; a jaw opens it."""
    has, wants = torch.full((1, 51), 0.02), torch.full((1, 51), 0.02)
    (wants if parts else has)[0, BLENDSHAPES.index(name)] = 0.7
    face = model.mean[None].clone()
    upper, lower = (list(edge[1:-1]) for edge in MOUTH)
    face[:, lower, 1] = face[:, upper, 1]  # shut
    placed = face * 400 + 256
    mesh = model.wanted(model.person(placed, has), wants, placed, has, 1.0)
    gap = (mesh[0, lower, 1] - mesh[0, upper, 1]).max() / (mesh[0, MOUTH[0][0], 0] - mesh[0, MOUTH[0][-1], 0]).abs()
    assert gap > 0.3 if parts else gap < 0.01


def test_a_grins_lips_meet_when_it_goes(model, face_mesh):
    """Out of a grin, what parts no lips leaves none apart; the grin itself stays as open as it is."""
    folder = Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated"
    (face,) = face_mesh.find(read_picture(folder / "P008" / "assets" / "amateur_selfie.jpg"), limit=1)
    points, has = face.points[None], face.blendshapes[None]
    who = model.person(points, has, face_mesh)
    calm, grin = (model.wanted(who, wants, points, has, 1.0) for wants in (wanted_for("sadness"), has))
    width = (points[:, MOUTH[0][-1], :2] - points[:, MOUTH[0][0], :2]).norm(dim=-1)
    assert gap(points, MOUTH) > 0.08 * width
    torch.testing.assert_close(gap(grin, MOUTH), gap(points, MOUTH), rtol=0.02, atol=0.1)
    assert gap(calm, MOUTH) < 0.03 * width
