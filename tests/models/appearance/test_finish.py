"""A photo's own pixels in another picture: what the finished crop keeps, and what it leaves alone."""

import dataclasses
import itertools

import pytest
import torch
from diffsfsr.evaluation.results.spoiling import masked
from diffsfsr.models.appearance.bands import blur
from diffsfsr.models.appearance.finish import Finisher, Wish, can_finish, detail_of
from diffsfsr.models.appearance.mouth import Mouth
from diffsfsr.models.appearance.photos import PORTRAIT, Appearance, morph, photograph
from diffsfsr.models.appearance.retouch import Retoucher
from diffsfsr.models.appearance.shape import ShapeModel
from diffsfsr.models.appearance.warp import region
from diffsfsr.models.codes import Background, Expression, Identity
from diffsfsr.models.compositing import paste_faces
from diffsfsr.models.cutting import cut_out
from diffsfsr.models.faces.smoothing import smooth_faces
from diffsfsr.models.frames import FRAMES, crop, invert, scale, transform


@pytest.fixture(scope="module")
def finisher(face_mesh) -> Finisher:
    return Finisher(face_mesh, ShapeModel.load(), torch.zeros(51), Mouth.load(), Retoucher.load())


def cut(face_mesh, picture, times=1, face=None) -> Background:
    face = face or face_mesh.find(picture, limit=1)[0]
    one = vars(cut_out(picture[None].__getitem__, [[face]], FRAMES["mini-128"])) | {"index": torch.zeros(1).long()}
    many = {name: value.expand(times, *value.shape[1:]) for name, value in one.items()}
    return Background(pictures=picture[None], **many)


@pytest.fixture(scope="module")
def background(face_mesh, acted) -> Background:
    return cut(face_mesh, acted("P003", 0))


@pytest.fixture(scope="module")
def person(face_mesh, acted) -> Identity:
    picture = acted("P001", 0)
    appearance = photograph([picture], face_mesh.find(picture, limit=1))
    return Identity(torch.ones(1, 4), ("small",), appearances=(appearance,))


def finish(finisher, background, identity=None, expression=None, painted=None, **wish):
    given = painted, background, background.pictures.__getitem__, identity, expression, Wish(**wish)
    return torch.stack(list(finisher(*given)))


def around(background, detail=4):
    return crop(background.pictures, detail * background.matrix, detail * background.crop.shape[-1])


def test_a_photo_is_kept_with_its_points(person, face_mesh):
    (appearance,) = person.appearances
    assert (
        appearance.pictures.shape == (1, 3, PORTRAIT.size, PORTRAIT.size) and appearance.pictures.dtype == torch.uint8
    )
    read = face_mesh.find(appearance.photos[0], limit=1)[0].points
    assert (read[:, :2] - appearance.points[0, :, :2]).norm(dim=-1).mean() < 2  # of 640


def test_a_face_with_its_own_expression_stays_as_it_is(finisher, background):
    result, scene = finish(finisher, background), around(background)
    assert (result - scene).abs().mean() < 0.01 and (result - scene).abs().max() < 0.3


def test_nothing_changes_outside_of_the_mask(finisher, background, person):
    joy = Expression(torch.full((1, 51), 0.1))
    result, scene = finish(finisher, background, person, joy), around(background)
    outside = torch.nn.functional.interpolate(background.mask, scale_factor=4) == 0
    assert torch.equal(result[outside.expand_as(result)], scene[outside.expand_as(scene)])
    inside = ~outside.expand_as(result)
    assert (result - scene)[inside].abs().mean() > 0.03


def test_the_expression_is_seen(finisher, background, person, face_mesh):
    wants = person.appearances[0].blendshapes.clone()
    wants[:, [43, 44]] += 0.6  # mouthSmileLeft, mouthSmileRight
    smile, rest = (
        face_mesh.find(finish(finisher, background, person, Expression(code))[0], limit=1)[0].blendshapes[[43, 44]]
        for code in (wants, person.appearances[0].blendshapes)
    )
    assert (smile - rest).min() > 0.3


def test_the_scenes_light_is_on_the_face(finisher, background, person):
    (own,) = person.appearances
    dark = Appearance((own.pictures.float() * 0.6).to(torch.uint8), own.points, own.blendshapes)
    results = [
        finish(finisher, background, dataclasses.replace(person, appearances=(each,)))[0] for each in (own, dark)
    ]
    face = torch.nn.functional.interpolate(background.mask, scale_factor=4)[0] > 0
    means = [result[face.expand_as(result)].mean() for result in results]
    assert (means[0] - means[1]).abs() < 0.04  # the photos themselves differ by .4


