import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.compositing import feather, match_colour, paste
from diffsfsr.models.frames import FRAMES, align, crop, five_points, inside, transform
from diffsfsr.models.masks import face_mask


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


def test_match_colour_takes_back_a_known_change(disc, smooth_picture):
    reference, mask = smooth_picture(128, 128)[None], disc(128, 40)[None]
    gain, offset = torch.tensor([1.1, 0.9, 1.0]).view(3, 1, 1), torch.tensor([0.05, -0.1, 0.02]).view(3, 1, 1)
    matched = match_colour((reference - offset) / gain, reference, mask)
    torch.testing.assert_close(matched, reference, atol=2e-3, rtol=0)


def test_match_colour_changes_nothing_where_the_ring_agrees(disc, smooth_picture):
    reference, mask = smooth_picture(128, 128)[None], disc(128, 40)[None]
    result = torch.where(mask > 0, -reference, reference)
    assert torch.equal(match_colour(result, reference, mask), result)
    assert torch.equal(match_colour(result, -reference, torch.ones_like(mask)), result)  # no ring


def test_match_colour_leaves_sharp_crops_as_they_are(disc):
    """An enlarged reference has less contrast than hairs have; that is no reason to take it from the face."""
    sharp = torch.rand((1, 3, 512, 512), generator=torch.Generator().manual_seed(0)) - 0.5
    reference, mask = F.interpolate(sharp, size=128, mode="area"), disc(128, 40)[None]
    torch.testing.assert_close(match_colour(sharp, reference, mask), sharp, atol=1e-4, rtol=0)
    dimmed = match_colour(0.9 * sharp - 0.1, reference, mask)
    torch.testing.assert_close(dimmed, sharp, atol=0.01, rtol=0)
    with pytest.raises(ValueError, match="a result no smaller"):
        match_colour(reference, sharp, torch.zeros(1, 1, 512, 512))


def test_match_colour_never_flattens_the_face_and_ignores_what_is_not_in_the_picture(disc, smooth_picture):
    reference, mask = smooth_picture(128, 128)[None], disc(128, 40)[None]
    assert match_colour(reference, reference * 0, mask).std() >= 0.79 * reference.std()
    valid = torch.ones_like(mask)
    valid[..., :64] = 0
    cut_off = torch.where(valid > 0, reference, -1.0)
    assert torch.equal(match_colour(reference, cut_off, mask, valid), reference)
    assert not torch.equal(match_colour(reference, cut_off, mask), reference)
    with pytest.raises(ValueError, match="one size for the last two"):
        match_colour(reference, reference, mask[..., :64, :64])


@pytest.mark.parametrize(("factor", "tolerance"), [(0.6, 0.01), (1.0, 0.01), (2.9, 0.03)])
def test_pasting_back_what_was_cut_out(mesh, factor, tolerance, turned, smooth_picture):
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
def test_enlarged_crops_land_in_the_same_place(side, disc, smooth_picture):
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
def test_a_face_half_or_wholly_outside_of_the_picture(mesh, shift, smooth_picture):
    picture = smooth_picture(64, 80)
    points = mesh + torch.tensor(shift)
    matrix = align(five_points(points), FRAMES["mini-128"])
    cut, mask = crop(picture[None], matrix, 128), face_mask(transform(points, matrix), 128)
    known = inside((64, 80), matrix, 128)
    assert (cut[known.expand(-1, 3, -1, -1) == 0] == -1).all()
    pasted = paste(picture, cut[0], matrix[0], feather(mask, 4.0)[0])
    torch.testing.assert_close(pasted, picture, atol=0.03, rtol=0)


def test_a_picture_of_16_pixels(mesh, smooth_picture):
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
