import math

import pytest
import torch
from diffsfsr.models.appearance.raster import signed_areas
from diffsfsr.models.appearance.topology import LEFT_EYE, LEFT_IRIS, MOUTH, RIGHT_EYE, TRIANGLES, mirror
from diffsfsr.models.appearance.warp import region, warp, warp_photos
from diffsfsr.models.frames import pixel_centres, transform

SIZE = 224
MIDDLE = SIZE / 2


def turn(points: torch.Tensor, degrees: float) -> torch.Tensor:
    """The head turned to the picture's right."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotation = points.new_tensor([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    centre = points.new_tensor([MIDDLE, MIDDLE, 0])
    return (points - centre) @ rotation.T + centre


def open_mouth(points: torch.Tensor, gap: float) -> torch.Tensor:
    """Lips parted by `gap` pixels in their middle: what lies below them is lowered, less towards the corners."""
    points = points.clone()
    upper, lower = list(MOUTH[0][1:-1]), list(MOUTH[1][1:-1])
    below = points[0, :, 1] > points[0, 14, 1]
    below[upper] = False
    below[lower] = True
    points[:, lower, 1] = points[:, upper, 1]  # closed
    half = (points[:, MOUTH[0][-1], 0] - points[:, MOUTH[0][0], 0])[:, None] / 2
    lowered = gap * (1 - ((points[..., 0] - points[:, [13], 0]) / half) ** 2).clamp(min=0)
    points[..., 1] += lowered * below
    return points


def smooth_picture(count: int = 1, height: int = SIZE, width: int = SIZE) -> torch.Tensor:
    small = torch.rand(count, 3, height // 6, width // 6, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    return torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic").clamp(-1, 1)


def shown(warped) -> torch.Tensor:
    return warped.trust[:, 0] > 0.02


def test_a_face_onto_itself_is_the_photo(face):
    photo = smooth_picture()
    for points in (face, open_mouth(face, 14.0), turn(face, 25)):
        warped = warp(photo, points, points, SIZE)
        there = shown(warped)[0]
        flow = (warped.flow[0] - pixel_centres(SIZE, SIZE, face)).norm(dim=-1)
        assert there.float().mean() > 0.2 and flow[there].max() < 0.01
        assert (warped.picture - photo)[0][:, there].abs().max() < 1 / 255


def test_a_similarity_of_the_points_is_that_of_the_photo(face):
    angle, factor = math.radians(17.0), 0.8
    a, b = factor * math.cos(angle), factor * math.sin(angle)
    matrix = torch.tensor([[a, -b, 60.0], [b, a, -10.0]])
    open_face = open_mouth(face, 12.0)
    moved = torch.cat([transform(open_face, matrix), factor * open_face[..., 2:]], -1)
    warped = warp(smooth_picture(), open_face, moved, SIZE)
    back = transform(warped.flow[0].flatten(0, 1), matrix).unflatten(0, (SIZE, SIZE))
    there = shown(warped)[0]
    assert (back - pixel_centres(SIZE, SIZE, face)).norm(dim=-1)[there].max() < 0.05


def test_the_nearest_surface_is_seen(face):
    # colour tells the half of the photo; on a head turned by 60 degrees the nose hides the far cheek's inner part
    turned = turn(face, 60)
    warped = warp(smooth_picture(), face, turned, SIZE)
    tip = turned[0, 4]
    row, column = int(tip[1]), int(tip[0])
    assert (warped.flow[0, row, column] - face[0, 4, :2]).norm() < 2
    # no point of the mesh that faces the camera lies clearly before what is read over it
    triangles = torch.tensor(TRIANGLES)
    areas = signed_areas(turned, triangles)[0]
    for i in [i for i in range(468) if areas[(triangles == i).any(1)].min() > 1]:
        x, y = turned[0, i, :2].long().tolist()
        if not shown(warped)[0, y, x]:
            continue
        read = warped.flow[0, y, x]
        nearest_read = (face[0, :468, :2] - read).norm(dim=-1).argmin()
        assert turned[0, nearest_read, 2] < turned[0, i, 2] + 8


def test_batch_equals_singles(face):
    photos = smooth_picture(3)
    sources = torch.cat([face, open_mouth(face, 9.0), turn(face, -20)])
    targets = torch.cat([turn(face, 15), face * 0.9, open_mouth(face, 4.0)])
    fit = torch.rand(3, 478, generator=torch.Generator().manual_seed(1))
    batch = warp(photos, sources, targets, SIZE, fit=fit)
    for i in range(3):
        single = warp(photos[i : i + 1], sources[i : i + 1], targets[i : i + 1], SIZE, fit=fit[i : i + 1])
        for name in ("picture", "trust", "cover", "flow"):
            torch.testing.assert_close(getattr(batch, name)[i], getattr(single, name)[0], atol=1e-4, rtol=0)


def test_gradient_reaches_the_texture(face):
    photo = smooth_picture().requires_grad_()
    warped = warp(photo, face, turn(face, 10), SIZE)
    warped.picture.sum().backward()
    y, x = (int(v) for v in face[0, 4, [1, 0]])
    assert photo.grad[0, :, y, x].abs().min() > 0.1
    assert not warped.trust.requires_grad and not warped.flow.requires_grad
    with torch.inference_mode():
        torch.testing.assert_close(warp(photo, face, turn(face, 10), SIZE).picture, warped.picture.detach())


def test_mirrored_photo_and_points_give_the_mirrored_picture(face):
    photo, source, target = smooth_picture(), open_mouth(face, 8.0), turn(face, 20)

    def flip(points):
        flipped = points[:, mirror()]
        return torch.cat([SIZE - flipped[..., :1], flipped[..., 1:]], -1)

    straight = warp(photo, source, target, SIZE)
    mirrored = warp(photo.flip(-1), flip(source), flip(target), SIZE)
    # a few quads of the tesselation are cut along the other diagonal on the other side
    difference = (mirrored.picture.flip(-1) - straight.picture).abs() * straight.trust
    assert difference.mean() < 2e-3
    assert ((mirrored.trust.flip(-1) - straight.trust).abs() > 0.1).float().mean() < 5e-3


@pytest.mark.parametrize("gap", [9.0, 13.0, 18.0])
def test_a_closed_mouth_shows_nothing_of_its_inside(face, gap):
    opened = open_mouth(face, gap)
    mouth = region(opened, SIZE, "mouth")
    inside = -torch.nn.functional.max_pool2d(-mouth, 5, stride=1, padding=2)[0, 0] > 0.99  # not its soft edge
    assert inside.sum() > 10
    assert warp(smooth_picture(), open_mouth(face, 0.0), opened, SIZE).trust[0, 0][inside].max() < 0.01
    assert warp(smooth_picture(), opened, opened, SIZE).trust[0, 0][inside].mean() > 0.7


def test_teeth_are_not_stretched_when_the_mouth_opens_or_closes(face):
    for had, wanted in ((10.0, 20.0), (20.0, 10.0)):
        target = open_mouth(face, wanted)
        warped = warp(smooth_picture(), open_mouth(face, had), target, SIZE)
        top, x = float(target[0, 13, 1]), int(target[0, 13, 0])
        rows = range(int(top) + 2, int(top) + 2 + 6)
        read = torch.stack([warped.flow[0, y, x] for y in rows])
        torch.testing.assert_close(read.diff(dim=0), torch.tensor([[0.0, 1.0]]).expand(5, 2), atol=0.02, rtol=0)
        assert warped.trust[0, 0, int(top) + 4, x] > 0.5
        if wanted > had:  # below the photo's gap nothing is known
            assert warped.trust[0, 0, int(top + wanted) - 3, x] < 0.15


def test_irises_stay_round_under_closing_lids_and_follow_the_gaze(face):
    target = face.clone()
    for eye in (LEFT_EYE, RIGHT_EYE):
        upper, lower = list(eye[0][1:-1]), list(eye[1][1:-1])
        target[:, upper, 1] = face[:, upper, 1] * 0.5 + face[:, lower, 1] * 0.5  # half shut
    iris = list(LEFT_IRIS)
    target[:, iris, 0] += 1.5  # looks to the right
    centre = target[:, iris[:1]].clone()
    close = (target - centre) * 4 + MIDDLE  # seen from near by, the eye in the middle
    warped = warp(smooth_picture(), face, close, SIZE)
    open_part = region(close, SIZE, "eyes")[0, 0] > 0.99
    from_centre = (pixel_centres(SIZE, SIZE, face) - MIDDLE) / 4
    radius = (face[0, iris[1:], :2] - face[0, iris[0], :2]).norm(dim=-1).mean()
    on_iris = open_part & (from_centre.norm(dim=-1) < 0.9 * radius)
    on_iris &= from_centre[..., 1].abs() < 0.4 * radius  # the photo's lids hide some of the rest
    assert on_iris.sum() > 100
    moved = warped.flow[0][on_iris] - (from_centre[on_iris] + face[0, iris[0], :2])
    assert moved.norm(dim=-1).max() < 0.05


def test_eyes_that_open_wide_are_believed(face):
    target = face.clone()
    for eye in (LEFT_EYE, RIGHT_EYE):
        upper, lower = list(eye[0][1:-1]), list(eye[1][1:-1])
        target[:, upper, 1] -= face[:, lower, 1] - face[:, upper, 1]  # twice as far open
    eyes = region(target, SIZE, "eyes") > 0.9
    assert warp(smooth_picture(), face, target, SIZE).trust[eyes].mean() > 0.8


def test_trust_falls_where_the_photo_shows_too_little(face):
    photo = smooth_picture()
    straight = warp(photo, face, face, SIZE).trust
    cheeks = [int(face[0, i, 0]) + SIZE * int(face[0, i, 1]) for i in (50, 280)]  # left and right cheek

    def at(trust):
        return trust.flatten()[cheeks].tolist()

    assert min(at(straight)) > 0.8
    far, near = sorted(at(warp(photo, turn(face, 65), face, SIZE).trust))
    assert far < 0.1 and near > 0.3  # one cheek is turned away in the photo
    small = face * 0.08
    assert max(at(warp(photo, small, face, SIZE).trust)) < 0.1  # a face of ten pixels
    cut = face - torch.tensor([MIDDLE, 0.0, 0.0])  # the photo ends in the middle of the face
    left, right = at(warp(photo, cut, face, SIZE).trust)
    assert left == 0 and right > 0.8
    half = torch.where(face[..., 0] < MIDDLE, 0.25, 1.0)
    left, right = at(warp(photo, face, face, SIZE, fit=half).trust)
    assert left < 0.3 and right > 0.8


def test_trust_ends_softly_and_reaches_beyond_the_brow(face):
    warped = warp(smooth_picture(), face, face, SIZE)
    trust, cover = warped.trust[0, 0], warped.cover[0, 0]
    assert trust.min() >= 0 and trust.max() <= 1
    steps = torch.maximum(trust.diff(dim=0).abs().max(), trust.diff(dim=1).abs().max())
    assert steps < 0.35
    x, top = int(face[0, 10, 0]), int(face[0, 10, 1])
    assert cover[top - 3, x] == 0 and trust[top - 3, x] > 0.2  # forehead above the mesh
    assert trust[: int(face[0, 10, 1] - 40)].max() == 0
    assert (warped.picture[0, :, trust == 0].abs().sum(0) == 0).float().mean() > 0.9


def test_degenerate_meshes_stay_finite(face):
    flat = face.clone()
    flat[..., 1] = MIDDLE
    point = torch.full_like(face, MIDDLE)
    outside = face + 1000
    for source, target in ((flat, face), (face, flat), (point, face), (face, point), (face, outside), (outside, face)):
        warped = warp(smooth_picture(), source, target, SIZE)
        for name in ("picture", "trust", "cover", "flow"):
            assert getattr(warped, name).isfinite().all()
    with pytest.raises(ValueError, match="finite"):
        warp(smooth_picture(), face * torch.nan, face, SIZE)


def test_one_photo_of_several_is_that_photo(face):
    photo = smooth_picture()
    alone, of_several = warp(photo, face, turn(face, 8), SIZE), warp_photos(photo, face, turn(face, 8)[:, None], SIZE)
    for name in ("picture", "trust", "cover", "flow"):
        torch.testing.assert_close(getattr(of_several, name), getattr(alone, name), atol=1e-4, rtol=0)


def test_targets_may_differ_from_photo_to_photo(face):
    photos, sources = smooth_picture(2), torch.cat([turn(face, 40), turn(face, -40)])
    same = face[:, None].expand(2, 2, -1, -1) + torch.tensor([0.0, 3.0])[:, None, None, None]
    each, shared = warp_photos(photos, sources, same, SIZE), warp_photos(photos, sources, same[:, :1], SIZE)
    for name in ("picture", "trust", "cover", "flow"):
        torch.testing.assert_close(getattr(each, name), getattr(shared, name), atol=1e-5, rtol=0)
    single = warp_photos(photos, sources, same[1:], SIZE)
    torch.testing.assert_close(each.picture[1:], single.picture, atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="targets"):
        warp_photos(photos, sources[:1], same, SIZE)


def test_each_half_comes_from_the_photo_that_shows_it(face):
    photos = torch.stack([torch.full((3, SIZE, SIZE), -0.5), torch.full((3, SIZE, SIZE), 0.5)])
    sources = torch.cat([turn(face, 45), turn(face, -45)])
    warped = warp_photos(photos, sources, face[:, None], SIZE, mirrored=False)
    picture = warped.picture[0, 0]
    left, right = (tuple(face[0, i, [1, 0]].long().tolist()) for i in (50, 280))
    shades = sorted([float(picture[left]), float(picture[right])])
    assert shades == pytest.approx([-0.5, 0.5], abs=0.02)
    inside = warped.trust[0, 0] > 0.2
    inside &= region(face, SIZE, "eyes")[0, 0] + region(face, SIZE, "mouth")[0, 0] == 0  # each from one photo
    assert (
        picture.diff(dim=1).abs()[inside[:, 1:] & inside[:, :-1]].max() < 0.4
    )  # of 1: no seam, even where triangles are as small as below the nose


def test_the_mirror_image_stands_in_for_a_hidden_half(face):
    photo, source = smooth_picture(), turn(face, 60)
    cheeks = [tuple(face[0, i, [1, 0]].long().tolist()) for i in (50, 280)]
    alone = warp_photos(photo, source, face[:, None], SIZE, mirrored=False).trust[0, 0]
    both = warp_photos(photo, source, face[:, None], SIZE).trust[0, 0]
    assert min(alone[c] for c in cheeks) < 0.1
    assert min(both[c] for c in cheeks) > 0.4


def test_regions(face):
    opened = open_mouth(face, 16.0)
    masks = {name: region(opened, SIZE, name)[0, 0] for name in ("face", "mouth", "lips", "eyes")}

    def at(name, point):
        x, y = point.long().tolist()
        return float(masks[name][y, x])

    middle = (opened[0, 13, :2] + opened[0, 14, :2]) / 2
    lip = (opened[0, 0, :2] + opened[0, 13, :2]) / 2
    for name, inside in (("mouth", middle), ("lips", lip), ("eyes", opened[0, 468, :2]), ("face", opened[0, 4, :2])):
        assert at(name, inside) > 0.9
    assert at("mouth", lip) < 0.2 and at("lips", middle) == 0 and at("face", opened[0, 10, :2] - 5) == 0
    area = float(masks["mouth"].sum())
    assert area == pytest.approx(2 / 3 * 16 * float(opened[0, 308, 0] - opened[0, 78, 0]), rel=0.1)
    with pytest.raises(ValueError, match="lips"):
        region(face, SIZE, "teeth")