def test_several_faces_are_finished_as_each_alone(finisher, background, person, face_mesh, acted):
    picture = acted("P002", 1)
    other = dataclasses.replace(person, appearances=(photograph([picture], face_mesh.find(picture, limit=1)),))
    both = Identity(torch.ones(2, 4), ("small",), appearances=person.appearances + other.appearances)
    together = finish(finisher, background, both)
    alone = torch.cat([finish(finisher, background, each) for each in (person, other)])
    torch.testing.assert_close(together, alone)


def test_the_painters_crop_fills_a_mouth_that_the_photo_has_shut(finisher, background, person):
    wants = person.appearances[0].blendshapes.clone()
    wants[:, 24] = 0.7  # jawOpen
    painted = background.crop.roll(3, -1).clone()
    painted[:, 1] = 0.9  # unlike any mouth
    plain = finish(finisher, background, person, Expression(wants), painted=background.crop)
    green = finish(finisher, background, person, Expression(wants), painted=painted)
    assert (green - plain).abs().mean() > 1e-3


def test_teeth_of_a_smile_stay_in_a_wider_one_and_go_behind_rounded_lips(finisher, background, face_mesh, acted):
    picture = acted("P009", 1)
    own = photograph([picture], face_mesh.find(picture, limit=1))
    jaw, funnel, pucker, left, right = 24, 28, 37, 43, 44
    smile = own.blendshapes.clone()
    smile[:, jaw] += 0.25
    rounded = smile.clone()
    rounded[:, [left, right]] = 0
    rounded[:, [funnel, pucker]] = 0.6
    place, shares = finisher.place(background, 0, background.pictures.__getitem__, Wish()), []
    for wants in (smile, rounded):
        target = finisher.target(place, finisher.person(own), wants, Wish())
        found = finisher.compose(None, place, own, wants, target, 1.0)
        x, y = target[0, 13, :2].int().tolist()  # middle of the upper lip's lower edge
        shares.append(found.share[0, 0, y + 6, x])
    assert shares[0] > 0.5 and shares[1] < 0.1


def test_more_detail_is_a_larger_crop_of_the_same(finisher, background, person):
    small, large = (finish(finisher, background, person, detail=detail) for detail in (2, 4))
    assert small.shape[-1] == 256 and large.shape[-1] == 512
    shrunk = torch.nn.functional.interpolate(large, size=256, mode="area")
    assert (small - shrunk).abs().mean() < 0.02


def test_a_face_is_as_fine_as_its_picture(finisher, face_mesh, acted, person):
    """Of a picture with more pixels than a crop of 4 would keep it is 1024 pixels wide, and so are all faces there."""
    small, large = cut(face_mesh, acted("P003", 0, 400)), cut(face_mesh, acted("P003", 0, 1800), times=2)
    assert finish(finisher, small, person).shape[-1] == 512
    assert finish(finisher, large, person, detail=4).shape[-1] == 512
    found = finish(finisher, large, person)
    assert found.shape == (2, 3, 1024, 1024) and torch.equal(*found)
    mixed = dataclasses.replace(large, matrix=large.matrix * torch.tensor([1.0, 3.0])[:, None, None])
    assert [detail_of(each, Wish(), 2) for each in (small, large, mixed)] == [4, 8, 8]
    assert detail_of(large, Wish(detail=3), 2) == 3
    assert detail_of(large, Wish(), 9) == 4 and detail_of(large, Wish(detail=8), 9) == 8  # frames of a video


def test_codes_alone_cannot_be_finished(person):
    assert can_finish(None) and can_finish(person)
    assert not can_finish(dataclasses.replace(person, appearances=()))


def test_what_cannot_be_wished_for_is_named():
    with pytest.raises(ValueError, match="got 1.5 for appearance, want 0 to 1"):
        Wish(appearance=1.5)
    with pytest.raises(ValueError, match="got -1 for detail"):
        Wish(detail=-1)


def test_a_morph_lies_between(person, face_mesh, acted):
    picture = acted("P002", 0)
    (first,), second = person.appearances, photograph([picture], face_mesh.find(picture, limit=1))
    assert morph(first, second, 0) is first and morph(first, second, 1) is second
    half = morph(first, second, 0.5)
    torch.testing.assert_close(half.points, (first.points + second.points) / 2)
    read = face_mesh.find(half.photos[0], limit=1)[0].points
    assert (read[:, :2] - half.points[0, :, :2]).norm(dim=-1).mean() < 8


def face_pixels(background, result):
    inner = torch.nn.functional.interpolate(background.mask, scale_factor=4)[0, 0] > 0
    return result[:, inner]


def test_a_grey_scene_gets_a_grey_face(finisher, background, person):
    grey = background.pictures.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    scene = dataclasses.replace(
        background, pictures=grey, crop=background.crop.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    )
    pixels = face_pixels(scene, finish(finisher, scene, person, painted=background.crop)[0])
    assert (pixels - pixels.mean(0)).abs().max() < 2 / 127.5  # one of 255 levels


