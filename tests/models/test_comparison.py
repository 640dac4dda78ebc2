import torch
from diffsfsr.models.comparison import correlation


def test_correlations_are_those_of_each_row():
    a, b = torch.rand(2, 5, 9, generator=torch.Generator().manual_seed(0))
    each = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(a, b, strict=True)]
    torch.testing.assert_close(correlation(a, b), torch.stack(each))
    assert correlation(a[0], -2 * a[0] + 3) < -0.999 and correlation(a[0], torch.full((9,), 0.3)).abs() < 1e-3


def test_a_weight_counts_a_place_as_often():
    a, b = torch.rand(2, 9, generator=torch.Generator().manual_seed(1))
    often = torch.tensor([1, 2, 0, 3, 1, 1, 0, 2, 1])
    found = correlation(a, b, often.float())
    torch.testing.assert_close(found, correlation(a.repeat_interleave(often), b.repeat_interleave(often)))
