import math

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.frames import FRAMES, align, crop, five_points, inside, transform
from diffsfsr.models.masks import FACE_OVAL, face_mask, feather, light_on_face, match_colour, paste, remove_face


@pytest.fixture
def mesh() -> torch.Tensor:
    """(1, 478, 2): an upright face in the middle of 128 pixels, its oval an ellipse 70 wide and 90 high."""
    angle = torch.arange(36) * (math.pi / 18)  # clockwise from the top
    points = torch.full((1, 478, 2), 64.0)
    points[0, FACE_OVAL] = torch.stack([64 + 35 * angle.sin(), 64 - 45 * angle.cos()], -1)
    points[0, [468, 473, 4, 61, 291]] = torch.tensor(FRAMES["mini-128"].points)
    return points


def turned(degrees: float, about: float = 64.0) -> torch.Tensor:
    a, b = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[[a, -b, about - about * (a - b)], [b, a, about - about * (b + a)]]])


def disc(size: int, radius: float) -> torch.Tensor:
    at = torch.arange(size) + 0.5 - size / 2
    return ((at[:, None] ** 2 + at**2) < radius**2).float()[None]


def smooth_picture(height: int, width: int) -> torch.Tensor:
    coarse = torch.rand(1, 3, height // 16 + 1, width // 16 + 1, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(-1, 1)[0]


def test_the_oval_is_a_closed_ring_of_36_points():
    assert len(set(FACE_OVAL)) == 36 and max(FACE_OVAL) < 468


@pytest.mark.parametrize("degrees", [0.0, 37.0, 180.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_mask_contains_the_oval(mesh, degrees, mirrored):
    points = transform(mesh, turned(degrees))
    if mirrored:
        points = points * torch.tensor([-1.0, 1.0]) + torch.tensor([128.0, 0.0])
    mask = face_mask(points, 128)
    assert mask.shape == (1, 1, 128, 128) and set(mask.unique().tolist()) == {0.0, 1.0}
    x, y = points[0, FACE_OVAL].long().unbind(-1)
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
def test_chin_and_forehead_follow_the_face(mesh, degrees, axis, sign):
    points = transform(mesh, turned(degrees))
    plain, longer, higher = (
        face_mask(points, 128, dilation=0, chin=chin, forehead=forehead)[0, 0].nonzero()[:, [1, 0]][:, axis] * sign
        for chin, forehead in ((0, 0), (0.1, 0), (0, 0.1))
    )
    assert 7 <= longer.max() - plain.max() <= 11 and longer.min() == plain.min()  # the face is 90 pixels high
    assert 7 <= plain.min() - higher.min() <= 11 and higher.max() == plain.max()


def test_masks_of_a_batch_equal_single_ones_and_nothing_is_masked_without_a_face(mesh):
    both = torch.cat([mesh, transform(mesh, turned(20.0)) - 70, torch.full_like(mesh, 30.0)])
    masks = face_mask(both, 128)
    assert torch.equal(masks[1:2], face_mask(both[1:2], 128)) and masks[1].sum() > 100  # half out of the crop
    assert masks[2].sum() == 0


def test_feather_stays_inside_and_rises_to_one(mesh):
    mask = face_mask(mesh, 128)
    soft = feather(mask, 6.0)
    assert (soft[mask == 0] == 0).all() and soft.min() >= 0 and soft.max() <= 1
    row = soft[0, 0, 64, : 64 + 1]
    assert (row.diff() >= -1e-6).all() and row[-1] == pytest.approx(1)
    assert torch.equal(feather(mask, 0), mask)
    with pytest.raises(ValueError, match="radius"):
        feather(mask, -1)


def test_feather_is_one_from_its_radius_on_and_fades_out_at_the_border_of_the_crop():
    soft = feather(torch.ones(1, 64, 64), 5.0)
    torch.testing.assert_close(soft[0, 5:-5, 5:-5], torch.ones(54, 54))
    assert soft[0, 0].max() < 0.15 and (soft[0, 32, :6].diff() > 0).all()


def test_remove_face_is_grey_in_the_mask_only():
    pixels, mask = smooth_picture(32, 32)[None], disc(32, 9)[None]
    removed = remove_face(pixels, mask)
    assert (removed[mask.expand(-1, 3, -1, -1) == 1] == 0).all()
    assert torch.equal(removed[mask.expand(-1, 3, -1, -1) == 0], pixels[mask.expand(-1, 3, -1, -1) == 0])


def test_light_is_the_plane_that_the_face_lies_in_whatever_is_around_it():
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


def test_light_of_a_mask_without_pixels_is_grey():
    assert (light_on_face(smooth_picture(32, 32)[None], torch.zeros(1, 1, 32, 32)) == 0).all()


def test_removed_faces_leave_what_is_given_in_their_place():
    pixels, mask = smooth_picture(32, 32)[None], disc(32, 9)[None]
    removed = remove_face(pixels, mask, torch.full_like(pixels, 0.25))
    assert (removed[mask.expand(-1, 3, -1, -1) == 1] == 0.25).all()


def test_match_colour_takes_back_a_known_change():
    reference, mask = smooth_picture(128, 128)[None], disc(128, 40)[None]
    gain, offset = torch.tensor([1.1, 0.9, 1.0]).view(3, 1, 1), torch.tensor([0.05, -0.1, 0.02]).view(3, 1, 1)
    matched = match_colour((reference - offset) / gain, reference, mask)
    torch.testing.assert_close(matched, reference, atol=2e-3, rtol=0)


def test_match_colour_changes_nothing_where_the_ring_agrees():
    reference, mask = smooth_picture(128, 128)[None], disc(128, 40)[None]
    result = torch.where(mask > 0, -reference, reference)
    assert torch.equal(match_colour(result, reference, mask), result)
    assert torch.equal(match_colour(result, -reference, torch.ones_like(mask)), result)  # no ring


def test_match_colour_never_flattens_the_face_and_ignores_what_is_not_in_the_picture():
    reference, mask = smooth_picture(128, 128)[None], disc(128, 40)[None]
    assert match_colour(reference, reference * 0, mask).std() >= 0.79 * reference.std()
    valid = torch.ones_like(mask)
    valid[..., :64] = 0
    cut_off = torch.where(valid > 0, reference, -1.0)
    assert torch.equal(match_colour(reference, cut_off, mask, valid), reference)
    assert not torch.equal(match_colour(reference, cut_off, mask), reference)
    with pytest.raises(ValueError, match="same size"):
        match_colour(reference, reference, mask[..., :64, :64])


@pytest.mark.parametrize(("factor", "tolerance"), [(0.6, 0.01), (1.0, 0.01), (2.9, 0.03)])
def test_pasting_back_what_was_cut_out(mesh, factor, tolerance):
    picture = smooth_picture(400, 420)
    points = transform(mesh, turned(17.0)) * factor + 20
    matrix = align(five_points(points), FRAMES["mini-128"])
    cut = crop(picture[None], matrix, 128)
    mask = feather(face_mask(transform(points, matrix), 128), 4.0)[0]
    pasted = paste(picture, cut[0], matrix[0], mask)
    assert (pasted - picture).abs().max() < tolerance
    changed = paste(picture, -cut[0], matrix[0], mask) != picture
    assert changed.any()
    y, x = changed.any(0).nonzero().unbind(-1)
    where = transform(torch.stack([x, y], -1) + 0.5, matrix[0])
    near = F.max_pool2d(mask[None], 3, stride=1, padding=1)[0, 0]
    column, row = where.long().clamp(0, 127).unbind(-1)
    assert (near[row, column] > 0).all()
    again = paste(picture, torch.full_like(cut[0], 0.3), matrix[0], mask)
    assert torch.equal(again[~changed], picture[~changed])


@pytest.mark.parametrize("side", [64, 128, 200])
def test_enlarged_crops_land_in_the_same_place(side):
    picture = smooth_picture(96, 96)
    matrix = torch.tensor([[1.0, 0.0, -11.0], [0.0, 1.0, -19.0]])
    upscaled = F.interpolate(picture[None, :, 19:83, 11:75], size=(side, side), mode="bicubic")[0]
    pasted = paste(picture, upscaled, matrix, disc(64, 28))
    torch.testing.assert_close(pasted, picture, atol=0.02, rtol=0)


def test_whole_pixels_are_copied_and_soft_ones_mixed():
    picture, matrix = torch.zeros(3, 40, 40), torch.tensor([[1.0, 0.0, -4.0], [0.0, 1.0, -8.0]])
    mask = torch.zeros(1, 16, 16)
    mask[:, 4:8, 4:8], mask[:, 9, 9] = 1, 0.25
    pasted = paste(picture, torch.full((3, 16, 16), 0.8), matrix, mask)
    expected = torch.zeros(3, 40, 40)
    expected[:, 12:16, 8:12], expected[:, 17, 13] = 0.8, 0.2
    torch.testing.assert_close(pasted, expected, atol=1e-5, rtol=0)
    assert (picture == 0).all()  # the given picture is not written into


def test_a_fine_pattern_does_not_alias_when_it_gets_smaller():
    stripes = (torch.arange(256) % 2 * 2.0 - 1).expand(3, 256, 256)
    matrix = torch.tensor([[8.0, 0.0, -80.0], [0.0, 8.0, -80.0]])  # a face of 32 pixels
    pasted = paste(torch.zeros(3, 52, 52), stripes, matrix, torch.ones(1, 256, 256))
    assert pasted[:, 12:40, 12:40].abs().max() < 0.02


@pytest.mark.parametrize("shift", [(-64.0, -30.0), (300.0, 300.0)])
def test_a_face_half_or_wholly_outside_of_the_picture(mesh, shift):
    picture = smooth_picture(64, 80)
    points = mesh + torch.tensor(shift)
    matrix = align(five_points(points), FRAMES["mini-128"])
    cut, mask = crop(picture[None], matrix, 128), face_mask(transform(points, matrix), 128)
    known = inside((64, 80), matrix, 128)
    assert (cut[known.expand(-1, 3, -1, -1) == 0] == -1).all()
    pasted = paste(picture, cut[0], matrix[0], feather(mask, 4.0)[0])
    torch.testing.assert_close(pasted, picture, atol=0.03, rtol=0)


def test_a_picture_of_16_pixels(mesh):
    picture = smooth_picture(16, 16)
    matrix = align(five_points(mesh / 8), FRAMES["mini-128"])
    cut = crop(picture[None], matrix, 128)
    with torch.inference_mode():
        pasted = paste(picture, cut[0], matrix[0], feather(face_mask(transform(mesh / 8, matrix), 128), 4.0)[0])
    torch.testing.assert_close(pasted, picture, atol=0.06, rtol=0)


def test_wrong_shapes_are_refused_in_clear_words():
    picture, matrix, mask = torch.zeros(3, 40, 40), torch.eye(2, 3), torch.ones(1, 16, 16)
    with pytest.raises(ValueError, match="square"):
        paste(picture, torch.zeros(3, 16, 20), matrix, mask)
    with pytest.raises(ValueError, match="mask"):
        paste(picture, torch.zeros(3, 16, 16), matrix, torch.ones(1, 16, 20))
    with pytest.raises(ValueError, match="at most the crop's side"):
        paste(picture, torch.zeros(3, 16, 16), matrix, torch.ones(1, 32, 32))
    with pytest.raises(ValueError, match="one face in one picture"):
        paste(picture[None], torch.zeros(3, 16, 16), matrix, mask)
