"""The chart of the upper teeth: what it says of drawn ones, and of a person's."""

import pytest
import torch
from diffsfsr.models.appearance import teeth
from diffsfsr.models.appearance.mouth import NOSE, SIDE, frames
from diffsfsr.models.appearance.warp import region
from diffsfsr.models.frames import crop, transform_mesh

HAPPY = 1  # cell of an emotion sheet


def drawn(middle: float, width: float) -> tuple[torch.Tensor, torch.Tensor]:
    """White teeth with dark gaps two pixels wide, and where they are."""
    x = torch.arange(SIDE) + 0.5
    gaps = torch.tensor([side * width * gap + middle for gap in teeth.GAPS for side in (-1, 1)])
    near = (x[:, None] - gaps).abs().amin(1) < 1
    seen = torch.zeros(1, 1, SIDE, SIDE)
    seen[..., 65:90, 35:125] = 1
    return torch.where(near, -0.4, 0.6).expand(1, 3, SIDE, -1), seen


@pytest.mark.parametrize(("middle", "width"), [(80.0, 16.0), (75.0, 14.0), (87.0, 19.5)])
def test_drawn_teeth_are_found(middle, width):
    found, wide = teeth.find(*drawn(middle, width), torch.tensor([80.0]))
    assert abs(float(found) - middle) <= 1 and abs(float(wide) - width) <= 0.6


def test_where_no_teeth_are_seen_they_are_the_usual_ones():
    picture, seen = drawn(75.0, 14.0)
    found, wide = teeth.find(picture, seen * 0, torch.tensor([80.0]))
    assert float(found) == 80 and abs(float(wide) - teeth.WIDTH) < 0.6


def test_several_are_as_each_alone():
    one, other = drawn(75.0, 14.0), drawn(84.0, 18.0)
    both = teeth.find(*(torch.cat(pair) for pair in zip(one, other, strict=True)), torch.tensor([80.0, 82.0]))
    for i, (each, nose) in enumerate(((one, 80.0), (other, 82.0))):
        alone = teeth.find(*each, torch.tensor([nose]))
        assert [float(x[i]) for x in both] == pytest.approx([float(x) for x in alone])


def test_a_chart_has_its_gaps_where_it_is_told():
    near, tooth = teeth.chart(torch.tensor([80.0]), torch.tensor([16.0]), SIDE)[0]
    assert near.shape == tooth.shape == (SIDE, SIDE) and (near[0] == near[-1]).all()
    row = near[0]
    gaps = [80 - 16, 80, 80 + 16, round(80 + 16 * teeth.GAPS[2])]
    assert all(row[gap - 1 : gap + 1].max() > 0.85 for gap in gaps)  # the two pixels at each side of it
    assert row[80 + 7 : 80 + 9].max() < 0.15  # the middle of a front tooth
    assert torch.equal(tooth[0, 66:94], torch.zeros(28)) and (tooth[0].diff()[80:] >= 0).all()
    torch.testing.assert_close(near, near.flip(-1))  # both sides are alike


def test_a_persons_own_front_teeth_are_found(face_mesh, acted):
    """The line between P009's front teeth, as it is seen in the picture: the darkest column between them."""
    picture = acted("P009", HAPPY, 512)
    points = face_mesh.find(picture, limit=1)[0].points[None]
    matrix = frames(points)
    mouth, points = crop(picture[None], matrix, SIDE), transform_mesh(points, matrix)
    middle, width = teeth.find(mouth, region(points, SIDE, "mouth"), points[:, NOSE, 0])
    assert abs(float(middle - points[0, NOSE, 0])) < 8 and 13 < float(width) < 20