def test_a_grey_photo_gets_the_scenes_skin(finisher, background, person):
    (own,) = person.appearances
    pale = own.pictures.float().mean(1, keepdim=True).expand(-1, 3, -1, -1).to(torch.uint8)
    grey = dataclasses.replace(person, appearances=(Appearance(pale, own.points, own.blendshapes),))
    before, after = (
        face_pixels(background, x).mean(1) for x in (around(background)[0], finish(finisher, background, grey)[0])
    )
    assert (after[0] - after[2]) > 0.5 * (before[0] - before[2]) > 0  # red over blue


def test_a_mask_over_the_face_is_not_its_light(finisher, background, person):
    blue = torch.tensor([-0.3, 0.1, 0.6])[:, None, None]
    picture, points = background.pictures.clone(), background.points[0]
    back = torch.linalg.inv(torch.cat([background.matrix[0], torch.tensor([[0.0, 0, 1]])]))
    nose, chin, left, right = (
        (back[:2, :2] @ points[i, :2] + back[:2, 2]).round().int().tolist() for i in (4, 152, 132, 361)
    )
    picture[0, :, nose[1] : chin[1], left[0] : right[0]] = blue
    worn = dataclasses.replace(background, pictures=picture)
    plain, covered = (
        finish(finisher, scene, person)[0][:, 300:330, 200:312].mean((1, 2)) for scene in (background, worn)
    )
    assert (covered[0] - covered[2]) > 0.5 * (plain[0] - plain[2])


