import math

import numpy as np
import pytest
import torch
from diffsfsr.models.frames import (
    FRAMES,
    align,
    crop,
    five_points,
    inside,
    invert,
    nearest,
    pixel_centres,
    resample,
    scale,
    transform,
    transform_mesh,
)
from torch.autograd import gradcheck


def similarity(scale: float, degrees: float, shift: tuple[float, float], dtype=torch.float32) -> torch.Tensor:
    a, b = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return torch.tensor([[[a, -b, shift[0]], [b, a, shift[1]]]], dtype=dtype)


def centroid(pixels: torch.Tensor) -> torch.Tensor:
    """(x, y) of the bright spot in a picture (3, H, W) that is black elsewhere."""
    weight = pixels[0].double() + 1
    y, x = (torch.arange(n, dtype=torch.float64) + 0.5 for n in weight.shape)
    return torch.stack([(weight.sum(0) * x).sum(), (weight.sum(1) * y).sum()]) / weight.sum()


def spot(height: int, width: int, at: tuple[float, float], radius: float) -> torch.Tensor:
    y, x = torch.arange(height)[:, None] + 0.5, torch.arange(width) + 0.5
    bright = torch.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * radius**2))
    return (2 * bright - 1).expand(1, 3, -1, -1)


def random_picture(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9


@pytest.mark.parametrize("name", FRAMES)
def test_points_land_on_the_template(name):
    frame = FRAMES[name]
    template = torch.tensor(frame.points)
    photo = transform(template, similarity(3.7, 35.0, (812.0, 440.0)))
    landed = transform(photo, align(photo, frame))
    torch.testing.assert_close(landed[0], template, atol=1e-3, rtol=0)
    assert (template > 0).all() and (template < frame.size).all()
    assert template[0, 0] < template[1, 0] and template[3, 0] < template[4, 0]  # the viewer's left comes first


def test_frames_are_the_published_ones():
    shifted = torch.tensor(FRAMES["mini-128"].points) - torch.tensor(FRAMES["arcface-112"].points)
    torch.testing.assert_close(shifted, torch.tensor([8.0, 0.0]).expand(5, 2))
    left, right, _, left_mouth, right_mouth = FRAMES["ffhq-256"].points
    assert left == pytest.approx((0.36 * 256, 0.47 * 256)) and right == pytest.approx((0.64 * 256, 0.47 * 256))
    assert left_mouth[1] == right_mouth[1] == pytest.approx(0.74 * 256)


def test_five_points_are_irises_nose_and_mouth_in_the_order_of_the_frames():
    mesh = torch.arange(478.0)[None, :, None].expand(2, -1, 3)
    points = five_points(mesh)
    assert points.shape == (2, 5, 2)
    assert points[0, :, 0].tolist() == [468, 473, 4, 61, 291]  # right iris of the person first: the viewer's left
    with pytest.raises(ValueError, match="478"):
        five_points(mesh[:, :468])


def test_a_mesh_keeps_its_shape_in_all_three_directions():
    mesh = torch.rand(3, 478, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 90
    matrix = torch.cat([similarity(k, 40.0 * k, (5.0, -9.0), torch.float64) for k in (0.4, 1.0, 2.5)])
    there = transform_mesh(mesh, matrix)
    for before, after, k in zip(mesh, there, (0.4, 1.0, 2.5), strict=True):
        torch.testing.assert_close(torch.cdist(after, after), k * torch.cdist(before, before), atol=1e-4, rtol=0)
    assert torch.equal(there[..., :2], transform(mesh, matrix))
    flat = transform_mesh(mesh[..., :2], matrix)
    assert torch.equal(flat[..., :2], there[..., :2]) and not flat[..., 2].any()


def test_align_agrees_with_umeyama_by_singular_values():
    frame = FRAMES["arcface-112"]
    photo = np.array([[310.0, 205], [402, 231], [340, 270], [301, 300], [371, 330]])  # no exact similarity exists
    target = np.array(frame.points)
    source_mean, target_mean = photo.mean(0), target.mean(0)
    u, d, vt = np.linalg.svd((target - target_mean).T @ (photo - source_mean) / 5)
    sign = np.diag([1, np.sign(np.linalg.det(u @ vt))])
    linear = u @ sign @ vt * np.trace(np.diag(d) @ sign) / (photo - source_mean).var(0).sum()
    expected = np.hstack([linear, (target_mean - linear @ source_mean)[:, None]])
    np.testing.assert_allclose(align(torch.from_numpy(photo), frame).numpy(), expected, rtol=1e-10, atol=1e-9)


def test_moving_the_picture_moves_the_matrix_along():
    frame = FRAMES["mini-128"]
    photo = torch.tensor([[310.0, 205], [402, 231], [340, 270], [301, 300], [371, 330]], dtype=torch.float64)[None]
    moved = similarity(0.4, -70.0, (55.0, 600.0), torch.float64)
    point = torch.tensor([[[123.0, 456.0]]], dtype=torch.float64)
    before = transform(point, align(photo, frame))
    after = transform(transform(point, moved), align(transform(photo, moved), frame))
    torch.testing.assert_close(after, before)


def test_a_mirrored_face_is_rotated_never_mirrored():
    photo = torch.tensor(FRAMES["mini-128"].points)[None] * torch.tensor([-1.0, 1.0]) + torch.tensor([300.0, 0.0])
    matrix = align(photo, FRAMES["mini-128"])
    assert torch.det(matrix[0, :, :2]) > 0


def test_points_in_one_place_are_refused():
    with pytest.raises(ValueError, match="no face"):
        align(torch.full((2, 5, 2), 7.0), FRAMES["mini-128"])
    with pytest.raises(ValueError, match="no face"):
        align(torch.full((1, 5, 2), torch.nan), FRAMES["mini-128"])
    with pytest.raises(ValueError, match="five_points"):
        align(torch.zeros(1, 478, 2), FRAMES["mini-128"])


def test_invert_is_the_way_back():
    matrix = torch.cat([similarity(0.13, 20.0, (-40.0, 900.0)), similarity(5.0, -170.0, (3.0, -4.0))])
    points = torch.tensor([[[0.0, 0.0], [1000.0, 20.0], [7.5, 640.0]]]).expand(2, -1, -1)
    torch.testing.assert_close(transform(transform(points, matrix), invert(matrix)), points, atol=2e-3, rtol=0)
    torch.testing.assert_close(scale(matrix), torch.tensor([0.13, 5.0]))
    with pytest.raises(ValueError, match="inverted"):
        invert(torch.zeros(1, 2, 3))


def test_a_shift_by_whole_pixels_copies_them():
    picture = random_picture(1, 3, 40, 50)
    shifted = crop(picture, similarity(1.0, 0.0, (-7.0, -5.0)), 32)
    torch.testing.assert_close(shifted, picture[:, :, 5:37, 7:39], atol=2e-5, rtol=0)


def test_quarter_turns_copy_the_pixels():
    picture = random_picture(1, 3, 32, 32)
    turned = crop(picture, similarity(1.0, 90.0, (32.0, 0.0)), 32)  # clockwise in the picture, y points down
    torch.testing.assert_close(turned, torch.rot90(picture, -1, (2, 3)), atol=2e-5, rtol=0)


def test_a_fine_pattern_does_not_alias_when_it_gets_smaller():
    x = torch.arange(512)
    stripes = (x % 2 * 2.0 - 1).expand(1, 3, 512, 512)  # black and white columns
    small = crop(stripes, similarity(1 / 8, 0.0, (0.0, 0.0)), 64)
    assert small[..., 1:-1].abs().max() < 0.02


@pytest.mark.parametrize(
    ("factor", "degrees", "at"),
    [(1 / 8, 0.0, (493.3, 371.7)), (1 / 8, 30.0, (520.9, 402.2)), (0.7, -15.0, (33.1, 42.6)), (3.3, 50.0, (11.4, 9.7))],
)
def test_a_dot_lands_where_the_points_do(factor, degrees, at):
    matrix = similarity(factor, degrees, (0.0, 0.0))
    matrix[0, :, 2] = torch.tensor([33.3, 28.6]) - transform(torch.tensor([at]), matrix[0])[0]
    height, width = int(at[1] * 2), int(at[0] * 2)
    cut = crop(spot(height, width, at, radius=3 / factor if factor < 1 else 1.5), matrix, 64)
    cut = torch.where(inside((height, width), matrix, 64) > 0, cut, -1.0)
    assert (centroid(cut[0]) - torch.tensor([33.3, 28.6])).norm() < 0.1


def test_outside_of_the_picture_is_black_and_inside_says_so():
    white = torch.ones(1, 3, 20, 30)
    matrix = similarity(1.0, 0.0, (16.0, 4.0))
    cut, known = crop(white, matrix, 32), inside((20, 30), matrix, 32)
    expected = torch.full((1, 3, 32, 32), -1.0)
    expected[:, :, 4:24, 16:] = 1
    torch.testing.assert_close(cut, expected)
    assert torch.equal(known, (expected[:, :1] + 1) / 2)
    far = similarity(0.1, 0.0, (500.0, 500.0))
    assert (crop(white, far, 32) == -1).all() and inside((20, 30), far, 32).sum() == 0


def test_a_tiny_picture_can_be_cropped():
    cut = crop(random_picture(1, 3, 16, 16), similarity(8.0, 12.0, (0.0, 0.0)), 128)
    assert cut.shape == (1, 3, 128, 128) and cut.abs().max() <= 1
    assert crop(random_picture(1, 3, 16, 16), similarity(0.05, 0.0, (4.0, 4.0)), 8).isfinite().all()


def test_a_batch_equals_its_single_items():
    pictures = random_picture(3, 3, 90, 70)
    matrices = torch.cat([similarity(s, 10.0, (3.0, -2.0)) for s in (0.2, 1.0, 2.5)])
    together = crop(pictures, matrices, 24)
    alone = torch.cat([crop(pictures[i : i + 1], matrices[i : i + 1], 24) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    shared = crop(pictures[:1], matrices, 24)
    torch.testing.assert_close(shared[1], crop(pictures[:1], matrices[1:2], 24)[0], atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="2 pictures"):
        crop(pictures[:2], matrices, 24)


def test_the_nearest_pixel_is_the_one_a_point_lies_in_and_the_borders_beyond_it():
    planes = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    points = torch.tensor([[[0.0, 0.0], [2.99, 1.01], [-3.0, 9.0]], [[4.5, 3.5], [5.0, 4.0], [0.5, 2.0]]])
    at = [[(0, 0), (2, 1), (0, 3)], [(4, 3), (4, 3), (0, 2)]]
    wanted = torch.stack([torch.stack([planes[i, :, y, x] for x, y in row]) for i, row in enumerate(at)])
    assert torch.equal(nearest(planes, points), wanted)


def test_slopes_stay_straight_when_enlarged():
    slope = torch.linspace(-0.9, 0.9, 32).expand(1, 3, 32, 32)
    large = crop(slope, similarity(5.0, 0.0, (-20.0, -20.0)), 100)
    steps = large[0, 0, 50].diff()
    torch.testing.assert_close(steps, torch.full_like(steps, 1.8 / 31 / 5), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["bicubic", "sharp", "bilinear"])
def test_every_way_of_reading_keeps_slopes_straight_and_pixels_as_they_are(mode):
    y, x = torch.meshgrid(torch.arange(30) + 0.5, torch.arange(40) + 0.5, indexing="ij")
    slope = (0.03 * x - 0.02 * y).expand(1, 3, -1, -1) - 0.3
    points = torch.rand(1, 7, 9, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([34, 24]) + 3
    found = resample(slope, points, torch.ones(1), mode)
    want = (0.03 * points[..., 0] - 0.02 * points[..., 1] - 0.3).expand_as(found)
    torch.testing.assert_close(found, want, atol=3e-4, rtol=0)
    pixels = random_picture(1, 3, 30, 40)
    same = resample(pixels, pixel_centres(30, 40, pixels)[None], torch.ones(1), mode)
    torch.testing.assert_close(same, pixels, atol=1e-4, rtol=0)


@pytest.mark.parametrize("mode", ["bicubic", "sharp", "bilinear"])
def test_one_picture_reads_alike_with_any_number_of_threads(mode):
    picture, threads = random_picture(1, 3, 20, 30), torch.get_num_threads()
    points = torch.rand(1, 7, 9, 2, generator=torch.Generator().manual_seed(0)) * 22 - 1
    found = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            found.append(resample(picture, points, torch.ones(1), mode))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], atol=1e-6, rtol=0)


def test_gradients():
    photo = torch.tensor([[30.0, 20], [40, 23], [34, 27], [30, 30], [37, 33]], dtype=torch.float64)[None]
    assert gradcheck(lambda points: align(points, FRAMES["mini-128"]), photo.requires_grad_())
    picture = random_picture(1, 3, 14, 14).double() / 2
    for factor, shift in ((1.1, -3.0), (0.4, -0.3)):  # read directly; scaled down first
        matrix = similarity(factor, 5.0, (shift, shift), torch.float64)
        assert gradcheck(lambda *given: crop(*given, 4), (picture.requires_grad_(), matrix.requires_grad_()))


def test_works_in_inference_mode():
    with torch.inference_mode():
        picture = random_picture(1, 3, 64, 64)
        points = transform(torch.tensor(FRAMES["mini-128"].points)[None], similarity(0.3, 0.0, (5.0, 5.0)))
        assert crop(picture, align(points, FRAMES["mini-128"]), 128).shape == (1, 3, 128, 128)
