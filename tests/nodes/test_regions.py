"""What is painted anew: in which frame a mask lies, how it is grown, and where it lies in the picture."""

import pytest
import torch
from diffsfsr.models.frames import invert, transform

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def extract(run, diffsfsr):
    def extract(image, **more):
        inputs = {"image": image, "face": "largest", "face_number": 0} | more
        return run("DiffSFSRExtractBackground", diffsfsr=diffsfsr, **inputs)

    return extract


def test_the_pictures_mask_lies_where_the_crops_lies_in_the_picture(extract, people):
    couple = torch.cat([people(2), people(3)], 2)
    scene, _, masks, picture = extract(couple, face="all")
    assert picture.shape == couple.shape[:3] and len(masks) == 2
    for mask, matrix in zip(masks, scene.matrix, strict=True):
        inside = mask.nonzero().flip(1).float()  # x, y
        x, y = transform(inside[None].mean(1, keepdim=True) + 0.5, invert(matrix)[None])[0, 0].long().tolist()
        assert picture[0, y, x] == 1
        area = mask.sum() / (matrix[:, :2].det().abs())
        half = (
            picture[0, :, : couple.shape[2] // 2] if x < couple.shape[2] // 2 else picture[0, :, couple.shape[2] // 2 :]
        )
        assert half.sum().item() == pytest.approx(area.item(), rel=0.02)
    back = extract(couple, face="all", mask=picture)[2]  # once more through the picture: the border alone may differ
    assert (back != masks).float().mean() < 0.02


def test_a_mask_of_the_crops_size_is_understood_in_the_crop(extract, people):
    image = people(2)
    mask = extract(image)[2]
    again = extract(image, mask=mask)
    assert torch.equal(again[2], mask)
    wide = torch.cat([people(2), people(3)], 2)
    both = extract(wide, face="all")[2]
    assert torch.equal(extract(wide, face="all", mask=both.repeat_interleave(2, 1).repeat_interleave(2, 2))[2], both)
    with pytest.raises(ValueError, match="got 3 masks of the crop's size for 2 faces"):
        extract(wide, face="all", mask=mask.expand(3, -1, -1))


def test_a_mask_that_fits_neither_is_refused(extract, people):
    with pytest.raises(ValueError, match="got a mask of 200x100 pixels, want one of the picture's .* or of the crop's"):
        extract(people(2), mask=torch.ones(1, 100, 200))


def test_a_square_picture_keeps_masks_of_its_own_at_any_size(extract, people):
    image = people(2)
    side = min(image.shape[1:3])
    square = image[:, :side, (image.shape[2] - side) // 2 :][:, :, :side]
    mask = torch.zeros(1, side, side)
    mask[:, :, : side // 2] = 1
    whole = extract(square, mask=mask)[2]
    half = extract(square, mask=mask[:, ::2, ::2])[2]
    assert (whole != half).float().mean() < 0.05


@pytest.mark.parametrize("pixels", [5, -5])
def test_grow_moves_the_border_by_so_many_pixels_of_the_crop(host, pixels):
    disc = ((torch.arange(128)[:, None] - 64) ** 2 + (torch.arange(128) - 64) ** 2 <= 40**2).float()[None, None]
    grown = host.part("nodes.regions").grown(disc, pixels)
    assert set(grown.unique().tolist()) == {0, 1}
    radius = (grown.sum() / torch.pi).sqrt().item()
    assert radius == pytest.approx(40 + pixels, abs=0.6)


def test_grow_on_the_node(extract, people):
    image = people(2)
    masks = {grow: extract(image, grow=grow)[2] for grow in (-6, 0, 6)}
    assert (masks[-6] <= masks[0]).all() and (masks[0] <= masks[6]).all()
    assert masks[-6].sum() < masks[0].sum() < masks[6].sum()
    with pytest.raises(ValueError, match="nothing is left of a mask"):
        extract(image, grow=-64)
