import math

import pytest
import torch
from diffsfsr.models.appearance.topology import OUTLINE
from diffsfsr.models.frames import transform
from diffsfsr.models.masks import face_mask, light_on_face, remove_face


def test_the_oval_is_a_closed_ring_of_36_points():
    assert len(set(OUTLINE)) == 36 and max(OUTLINE) < 468


@pytest.mark.parametrize("degrees", [0.0, 37.0, 180.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_mask_contains_the_oval(mesh, degrees, mirrored, turned):
    points = transform(mesh, turned(degrees))
    if mirrored:
        points = points * torch.tensor([-1.0, 1.0]) + torch.tensor([128.0, 0.0])
    mask = face_mask(points, 128)
    assert mask.shape == (1, 1, 128, 128) and set(mask.unique().tolist()) == {0.0, 1.0}
    x, y = points[0, OUTLINE].long().unbind(-1)
    assert (mask[0, 0, y, x] == 1).all()


def test_mask_without_margins_is_the_hull(mesh):
    area = face_mask(mesh, 128, dilation=0, chin=0, forehead=0).sum()
    assert area == pytest.approx(35 * 45 * 18 * math.sin(math.pi / 18), rel=0.01)  # of a 36-gon


def test_mask_is_convex_even_where_the_oval_is_not(mesh):
    dented = mesh.clone()
    dented[0, 454] = torch.tensor([64.0, 64.0])  # as on the far side of a turned head
    whole, hull = (face_mask(points, 128, dilation=0, chin=0, forehead=0)[0, 0] for points in (mesh, dented))
    assert 0.98 * whole.sum() < hull.sum() < whole.sum()


def test_mask_grows_with_dilation(mesh):
    areas = [face_mask(mesh, 128, dilation=d).sum().item() for d in (0.0, 0.1, 0.2)]
    assert areas[0] < areas[1] < areas[2]


@pytest.mark.parametrize(("degrees", "axis", "sign"), [(0.0, 1, 1), (90.0, 0, -1), (-90.0, 0, 1), (180.0, 1, -1)])
def test_chin_and_forehead_follow_the_face(mesh, degrees, axis, sign, turned):
    points = transform(mesh, turned(degrees))
    plain, longer, higher = (
        face_mask(points, 128, dilation=0, chin=chin, forehead=forehead)[0, 0].nonzero()[:, [1, 0]][:, axis] * sign
        for chin, forehead in ((0, 0), (0.1, 0), (0, 0.1))
    )
    assert 7 <= longer.max() - plain.max() <= 11 and longer.min() == plain.min()  # the face is 90 pixels high
    assert 7 <= plain.min() - higher.min() <= 11 and higher.max() == plain.max()


def test_masks_of_a_batch_equal_single_ones_and_nothing_is_masked_without_a_face(mesh, turned):
    both = torch.cat([mesh, transform(mesh, turned(20.0)) - 70, torch.full_like(mesh, 30.0)])
    masks = face_mask(both, 128)
    assert torch.equal(masks[1:2], face_mask(both[1:2], 128)) and masks[1].sum() > 100  # half out of the crop
    assert masks[2].sum() == 0


def test_remove_face_is_grey_in_the_mask_only(disc, smooth_picture):
    pixels, mask = smooth_picture(32, 32)[None], disc(32, 9)[None]
    removed = remove_face(pixels, mask)
    assert (removed[mask.expand(-1, 3, -1, -1) == 1] == 0).all()
    assert torch.equal(removed[mask.expand(-1, 3, -1, -1) == 0], pixels[mask.expand(-1, 3, -1, -1) == 0])


def test_light_is_the_plane_that_the_face_lies_in_whatever_is_around_it(disc):
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    plane = torch.stack([0.3 + 0.2 * x, 0.1 - 0.3 * y, -0.2 + 0.1 * x + 0.1 * y])[None]
    mask = disc(64, 20)[None]
    noise = torch.rand(plane.shape, generator=torch.Generator().manual_seed(0)) - 0.5
    face = plane + 0.1 * noise * mask
    torch.testing.assert_close(light_on_face(face + noise * (1 - mask), mask), plane, atol=0.02, rtol=0)
    tilted = light_on_face(face, mask) - plane  # a few features do not bend it
    assert tilted.abs().max() < 0.02
    both = torch.cat([face, face.flip(-1)])
    torch.testing.assert_close(light_on_face(both, torch.cat([mask, mask]))[1].flip(-1), light_on_face(face, mask)[0])


def test_light_of_a_mask_without_pixels_is_grey(smooth_picture):
    assert (light_on_face(smooth_picture(32, 32)[None], torch.zeros(1, 1, 32, 32)) == 0).all()


def test_removed_faces_leave_what_is_given_in_their_place(disc, smooth_picture):
    pixels, mask = smooth_picture(32, 32)[None], disc(32, 9)[None]
    removed = remove_face(pixels, mask, torch.full_like(pixels, 0.25))
    assert (removed[mask.expand(-1, 3, -1, -1) == 1] == 0.25).all()
