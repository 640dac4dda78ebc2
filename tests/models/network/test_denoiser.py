import pytest
import torch
from diffsfsr.models.conditions import Conditioner
from diffsfsr.models.network.denoiser import Denoiser, shrink_mask


@pytest.fixture
def inputs(generator, tiny):
    def normal(*shape):
        return torch.randn(shape, generator=generator)

    return {
        "z": normal(3, 4, 8, 8), "t": torch.tensor([3, 500, 999]), "tokens": normal(3, 7, tiny.context),
        "mask": (normal(3, 1, 8, 8) > 0).float(), "background": normal(3, 4, 8, 8),
    }  # fmt: skip


@pytest.fixture(scope="module")
def trained(tiny):
    """A denoiser and a conditioner after one step of training on noise."""
    torch.manual_seed(0)
    denoiser, conditioner = Denoiser(tiny), Conditioner(tiny)
    optimiser = torch.optim.Adam([*denoiser.parameters(), *conditioner.parameters()], lr=1e-2)
    tokens = conditioner(torch.randn(4, 16), torch.randn(4, 51), torch.randn(4, 3), torch.ones(4, 3, dtype=torch.bool))
    answer = denoiser(
        torch.randn(4, 4, 8, 8), torch.full((4,), 300), tokens, torch.ones(4, 1, 8, 8), torch.randn(4, 4, 8, 8)
    )
    (answer - torch.randn(4, 4, 8, 8)).square().mean().backward()
    optimiser.step()
    return denoiser.eval().requires_grad_(False), conditioner.eval().requires_grad_(False)


def test_a_fresh_denoiser_answers_exactly_zero(tiny, inputs):
    answer = Denoiser(tiny)(**inputs)
    assert answer.shape == inputs["z"].shape and not answer.any()


def test_channels_are_in_the_hosts_order_for_inpainting(tiny):
    assert Denoiser(tiny).unet.conv_in.in_channels == 4 + 1 + 4


def test_a_batch_is_its_single_pictures(trained, inputs):
    together = trained[0](**inputs)
    assert together.abs().max() > 0.01
    for i in range(3):
        alone = trained[0](**{name: value[i : i + 1] for name, value in inputs.items()})
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["z", "t", "tokens", "mask", "background"])
def test_every_input_counts_after_one_step(trained, inputs, name):
    changed = inputs | {name: 1 - inputs["mask"] if name == "mask" else inputs[name].roll(1, 0)}
    assert (trained[0](**changed) - trained[0](**inputs)).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["identity", "expression", "pose"])
def test_every_condition_counts_after_one_step(trained, inputs, generator, name):
    denoiser, conditioner = trained
    codes = {
        key: torch.randn(3, n, generator=generator) for key, n in (("identity", 16), ("expression", 51), ("pose", 3))
    }

    def answer(codes):
        tokens = conditioner(**codes, keep=torch.ones(3, 3, dtype=torch.bool))
        return denoiser(**(inputs | {"tokens": tokens}))

    assert (answer(codes | {name: codes[name].roll(1, 0)}) - answer(codes)).abs().max() > 1e-5


def test_mask_shrinks_as_in_the_host(generator):
    """Bilinear, without a filter, reads the four pixels in the middle of each 8x8; halves are rounded to even, 0."""
    mask = (torch.rand(2, 1, 64, 64, generator=generator) > 0.5).float()
    blocks = mask.unflatten(2, (8, 8)).unflatten(4, (8, 8))  # (2, 1, 8, 8 rows, 8, 8 columns)
    middle = blocks[:, :, :, 3:5, :, 3:5].sum((3, 5))
    assert torch.equal(shrink_mask(mask), (middle > 2).float())
    assert {0, 1, 2, 3, 4} == set(middle.flatten().long().tolist())  # every case was there