def test_a_scenes_own_face_keeps_a_mask_and_a_persons_loses_it(finisher, face_mesh, acted):
    picture, nose = acted("P001", 0), 4
    (face,) = face_mesh.find(picture, limit=1)
    own = photograph([masked(picture, face.points[:, :2])], [face])
    trust = []
    for each in (own, dataclasses.replace(own, of_scene=True)):
        points = own.points / 5  # the frame is so much smaller
        _, believed, _ = finisher.selfie(points, own.blendshapes, each, own.blendshapes, PORTRAIT.size // 5)
        x, y = points[0, nose, :2].long().tolist()
        trust.append(believed[0, 0, y, x].item())
    assert trust[0] < 0.05 < 0.5 < trust[1]


def test_a_beard_stays_one(finisher, background, face_mesh, acted):
    """Over a painted chin without it, and on a face that has none, with another expression than the photo's."""
    picture = acted("P005", 0)
    own = photograph([picture], face_mesh.find(picture, limit=1))
    man = Identity(torch.ones(1, 4), ("small",), appearances=(own,))
    smile = own.blendshapes.clone()
    smile[:, [43, 44]] += 0.6
    result = finish(finisher, background, man, Expression(smile), painted=background.crop, retouch=0)
    light = (result[0].mean(0) + 1) / 2
    points = 4 * background.points[0]
    places = {"beard": [194, 418, 200, 421], "cheeks": [50, 280, 117, 346]}
    beard, cheeks = (
        torch.stack([light[y - 6 : y + 6, x - 6 : x + 6].mean() for x, y in points[rows, :2].int().tolist()]).mean()
        for rows in places.values()
    )
    assert beard < 0.6 * cheeks


def on_the_forehead(points):
    """Rows and columns between the hairline and the brows; points (478, 3) pixels"""
    left, right, top, low = *points[[104, 333], 0].int().tolist(), *points[[10, 151], 1].int().tolist()
    return slice(top, low), slice(left, right)


def test_where_the_photo_has_a_fringe_the_scenes_skin_is_seen(finisher, background, person):
    """And not what the painter makes of it."""
    (own,) = person.appearances
    pictures, painted = own.pictures.clone(), background.crop.clone()
    rows, columns = on_the_forehead(own.points[0].round())
    pictures[..., rows.start - 40 : rows.stop, columns] = torch.tensor([40, 28, 20], dtype=torch.uint8)[:, None, None]
    combed = dataclasses.replace(person, appearances=(Appearance(pictures, own.points, own.blendshapes),))
    painted[(..., *on_the_forehead(background.points[0]))] = torch.tensor([0.2, -0.4, -0.8])[:, None, None]
    forehead = (0, slice(None), *on_the_forehead(4 * background.points[0]))
    result = finish(finisher, background, combed, painted=painted, retouch=0)[forehead]
    assert (result - around(background)[forehead]).abs().mean() < 0.1


def test_the_scenes_hair_hangs_over_the_new_forehead(finisher, background, person):
    picture, dark = background.pictures.clone(), torch.tensor([-0.8, -0.85, -0.9])[:, None, None]
    points = transform(background.points[0, :, :2], invert(background.matrix[0]))
    rows, columns = on_the_forehead(points)
    middle, width = (columns.start + columns.stop) // 2, (columns.stop - columns.start) // 4
    picture[0, :, rows.start - 20 : rows.stop, middle - width : middle + width] = dark
    combed = dataclasses.replace(background, pictures=picture)
    crops = finish(finisher, combed, person, painted=background.crop, retouch=0)
    forehead = paste_faces(crops, combed)[0].mean(0)[rows]
    lock = forehead[:-4, middle - width + 4 : middle + width - 4]
    beside = torch.cat([forehead[:-4, : middle - width - 4], forehead[:-4, middle + width + 4 :]], 1)
    beside = beside[:, columns.start : columns.stop - 2 * width - 8]
    assert lock.mean() < -0.7 and beside.mean() > -0.2


@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_a_face_is_as_blurred_as_its_scene(finisher, background, person, sigma):
    scene = dataclasses.replace(background, pictures=blur(background.pictures, sigma))
    given = dict(identity=person, painted=background.crop)
    sharp, soft = finish(finisher, background, **given), finish(finisher, scene, **given)
    inside = region(4 * background.points, 512, "face")[0, 0] > 0.5
    fine = [(x - torch.nn.functional.avg_pool2d(x, 7, 1, 3)).mean(1)[0][inside].std()
            for x in (sharp, around(background), soft, around(scene))]  # fmt: skip
    assert 0.75 < fine[2] / fine[3] < 1.3
    assert fine[0] > 2 * fine[2]


def test_without_retouching_the_face_stays_as_it_was_composed(finisher, background, person):
    given = background, person, Expression(torch.full((1, 51), 0.1))
    idle = Finisher(finisher.mesh, finisher.shape, finisher.neutral, finisher.mouth, Retoucher())
    bare = finish(finisher, *given, painted=background.crop, retouch=0)
    torch.testing.assert_close(bare, finish(idle, *given, painted=background.crop))
    half, whole = (finish(finisher, *given, painted=background.crop, retouch=much) for much in (0.5, 1))
    assert (whole - bare).abs().mean() > 1e-3
    assert (half - (bare + whole) / 2).abs().mean() < 1e-3


FEATURES = [468, 473, 4, 61, 291, 13, 152]  # irises, nose, mouth, chin


def shifts(first, second, places):
    """(P, 2) by how many pixels what is seen around each of the places (P, 2) moves; first, second (3, S, S)."""
    found = []
    for x, y in places.round().int().tolist():
        window = slice(y - 24, y + 24), slice(x - 24, x + 24)
        before, after = (picture.mean(0)[window] for picture in (first, second))
        down, across = torch.gradient((before + after) / 2)
        slopes = torch.stack([across.flatten(), down.flatten()], 1)
        found.append(torch.linalg.lstsq(slopes, (before - after).flatten()[:, None]).solution[:, 0])
    return torch.stack(found)


def test_a_still_face_does_not_tremble_in_a_video(finisher, face_mesh, acted, person):
    picture, noise = acted("P003", 0), torch.Generator().manual_seed(0)
    frames = [picture + 0.03 * torch.randn(picture.shape, generator=noise) for _ in range(9)]
    faces = smooth_faces([face_mesh.find(frame, limit=1) for frame in frames], 2.0)
    scenes = [cut(face_mesh, frames[i], face=faces[i][0]) for i in (3, 4, 5)]
    shown = [paste_faces(finish(finisher, scene, person), scene)[0] for scene in scenes]
    features = transform(scenes[0].points[0, FEATURES, :2], invert(scenes[0].matrix[0]))
    moved = torch.cat([shifts(*pair, features) for pair in itertools.pairwise(shown)])
    assert moved.norm(dim=-1).square().mean().sqrt() * scale(4 * scenes[0].matrix) < 0.3  # pixels of the finished crop


def test_what_a_photo_cuts_off_is_not_taken_from_it(finisher, background, face_mesh, acted):
    """Beyond its border there is nothing; the painter's chin, here the scene's, is taken."""
    picture = acted("P001", 0)
    face = face_mesh.find(picture, limit=1)[0]
    lips, chin = face.points[17, 1], face.points[152, 1]
    photo = picture[:, : int(lips + 0.3 * (chin - lips))]
    cut_off = photograph([photo], face_mesh.find(photo, limit=1))
    result = finish(finisher, background, Identity(torch.ones(1, 4), ("small",), appearances=(cut_off,)))
    x, y = (4 * background.points[0, [199, 200], :2]).round().long().unbind(-1)  # of the chin
    found, there = (each[0].mean(0)[y, x] for each in (result, around(background)))
    assert (found - there).abs().max() < 0.35
