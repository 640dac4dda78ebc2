import pytest
import torch
from diffsfsr.models.appearance.topology import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, mirror
from diffsfsr.models.appearance.warp import region, warp, warp_photos
from diffsfsr.models.frames import pixel_centres

SIZE = 256
RADIUS = 36.0  # of the iris, pixels; it lies in the picture's middle
SKIN, WHITE, IRIS, PUPIL = (0.2, -0.1, -0.2), (0.6, 0.6, 0.5), (-0.3, -0.5, -0.7), (-0.9, -0.9, -0.9)
LIGHT = (0.5, -0.2)  # where the catch-light is, and how far it reaches, radii
REACH = 0.2


@pytest.fixture(scope="module")
def near(face) -> torch.Tensor:
    """(1, 478, 3) the left eye seen from near by."""
    centre, rim = face[:, LEFT_IRIS[:1]], face[:, LEFT_IRIS[1:], :2]
    near = (face - centre) * (RADIUS / (rim - centre[..., :2]).norm(dim=-1).mean())
    return near + torch.tensor([SIZE / 2, SIZE / 2, 0.0])


def open_lids(points: torch.Tensor, up: float, down: float) -> torch.Tensor:
    """Lids so many radii above and below the iris's middle, and less towards the corners."""
    points = points.clone()
    for eye, iris in ((LEFT_EYE, 468), (RIGHT_EYE, 473)):
        left, right = points[0, eye[0][0], 0], points[0, eye[0][-1], 0]
        for edge, height in zip(eye, (-up, down), strict=True):
            bend = 1 - (2 * (points[0, edge[1:-1], 0] - left) / (right - left) - 1) ** 2
            points[0, edge[1:-1], 1] = points[0, iris, 1] + height * RADIUS * bend
    return points


def radii() -> torch.Tensor:
    """(SIZE, SIZE, 2) from the iris's middle."""
    return (pixel_centres(SIZE, SIZE, torch.zeros(1)) - SIZE / 2) / RADIUS


def photo_of(points: torch.Tensor) -> torch.Tensor:
    """(1, 3, SIZE, SIZE) an eye with a catch-light, between its lids."""
    away, colour = radii(), torch.tensor
    picture = colour(WHITE)[:, None, None].expand(3, SIZE, SIZE)
    for shade, reach in ((IRIS, 1.0), (PUPIL, 0.35)):
        picture = torch.where(away.norm(dim=-1) < reach, colour(shade)[:, None, None], picture)
    picture = torch.where((away - colour(LIGHT)).norm(dim=-1) < REACH, 1.0, picture)
    return torch.lerp(colour(SKIN)[:, None, None], picture, region(points, SIZE, "eyes"))


def opened(near: torch.Tensor, up: float = 1.6, down: float = 1.4) -> torch.Tensor:
    squint = open_lids(near, 0.7, 0.5)
    return warp(photo_of(squint), squint, open_lids(near, up, down), SIZE).picture


def test_what_lids_hide_of_an_eye_has_its_colours_and_the_catch_light_stays_one_spot(near):
    found, away = opened(near)[0], radii()
    far, height, width = away.norm(dim=-1), away[..., 1], away[..., 0].abs()
    iris = far < 0.9
    lit = (away - torch.tensor(LIGHT)).norm(dim=-1) < REACH + 0.1
    assert found[:, iris & ~lit].amax() < max(IRIS) + 0.05
    hidden = (height < -0.85) | (height > 0.65)
    inside = iris & (far > 0.45) & hidden & (height > -0.9)
    assert inside.sum() > 100
    assert (found[:, inside] - torch.tensor(IRIS)[:, None]).abs().max() < 0.06
    white = (far > 1.2) & (width < 1) & (height > -0.8) & (height < 1)
    assert white.sum() > 100 and found[:, white].min() > 0.25
    under_the_lid = found[:, (height < -1.25) & (height > -1.3) & (width < 0.1)].mean()
    assert 0.2 < under_the_lid < found[:, white].mean() - 0.05


def test_what_the_photo_shows_of_an_eye_stays(near):
    squint, away = open_lids(near, 0.7, 0.5), radii()
    seen = (away[..., 1] > -0.3) & (away[..., 1] < 0.1) & (away[..., 0].abs() < 0.7)
    assert (opened(near) - photo_of(squint))[0][:, seen].abs().max() < 2 / 255
    wide = open_lids(near, 1.5, 1.4)
    inside = region(wide, SIZE, "eyes")[0, 0] > 0.99
    for target in (wide, open_lids(near, 0.6, 0.4)):  # as in the photo, and nearly shut
        between = inside & (region(target, SIZE, "eyes")[0, 0] > 0.99) & (away[..., 0].abs() < 1)
        changed = warp(photo_of(wide), wide, target, SIZE).picture - photo_of(wide)
        assert changed[0][:, between].abs().max() < 2 / 255


def test_eyes_change_evenly_as_lids_move(near):
    away, step = radii(), 0.02
    looked_at = away.norm(dim=-1) < 0.6
    for up in (0.68, 0.9, 1.2):  # the target's lids
        change = opened(near, up=up + step) - opened(near, up=up)
        between = looked_at & (away[..., 1] > -up + 0.1)
        assert change[0][:, between].abs().max() < 0.2
    target = open_lids(near, 1.6, 1.4)
    photo = photo_of(open_lids(near, 0.7, 0.5))
    for up in (0.2, 0.45, 0.7):  # the photo's, as they are read
        pictures = [warp(photo, open_lids(near, u, 0.5), target, SIZE).picture[0] for u in (up, up + step)]
        assert (pictures[1] - pictures[0])[:, looked_at].abs().max() < 0.45


def test_an_eye_from_the_mirror_image_is_that_of_the_mirrored_photo(near):
    squint = open_lids(near, 0.7, 0.5)
    squint[:, list(RIGHT_EYE[0]), 1] = squint[:, list(RIGHT_EYE[1]), 1]  # the other eye is shut
    photo, target = photo_of(squint), open_lids(near, 1.6, 1.4)
    target = target + target.new_tensor([SIZE / 2 - target[0, 473, 0], 0, 0])  # and is the one looked at
    points = squint[:, mirror()]
    points = torch.cat([SIZE - points[..., :1], points[..., 1:]], -1)
    alone = warp(photo.flip(-1), points, target, SIZE)
    both = warp_photos(photo, squint, target[:, None], SIZE)
    inside = radii().norm(dim=-1) < 1.2
    assert alone.trust[0, 0][inside].min() > 0.5
    torch.testing.assert_close(both.picture[0][:, inside], alone.picture[0][:, inside], atol=1e-3, rtol=0)
