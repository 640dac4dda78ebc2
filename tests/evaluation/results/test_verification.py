import pytest
import torch
import torch.nn.functional as F
from diffsfsr.evaluation.acted import CELLS
from diffsfsr.evaluation.results.verification import (
    best_threshold,
    combine,
    drift,
    fit_shares,
    retrieve,
    true_accepts,
    verify,
)

PEOPLE = [f"person {i // 4}" for i in range(80)]  # twenty people, four photos each


def codes(noise: float, seed: int = 0, size: int = 32) -> torch.Tensor:
    """Photos of PEOPLE: their own direction, and as much of a random one as `noise` says."""
    generator = torch.Generator().manual_seed(seed)
    own = F.normalize(torch.randn(20, size, generator=generator), dim=-1).repeat_interleave(4, 0)
    return F.normalize(own + noise * F.normalize(torch.randn(80, size, generator=generator), dim=-1), dim=-1)


def test_all_pairs_are_told():
    found = verify(codes(0), PEOPLE)
    assert (found.same, found.different) == (20 * 6, 80 * 79 // 2 - 20 * 6)
    assert found.accuracy == found.true_accepts == 1
    chance = verify(F.normalize(torch.randn(80, 32, generator=torch.Generator().manual_seed(1)), dim=-1), PEOPLE)
    assert chance.accuracy == pytest.approx(0.5, abs=0.06) and chance.true_accepts < 0.03
    assert chance.accuracy < verify(codes(1.2), PEOPLE).accuracy < 1


def test_the_order_of_photos_does_not_matter():
    order = torch.randperm(80, generator=torch.Generator().manual_seed(2))
    code = codes(1.0)
    assert verify(code[order], [PEOPLE[i] for i in order]) == verify(code, PEOPLE)


def test_without_pairs_of_both_kinds_there_is_nothing_to_tell():
    with pytest.raises(ValueError, match="got 3 photos of 3 people, want several people with several photos"):
        verify(codes(0)[:3], ["a", "b", "c"])
    with pytest.raises(ValueError, match="got 2 photos of 1 people"):
        verify(codes(0)[:2], ["a", "a"])
    with pytest.raises(ValueError, match="got 2 people, want more: a threshold comes from other people's pairs"):
        verify(codes(0)[:8], PEOPLE[:8])


def test_thresholds():
    cosine, same = torch.tensor([0.9, 0.2, 0.7, 0.5, 0.1]), torch.tensor([True, False, True, False, False])
    assert best_threshold(cosine, same) == pytest.approx(0.6)
    assert true_accepts(cosine, same) == 1
    others = torch.linspace(0, 0.999, 1000)  # one in a thousand lies above .998
    cosine, same = torch.cat([others, torch.tensor([0.9985, 0.9975])]), torch.tensor([False] * 1000 + [True] * 2)
    assert true_accepts(cosine, same) == 0.5 and true_accepts(cosine, same, rate=0.01) == 1


def test_a_compounds_cosine_is_the_weighted_mean_of_its_parts():
    one, other = codes(0.5), codes(0.5, seed=1, size=8)
    both = combine([one, other], [3, 1])
    torch.testing.assert_close(both @ both.T, 0.75 * one @ one.T + 0.25 * other @ other.T)


def test_shares_go_to_the_better_part():
    good, bad = codes(0.8), codes(5, seed=1)
    shares = fit_shares([bad, good], PEOPLE)
    assert sum(shares) == pytest.approx(1) and shares[1] > 0.6
    assert verify(combine([bad, good], shares), PEOPLE).true_accepts >= verify(good, PEOPLE).true_accepts
    assert fit_shares([codes(0), codes(0, seed=1)], PEOPLE) == [0.5, 0.5]  # where both are as good


@pytest.fixture
def acted() -> tuple[torch.Tensor, list[str], list[str]]:
    """Two people: all faces of the first are alike; the second's expressions lie half way to the first."""
    kinds = ["portrait", "selfie", *CELLS]
    anna, ben = torch.eye(2)
    between = F.normalize(anna + ben, dim=-1)
    code = [anna] * 18 + [ben, ben, ben] + [between] * 15
    return torch.stack(code), ["anna"] * 18 + ["ben"] * 18, kinds * 2


def test_retrieval_is_told_for_selfies_and_cells(acted):
    code, people, kinds = acted
    found = retrieve(code, people, kinds)
    assert (found.selfies, found.top1, found.cells) == (1, 19 / 34, 17 / 32)  # of equals the first is taken: anna


def test_drift_is_the_mean_over_people(acted):
    found = drift(*acted)
    assert set(found.words) == set(CELLS[1:]) and found.other == 0
    assert found.words["happy"] == found.mean == pytest.approx((1 + 0.5**0.5) / 2)
    assert found.share == pytest.approx(1 - found.mean)
