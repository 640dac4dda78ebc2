import dataclasses

import pytest
import torch
from diffsfsr.models.conditions import Conditioner, Conditions
from diffsfsr.models.network.config import PLANES
from diffsfsr.models.network.denoiser import Denoiser, shrink_mask, shrink_plane, widen


@pytest.fixture
def inputs(generator, tiny):
    def normal(*shape):
        return torch.randn(shape, generator=generator)

    return {
        "z": normal(3, 4, 8, 8), "t": torch.tensor([3, 500, 999]), "tokens": normal(3, 7, tiny.context),
        "mask": (normal(3, 1, 8, 8) > 0).float(), "background": normal(3, 4, 8, 8),
    }  # fmt: skip


def answer_of(denoiser: Denoiser, z, t, tokens, **planes) -> torch.Tensor:
    return denoiser(z, t, Conditions(tokens, planes))


@pytest.fixture(scope="module")
def trained(tiny):
    """A denoiser and a conditioner after one step of training on noise."""
    torch.manual_seed(0)
    denoiser, conditioner = Denoiser(tiny), Conditioner(tiny)
    optimiser = torch.optim.Adam([*denoiser.parameters(), *conditioner.parameters()], lr=1e-2)
    tokens = conditioner(torch.randn(4, 16), torch.randn(4, 51), torch.randn(4, 3), torch.ones(4, 3, dtype=torch.bool))
    planes = {"mask": torch.ones(4, 1, 8, 8), "background": torch.randn(4, 4, 8, 8)}
    answer = denoiser(torch.randn(4, 4, 8, 8), torch.full((4,), 300), Conditions(tokens, planes))
    (answer - torch.randn(4, 4, 8, 8)).square().mean().backward()
    optimiser.step()
    return denoiser.eval().requires_grad_(False), conditioner.eval().requires_grad_(False)


def test_a_fresh_denoiser_answers_exactly_zero(tiny, inputs):
    answer = answer_of(Denoiser(tiny), **inputs)
    assert answer.shape == inputs["z"].shape and not answer.any()


def test_channels_are_in_the_hosts_order_for_inpainting(tiny):
    seen, denoiser = [], Denoiser(tiny)
    denoiser.unet.conv_in.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    z, mask, background = (torch.full((1, n, 8, 8), float(i)) for i, n in enumerate((4, 1, 4)))
    answer_of(denoiser, z, torch.tensor([5]), torch.zeros(1, 7, tiny.context), background=background, mask=mask)
    assert denoiser.unet.conv_in.in_channels == 4 + 1 + 4
    assert seen[0][0, :, 3, 3].tolist() == 4 * [0] + [1] + 4 * [2]


def test_new_planes_count_nothing_until_they_are_trained(tiny, trained, inputs, generator):
    """Whatever is in them, in whatever order: a wider network answers as the one that it was made from."""
    config = dataclasses.replace(tiny, planes=("selfie", "background", "trust", "mask"))
    wider, before = Denoiser(config), trained[0].unet.state_dict()
    assert set(config.planes) == set(PLANES) and config.inputs == 4 + 4 + 4 + 1 + 1
    wider.unet.load_state_dict(before | {"conv_in.weight": widen(before["conv_in.weight"], tiny, config)})
    more = {"selfie": torch.randn(3, 4, 8, 8, generator=generator), "trust": torch.rand(3, 1, 8, 8)}
    torch.testing.assert_close(answer_of(wider, **inputs, **more), answer_of(trained[0], **inputs))
    back = widen(wider.unet.conv_in.weight, config, tiny)
    assert torch.equal(back, before["conv_in.weight"])


def test_planes_that_the_network_does_not_know_or_that_are_missing_are_refused(tiny, inputs):
    mask = inputs.pop("mask")
    with pytest.raises(ValueError, match="got the planes background, want mask, background"):
        answer_of(Denoiser(tiny), **inputs)
    with pytest.raises(ValueError, match="got the planes background, mask, trust, want mask, background"):
        answer_of(Denoiser(tiny), **inputs, mask=mask, trust=mask)


def test_planes_of_one_channel_are_shrunk_masks_to_0_or_1_others_to_their_mean(generator):
    plane = torch.rand(2, 1, 32, 32, generator=generator)
    assert set(shrink_plane("mask", plane).unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(shrink_plane("trust", plane)[1, 0, 2, 1], plane[1, 0, 16:24, 8:16].mean())


def test_a_batch_is_its_single_pictures(trained, inputs):
    together = answer_of(trained[0], **inputs)
    assert together.abs().max() > 0.01
    for i in range(3):
        alone = answer_of(trained[0], **{name: value[i : i + 1] for name, value in inputs.items()})
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["z", "t", "tokens", "mask", "background"])
def test_every_input_counts_after_one_step(trained, inputs, name):
    changed = inputs | {name: 1 - inputs["mask"] if name == "mask" else inputs[name].roll(1, 0)}
    assert (answer_of(trained[0], **changed) - answer_of(trained[0], **inputs)).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["identity", "expression", "pose"])
def test_every_condition_counts_after_one_step(trained, inputs, generator, name):
    denoiser, conditioner = trained
    codes = {
        key: torch.randn(3, n, generator=generator) for key, n in (("identity", 16), ("expression", 51), ("pose", 3))
    }

    def answer(codes):
        tokens = conditioner(**codes, keep=torch.ones(3, 3, dtype=torch.bool))
        return answer_of(denoiser, **(inputs | {"tokens": tokens}))

    assert (answer(codes | {name: codes[name].roll(1, 0)}) - answer(codes)).abs().max() > 1e-5


def test_mask_shrinks_as_in_the_host(generator):
    """Bilinear, without a filter, reads the four pixels in the middle of each 8x8; halves are rounded to even, 0."""
    mask = (torch.rand(2, 1, 64, 64, generator=generator) > 0.5).float()
    blocks = mask.unflatten(2, (8, 8)).unflatten(4, (8, 8))  # (2, 1, 8, 8 rows, 8, 8 columns)
    middle = blocks[:, :, :, 3:5, :, 3:5].sum((3, 5))
    assert torch.equal(shrink_mask(mask), (middle > 2).float())
    assert {0, 1, 2, 3, 4} == set(middle.flatten().long().tolist())  # every case was there
