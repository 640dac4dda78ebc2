import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.codes import Background
from diffsfsr.models.compositing import paste_faces
from diffsfsr.models.frames import crop

SIZE = 32  # side of the crops, which lie unscaled at whole pixels, so that cutting and pasting are exact


def smooth(height: int, width: int, seed: int) -> torch.Tensor:
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) * 1.4 - 0.7
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(-1, 1)


def disc(radius: float = 10) -> torch.Tensor:
    at = torch.arange(SIZE) + 0.5 - SIZE / 2
    return ((at[:, None] ** 2 + at**2) < radius**2).float()[None, None]


def scene(*corners: tuple[int, int], pictures: int = 1, of: tuple[int, ...] = ()) -> Background:
    """Faces whose crops have their top left corners at (x, y) in pictures of 80x60; `of`: the picture of each face."""
    n = len(corners)
    matrix = torch.stack([torch.tensor([[1.0, 0, -x], [0, 1, -y]]) for x, y in corners])
    index = torch.tensor(of or [0] * n)
    canvases = torch.cat([smooth(60, 80, i) for i in range(pictures)])
    return Background(
        pictures=canvases, index=index, crop=crop(canvases[index], matrix, SIZE), mask=disc().expand(n, 1, SIZE, SIZE),
        pose=torch.zeros(n, 3), matrix=matrix, points=torch.zeros(n, 478, 3), blendshapes=torch.zeros(n, 51),
    )  # fmt: skip


def regions(background: Background) -> torch.Tensor:
    """(N, 1, 60, 80) bool: where in its picture each face may be drawn."""
    found = torch.zeros(len(background.index), 1, 60, 80, dtype=torch.bool)
    for region, mask, matrix in zip(found, background.mask, background.matrix, strict=True):
        left, top = (-matrix[:, 2]).int().tolist()
        mask = mask.bool()[:, max(0, -top) :, max(0, -left) :]
        region[:, max(0, top) : top + SIZE, max(0, left) : left + SIZE] = mask[
            :, : 60 - max(0, top), : 80 - max(0, left)
        ]
    return found


@pytest.mark.parametrize("k", [1, 2])
def test_outside_of_the_mask_nothing_changes_bit_for_bit(k):
    background = scene((20, 10))
    result = paste_faces(smooth(k * SIZE, k * SIZE, seed=9)[None, 0], background)
    region = regions(background).expand(-1, 3, -1, -1)
    assert result.shape == background.pictures.shape
    assert torch.equal(result[~region], background.pictures[~region])
    assert (result != background.pictures)[region].float().mean() > 0.9


def test_a_face_pasted_over_itself_changes_nothing():
    background = scene((20, 10))
    torch.testing.assert_close(paste_faces(background.crop, background), background.pictures, atol=1e-5, rtol=0)


def test_the_middle_of_the_face_is_the_crops():
    background = scene((20, 10))
    new = background.crop.clone()
    new[:, :, 10:22, 10:22] = 0.6  # inside the mask only: around it, the colours agree
    result = paste_faces(new, background)
    torch.testing.assert_close(result[:, :, 24:28, 34:38], torch.full((1, 3, 4, 4), 0.6), atol=1e-4, rtol=0)


def test_colours_are_matched_to_the_surroundings():
    background = scene((20, 10))
    tinted = background.crop * 0.9 + torch.tensor([0.1, 0.0, -0.1]).view(1, 3, 1, 1)
    torch.testing.assert_close(paste_faces(tinted, background), background.pictures, atol=5e-3, rtol=0)


def test_faces_of_one_picture_share_one_result():
    background = scene((2, 5), (45, 20))
    result = paste_faces(-background.crop, background)
    assert result.shape == (1, 3, 60, 80)
    first, second = regions(background).expand(-1, 3, -1, -1)
    changed = (result != background.pictures)[0]
    assert changed[first].float().mean() > 0.9 and changed[second].float().mean() > 0.9
    assert not changed[~(first | second)].any()


def test_each_picture_has_its_own_result_in_order():
    background = scene((2, 5), (30, 20), (45, 20), pictures=2, of=(0, 1, 1))
    result = paste_faces(-background.crop, background)
    assert result.shape == (2, 3, 60, 80)
    first, second, third = regions(background).expand(-1, 3, -1, -1)
    changed = result != background.pictures
    assert changed[0][first].any() and not changed[0][~first].any()
    assert changed[1][second].any() and changed[1][third].any() and not changed[1][~(second | third)].any()


def test_a_batch_of_crops_on_one_face_gives_one_result_each():
    background = scene((20, 10))
    crops = torch.cat([smooth(SIZE, SIZE, seed) for seed in (7, 8, 9)])
    result = paste_faces(crops, background)
    assert result.shape == (3, 3, 60, 80)
    for i in range(3):
        assert torch.equal(result[i : i + 1], paste_faces(crops[i : i + 1], background))
    assert not torch.equal(result[0], result[1])


@pytest.mark.parametrize("count", [1, 3])
def test_crops_must_be_as_many_as_faces(count):
    with pytest.raises(ValueError, match=f"got {count} for a background with 2 faces"):
        paste_faces(torch.zeros(count, 3, SIZE, SIZE), scene((2, 5), (45, 20)))


def test_what_is_drawn_beyond_the_picture_does_not_count():
    background = scene((-10, 10))
    new = -background.crop
    beyond = new.clone()
    beyond[..., :10] = 0.9
    assert torch.equal(paste_faces(new, background), paste_faces(beyond, background))
