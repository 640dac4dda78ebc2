"""Which upper tooth is where: a chart for what paints them, since from the lips alone nobody knows (ours).

Seen from the front, upper teeth get narrower from the middle to the sides in much the same way in all people. So two
numbers tell where all of them are: the middle line between the front teeth, and a front tooth's width. Both are read
where teeth are seen, by the dark gaps between them; else they are the usual ones.

B mouths, cut by mouth.frames(): upright, S x S pixels.
"""

import torch
from torch import Tensor

from ..comparison import correlation
from .bands import blur

# Where the gaps are, from the middle outwards, of a front tooth's width, and after them the last tooth.
GAPS = (0.0, 1.0, 1.74, 2.44, 3.0, 3.44, 3.8, 4.1)
WIDTH = 16.0  # of a front tooth, pixels
ASIDE, ALIKE = 10, (0.78, 1.32)  # pixels that the middle line may be away from the nose's; widths, of the usual
GAP, FINE = 1.5, 4.0  # half width of a gap, and of what it is compared with, pixels
ENOUGH = 200.0  # pixels of teeth that are as good a sign of where they are as is the usual
FAR = 0.3  # of a perfect match, that a middle line ASIDE of the usual has to be better by


def chart(middle: Tensor, width: Tensor, size: int) -> Tensor:
    """Planes (B, 2, S, S): how near a gap between two teeth is, 0 in the middle of a tooth to 1; and which tooth it is.

    middle  (B,) pixels from the left: the line between the front teeth; width (B,) pixels, of one of them
    """
    gaps = middle.new_tensor(GAPS)
    x = torch.arange(size, device=middle.device) + 0.5
    away = ((x - middle[:, None]).abs() / width[:, None]).clamp(max=GAPS[-1] - 1e-3)
    tooth = torch.searchsorted(gaps, away.contiguous(), right=True) - 1
    left, right = gaps[tooth], gaps[tooth + 1]
    near = (2 * (away - left) / (right - left) - 1).abs()
    planes = torch.stack([near, tooth / (len(GAPS) - 2)], 1)
    return planes[:, :, None].expand(-1, -1, size, -1)


def find(mouths: Tensor, seen: Tensor, nose: Tensor) -> tuple[Tensor, Tensor]:
    """Middle line and width of a front tooth, (B,) each, as chart() takes them.

    mouths  (B, 3, S, S) in [-1, 1]
    seen    (B, 1, S, S) 0..1: where teeth may be that the picture shows; where there are none the usual is found
    nose    (B,) pixels from the left: below it is the usual middle line
    """
    light = (mouths + 1).mean(1, keepdim=True) / 2
    usual = blur(light * seen, FINE) / blur(seen, FINE).clamp(min=1e-3)
    lines = ((usual - light) / usual.clamp(min=0.05)).clamp(0, 0.5) * seen
    count = seen.sum((1, 2))  # (B, S) down the columns
    dark = lines.sum((1, 2)) / count.clamp(min=1)
    sure = (count / 4).clamp(max=1)
    steps = mouths.new_tensor(range(-ASIDE, ASIDE + 1))
    widths = WIDTH * torch.linspace(*ALIKE, 19, device=mouths.device)
    x = torch.arange(mouths.shape[-1], device=mouths.device) + 0.5
    away = (x - (nose[:, None] + steps)[..., None]).abs()  # (B, M, S)
    gaps = mouths.new_tensor(GAPS[:6]) * widths[:, None]  # (W, K)
    wanted = torch.exp(-((away[:, :, None, None] - gaps[..., None]) / GAP).square()).amax(3)  # (B, M, W, S)
    match = correlation(wanted, dark[:, None, None], sure[:, None, None])
    trust = (seen.sum((1, 2, 3)) / ENOUGH).clamp(max=1).view(-1, 1, 1)
    match = trust * match - FAR * ((steps / ASIDE).square()[:, None] + (widths / WIDTH).log().square() * 4)
    best = match.flatten(1).argmax(1)
    return nose + steps[best // len(widths)], widths[best % len(widths)]
