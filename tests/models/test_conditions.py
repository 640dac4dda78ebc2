import dataclasses

import pytest
import torch
from diffsfsr.models.conditions import Conditioner

KEEP_ALL = (True, True, True)


@pytest.fixture
def conditioner(tiny) -> Conditioner:
    torch.manual_seed(0)
    return Conditioner(tiny).eval()


@pytest.fixture
def codes(generator):
    """Identity (2, 16), expression (2, 51) and pose (2, 3)."""
    identity = torch.nn.functional.normalize(torch.randn(2, 16, generator=generator), dim=-1)
    return identity, torch.rand(2, 51, generator=generator) - 0.5, 20 * torch.randn(2, 3, generator=generator)


def keep(*flags):
    return torch.tensor(flags).expand(2, 3)


def test_tokens_are_identity_expression_pose_style(conditioner, codes, tiny):
    tokens = conditioner(*codes, keep(*KEEP_ALL))
    assert tokens.shape == (2, tiny.identity_tokens + tiny.expression_tokens + 2, tiny.context)
    identity, expression, pose = codes
    own = {0: slice(0, 2), 1: slice(2, 5), 2: slice(5, 6)}
    for i, other in enumerate(
        [(-identity, expression, pose), (identity, -expression, pose), (identity, expression, -pose)]
    ):
        moved = (conditioner(*other, keep(*KEEP_ALL)) != tokens).any(-1).all(0)
        assert moved.nonzero().flatten().tolist() == list(range(7))[own[i]]


def test_roll_is_not_read(conditioner, codes):
    """The crop is upright, whatever the head's tilt in the picture."""
    identity, expression, pose = codes
    tokens = conditioner(*codes, keep(*KEEP_ALL))
    for axis, same in enumerate((False, False, True)):
        turned = pose + 60 * torch.eye(3)[axis]
        assert torch.equal(tokens, conditioner(identity, expression, turned, keep(*KEEP_ALL))) == same


@pytest.mark.parametrize("dropped, name, rows", [
    (0, "no_identity", slice(0, 2)), (1, "no_expression", slice(2, 5)), (2, "no_pose", slice(5, 6)),
])  # fmt: skip
def test_what_is_dropped_is_a_learned_token_whatever_its_code(conditioner, codes, dropped, name, rows):
    flags = [i != dropped for i in range(3)]
    other = [code + 1 if i == dropped else code for i, code in enumerate(codes)]
    tokens = conditioner(*codes, keep(*flags))
    assert torch.equal(tokens, conditioner(*other, keep(*flags)))
    learned = getattr(conditioner, name)
    assert torch.equal(tokens[:, rows], learned.expand(2, -1, -1)) and learned.requires_grad
    assert learned.abs().sum() > 0


def test_pictures_of_a_batch_drop_on_their_own(conditioner, codes):
    flags = torch.tensor([[True, False, True], [False, True, False]])
    together = conditioner(*codes, flags)
    for i in range(2):
        alone = conditioner(*(code[i : i + 1] for code in codes), flags[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)


def test_expressions_are_measured_in_their_usual_spread(conditioner, codes):
    identity, expression, pose = codes
    before = conditioner(identity, expression, pose, keep(*KEEP_ALL))
    conditioner.spread.mul_(2)
    torch.testing.assert_close(conditioner(identity, 2 * expression, pose, keep(*KEEP_ALL)), before)


def test_the_config_says_in_which_units_codes_and_poses_are_seen(tiny, conditioner, codes):
    identity, expression, pose = codes
    other = Conditioner(dataclasses.replace(tiny, pose_scale=(0.1, 0.1, 0.0), identity_gain=2.0))
    other.load_state_dict(conditioner.state_dict())
    torch.testing.assert_close(
        other(identity * 16**0.5 / 2, expression, pose / 2, keep(*KEEP_ALL)), conditioner(*codes, keep(*KEEP_ALL))
    )


def test_styles_differ_and_photo_is_the_usual_one(conditioner, codes):
    usual = conditioner(*codes, keep(*KEEP_ALL))
    photo, rendered = (conditioner(*codes, keep(*KEEP_ALL), torch.full((2,), i)) for i in (0, 1))
    assert torch.equal(usual, photo)
    assert not torch.equal(photo[:, -1], rendered[:, -1]) and torch.equal(photo[:, :-1], rendered[:, :-1])


def test_statistics_of_the_training_photos_travel_in_the_weights(conditioner):
    assert {"neutral", "spread"} <= conditioner.state_dict().keys()
