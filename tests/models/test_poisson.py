"""Poisson blending: what it takes back, what it leaves alone, and where a face is cut off."""

import sys

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.codes import Background
from diffsfsr.models.compositing import paste_faces
from diffsfsr.models.frames import crop
from diffsfsr.models.poisson import blended, seamless

SIZE = 64  # side of the crops, which lie unscaled at whole pixels
STEP = 2 / 255  # of the bytes that OpenCV works on


def smooth(height: int, width: int, seed: int) -> torch.Tensor:
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) - 0.5
    return F.interpolate(coarse, size=(height, width), mode="bicubic")


def disc(radius: float = 24) -> torch.Tensor:
    at = torch.arange(SIZE) + 0.5 - SIZE / 2
    return ((at[:, None] ** 2 + at**2) < radius**2).float()[None, None]


def scene(*corners: tuple[int, int], of: tuple[int, ...] = (), mask: torch.Tensor | None = None) -> Background:
    """Faces whose crops have their top left corners at (x, y) in pictures of 160 x 100; `of`: the picture of each."""
    n, index = len(corners), torch.tensor(of or [0] * len(corners))
    matrix = torch.stack([torch.tensor([[1.0, 0, -x], [0, 1, -y]]) for x, y in corners])
    pictures = torch.cat([smooth(100, 160, seed) for seed in range(int(index.max()) + 1)])
    return Background(
        pictures=pictures, index=index, crop=crop(pictures[index], matrix, SIZE),
        mask=(disc() if mask is None else mask).expand(n, 1, SIZE, SIZE), pose=torch.zeros(n, 3), matrix=matrix,
        points=torch.zeros(n, 478, 3), blendshapes=torch.zeros(n, 51),
    )  # fmt: skip


def slope() -> torch.Tensor:
    """(1, 3, SIZE, SIZE): a tint that goes from one side to the other, each colour its own way."""
    across = torch.linspace(-0.4, 0.4, SIZE).expand(SIZE, SIZE)
    return torch.stack([across, -across, across.T])[None]


def test_a_tint_that_differs_from_side_to_side_is_taken_back():
    background = scene((48, 18))
    tinted = background.crop + slope()
    feathered, joined = (
        (paste_faces(tinted, background, blend) - background.pictures).abs().max() for blend in ("feather", "poisson")
    )
    assert joined < 3 * STEP < 0.2 < feathered


def test_once_is_not_enough_and_more_than_twice_changes_nothing():
    background = scene((48, 18))
    left, inner, new = [], disc(18)[0], (background.crop + slope())[0]
    for _ in range(4):
        new = seamless(new, background.crop[0], disc()[0] > 0)
        left.append(float(((new - background.crop[0]) * inner).abs().max()))
    assert left[0] > 4 * STEP > 3 * STEP > left[1] and abs(left[1] - left[3]) < STEP


def test_the_face_keeps_its_own_lines():
    background = scene((48, 18))
    marked = background.crop.clone()
    marked[..., 28:36, 28:36] += 0.5
    change = paste_faces(marked + slope(), background, "poisson") - background.pictures
    torch.testing.assert_close(change[..., 48:52, 78:82], torch.full((1, 3, 4, 4), 0.5), atol=4 * STEP, rtol=0)


@pytest.mark.parametrize("k", [1, 2.5, 10])
def test_outside_of_the_mask_nothing_changes_bit_for_bit(k):
    background = scene((48, 18))
    result = paste_faces(smooth(round(k * SIZE), round(k * SIZE), seed=9), background, "poisson")
    region = F.pad(disc(), (48, 160 - 48 - SIZE, 18, 100 - 18 - SIZE)).expand(1, 3, -1, -1)
    near, region = F.max_pool2d(region, 3, stride=1, padding=1) > 0, region > 0
    assert torch.equal(result[~near], background.pictures[~near])
    assert (result != background.pictures)[region].float().mean() > 0.9


def test_faces_and_pictures_of_a_batch_are_what_each_is_alone():
    background = scene((2, 5), (90, 30), (50, 20), of=(0, 0, 1))
    crops = torch.cat([smooth(SIZE, SIZE, seed) for seed in (7, 8, 9)])
    result = paste_faces(crops, background, "poisson")
    assert result.shape == (2, 3, 100, 160)
    for i, (x, y, picture) in enumerate([(2, 5, 0), (90, 30, 0), (50, 20, 1)]):
        alone = scene((x, y), of=(picture,))
        where = (..., slice(y, y + SIZE), slice(x, x + SIZE))
        assert torch.equal(result[picture][where], paste_faces(crops[i : i + 1], alone, "poisson")[0][where])
    each = paste_faces(crops, scene((50, 20)), "poisson")  # of one face, any number of crops
    assert len(each) == 3 and torch.equal(each[2:], paste_faces(crops[2:], scene((50, 20)), "poisson"))


@pytest.mark.parametrize("corner", [(-30, 18), (48, 66), (127, 67)])
@pytest.mark.parametrize("mask", [disc(), torch.ones(1, 1, SIZE, SIZE)])
def test_a_face_at_the_pictures_border(corner, mask):
    """Nothing is known beyond the border; the face neither turns black there, nor does what is drawn there matter."""
    background = scene(corner, mask=mask)
    crops = crop(background.pictures, background.matrix, SIZE, repeat=True)
    result = paste_faces(crops + 0.3, background, "poisson")
    assert (result - background.pictures).abs().max() < 3 * STEP  # one tint is known from the part that is seen
    there = crop(torch.ones(1, 3, 100, 160), background.matrix, SIZE) > 0
    beyond = torch.where(there, crops + 0.3, 0.6)
    again = paste_faces(beyond, background, "poisson")
    assert (again - result).abs().max() < 0.1


def test_masks_without_and_of_few_pixels():
    for mask in (torch.zeros(1, 1, SIZE, SIZE), disc(1), 0.4 * disc()):
        background = scene((48, 18), mask=mask)
        result = paste_faces(background.crop + slope(), background, "poisson")
        assert (result - background.pictures).abs().max() < 0.05, mask.sum()


def test_other_blends_are_refused_and_the_default_is_feather():
    background = scene((48, 18))
    assert torch.equal(paste_faces(-background.crop, background), paste_faces(-background.crop, background, "feather"))
    with pytest.raises(ValueError, match='got blend "laplacian", want one of feather, poisson'):
        paste_faces(background.crop, background, "laplacian")


def test_without_opencv_an_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)  # as if it were not installed
    background = scene((48, 18))
    with pytest.raises(ValueError, match="needs OpenCV .*-m pip install opencv-python-headless.*or blend by feather"):
        blended(background.crop[0], background.pictures[0], background.matrix[0], background.mask[0])
    paste_faces(background.crop, background)
