"""The network that paints teeth: where it may change something, what it goes by, and how the shipped one does."""

import pytest
import torch
from diffsfsr.models.appearance.bands import blur
from diffsfsr.models.appearance.mouth import SIDE, TEETH, Mouth, brightened, frames, hole_of, shaded, width
from diffsfsr.models.appearance.warp import region
from diffsfsr.models.frames import transform_mesh
from torch import Tensor

SIZE = 512
HAPPY = 1  # cell of an emotion sheet


@pytest.fixture(scope="module")
def smile(face_mesh, acted) -> tuple[Tensor, Tensor]:
    """A person whose teeth are seen, (1, 3, SIZE, SIZE), and the mesh of the face."""
    picture = acted("P009", HAPPY, SIZE)
    return picture[None], face_mesh.find(picture, limit=1)[0].points[None]


@pytest.fixture(scope="module")
def inside(smile) -> Tensor:
    return region(smile[1], SIZE, "mouth")


@pytest.fixture
def awake(awaken) -> Mouth:
    return awaken(Mouth)


def test_a_turned_and_enlarged_face_is_cut_alike(smile, turned):
    points = smile[1]
    moved = turned(25) * 1.7
    there = transform_mesh(points, moved)
    cut, again = (transform_mesh(each, frames(each)) for each in (points, there))
    torch.testing.assert_close(cut[..., :2], again[..., :2], atol=0.02, rtol=0)  # pixels
    lips = cut[:, (78, 308, 13, 14), :2]
    assert ((lips > 0) & (lips < SIDE)).all()


def test_what_is_known_stays_bit_for_bit(smile, inside, awake):
    picture, points = smile
    assert torch.equal(awake.paint(picture, points, inside, torch.zeros_like(inside)), picture)
    painted = awake.paint(picture, points, inside, inside)
    far = hole_of(inside) == 0
    assert torch.equal(painted * far, picture * far)
    assert (painted - picture).abs().mean() > 1e-3


def test_what_lies_in_the_hole_is_not_looked_at(smile, inside, awake):
    picture, points = smile
    hole = hole_of(inside)
    other = torch.where(hole > 0.999, 1.0, picture)
    ours, theirs = (awake.paint(each, points, inside, inside) for each in (picture, other))
    sure = hole_of(inside) > 0.999
    torch.testing.assert_close(ours[sure.expand_as(ours)], theirs[sure.expand_as(ours)], atol=0.02, rtol=0)


def test_several_are_as_each_alone(smile, inside, awake):
    picture, points = smile
    pictures, several = torch.cat([picture, -picture]), torch.cat([points, points + 3])
    masks = region(several, SIZE, "mouth")
    both = awake.paint(pictures, several, masks, masks)
    for i in range(2):
        part = [each[[i]] for each in (pictures, several, masks, masks)]
        torch.testing.assert_close(both[[i]], awake.paint(*part), atol=1e-3, rtol=0)


def test_the_shipped_one_paints_teeth_as_bright_as_those_it_does_not_see(smile, inside):
    picture, points = smile
    painted = Mouth.load().paint(picture, points, inside, inside)
    sure = (inside > 0.9).expand_as(picture)
    assert (painted[sure].mean() - picture[sure].mean()).abs() < 0.25  # of 2
    fine = [((each - blur(each, 2.0))[sure]).std() for each in (painted, picture)]
    assert fine[0] > 0.4 * fine[1]  # teeth, and no smear


def test_only_grey_teeth_are_brightened():
    """As bright as white, of skin of half of that: grey teeth above, dark below, beside them white ones."""
    light = torch.full((1, 3, SIDE, SIDE), 0.5)
    hole = torch.zeros(1, 1, SIDE, SIDE)
    hole[..., 60:100, 40:120] = 1
    light[..., 60:90, 40:120], light[..., 90:100, 40:120], light[..., 60:90, 20:40] = 0.45, 0.1, 0.9
    found = (brightened(light * 2 - 1, hole, hole) + 1) / 2
    assert torch.allclose(found[..., 60:90, 40:120], torch.tensor(TEETH[0] + TEETH[1] / 2), atol=0.05)
    changed = (found - light).abs() > 1e-6
    assert changed[..., 60:90, 40:120].all() and changed.sum() == 3 * 30 * 80
    again = (brightened(found * 2 - 1, hole, hole) + 1) / 2
    assert (again - found).abs().max() < 0.05  # they are as they should be


def test_a_mouth_is_as_wide_at_any_size_and_turn(smile, turned):
    points = smile[1]
    torch.testing.assert_close(width(transform_mesh(points, turned(25) * 1.7)), width(points))


def test_a_dark_mouth_stays_as_it_is():
    """Nothing of it is bright enough for teeth; beside it, on the skin, a sharp reading went a little below 0."""
    hole = torch.zeros(1, 1, SIDE, SIDE)
    hole[..., 60:100, 40:120] = 1
    inside = hole.clone()
    hole[..., 50, 80], inside[..., 50, 80] = 0.02, -0.05
    skin = torch.tensor([0.5, 0.0, -0.5])[:, None, None]
    mouth = torch.where(inside > 0, -0.98, skin)
    torch.testing.assert_close(brightened(mouth, hole, inside), mouth)


def test_teeth_do_not_glow_in_the_dark():
    """White teeth, where skin is dark and orange: no brighter beside it than in portraits, and orange, too."""
    skin = torch.tensor([0.2, 0.08, 0.03])[:, None, None]
    hole = torch.zeros(1, 1, SIDE, SIDE)
    hole[..., 60:90, 40:120] = 1
    found = (brightened(torch.lerp(skin, torch.tensor(0.5), hole) * 2 - 1, hole, hole) + 1) / 2
    teeth, beside = found[0, :, 75, 80], skin[:, 0, 0]
    assert teeth.mean() < 1.8 * beside.mean() and teeth[0] > 2 * teeth[2]
    assert torch.allclose(found[0, :, 10, 10], beside)


def test_under_teeth_that_are_known_it_gets_darker():
    """Teeth known above, painted below and beside them: the known ones stay, the row below lies in shadow."""
    inside, hole = torch.zeros(1, 1, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE)
    inside[..., 60:100, 40:120] = 1
    hole[..., 75:100, 40:120] = 1
    mouth = torch.where(inside > 0, 0.8, 0.3).repeat(1, 3, 1, 1)
    found = shaded(mouth, mouth, hole, inside)
    torch.testing.assert_close(torch.where(hole > 0, mouth, found), mouth)
    light = (found + 1).mean(1)[0, :, 80]
    assert light[76] > 0.9 * 1.8 and light[90:100].max() < 0.5 * 1.8 and (light[75:99].diff() < 1e-6).all()
    nothing = torch.where(inside > 0, -0.9, mouth)
    torch.testing.assert_close(shaded(mouth, nothing, hole, inside), mouth)
