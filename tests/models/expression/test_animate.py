"""Keyframes, blinks, glances and a jaw in time."""

import math

import pytest
import torch
from diffsfsr.models.expression.animate import (
    EASINGS,
    EXAMPLE,
    Key,
    between,
    blinks,
    frame_times,
    glances,
    loudness,
    read_keys,
    with_life,
)
from diffsfsr.models.faces.mesh import BLENDSHAPES


def test_keyframes_are_read_in_the_order_of_their_time():
    assert len(read_keys(EXAMPLE)) == 5
    assert read_keys("2: fear 0.8\n\n# a note\n0.5s a bit smug, 1.2\n1 joy") == [
        Key(0.5, "a bit smug", 1.2), Key(1.0, "joy"), Key(2.0, "fear", 0.8),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, said", [("", "no keyframes"), ("joy", "line 1"), ("1 joy\nx", "line 2"), ("9999 joy", "600")]
)
def test_what_is_no_keyframe_is_named(text, said):
    with pytest.raises(ValueError, match=said):
        read_keys(text)


@pytest.mark.parametrize("easing", EASINGS)
def test_every_keyframe_is_reached_and_nothing_overshoots(easing):
    times = frame_times(4.0, 8)
    codes = torch.rand(3, 51, generator=torch.Generator().manual_seed(1))
    moved = between(times, [1.0, 2.0, 3.0], codes, easing)
    for second, code in zip((0, 1, 2, 3, 4), (codes[0], codes[0], codes[1], codes[2], codes[2]), strict=True):
        torch.testing.assert_close(moved[8 * second], code)
    low, high = codes[:2].aminmax(dim=0)
    assert ((moved[8:17] >= low - 1e-6) & (moved[8:17] <= high + 1e-6)).all()
    assert torch.equal(between(times, [1.0], codes[:1], easing), codes[:1].expand(33, -1))


def test_blinks_are_as_many_as_wanted_short_and_the_same_at_any_rate():
    fast, slow = frame_times(300, 60), frame_times(300, 12)
    shut = blinks(fast, 15, seed=3)
    starts = ((shut[1:] > 0.5) & (shut[:-1] <= 0.5)).sum()
    assert 55 <= starts <= 95 and shut.max() <= 1 and shut.min() == 0  # of 75 in five minutes
    assert 0.01 < (shut > 0.5).float().mean() < 0.06
    torch.testing.assert_close(shut[::5], blinks(slow, 15, seed=3), atol=1e-3, rtol=0)
    assert not torch.equal(shut, blinks(fast, 15, seed=4)) and not blinks(fast, 0, seed=3).any()


def test_eyes_wander_within_bounds_and_rest_in_between():
    times = frame_times(60, 24)
    gaze = glances(times, 1.0, seed=5)
    assert (gaze[:, 0].abs() <= 0.5).all() and (gaze[:, 1].abs() <= 0.3).all() and gaze.abs().max() > 0.2
    assert (gaze.diff(dim=0).abs().amax(1) == 0).float().mean() > 0.8
    torch.testing.assert_close(glances(times, 0.5, seed=5), gaze / 2)
    torch.testing.assert_close(glances(frame_times(60, 12), 1.0, seed=5), gaze[::2], atol=1e-3, rtol=0)


def test_the_jaw_follows_a_voice_and_not_its_volume():
    rate, times = 16000, frame_times(3.0, 24)
    at = torch.arange(3 * rate) / rate
    voice = (torch.sin(2 * math.pi * 180 * at) * ((at > 1) & (at < 2)))[None].repeat(2, 1)
    jaw = loudness(voice, rate, times)
    assert jaw.shape == times.shape and jaw[:22].max() < 0.05 < 0.95 < jaw[30:46].min() and jaw[60:].max() < 0.05
    torch.testing.assert_close(loudness(0.05 * voice, rate, times), jaw, atol=1e-3, rtol=0)
    assert not loudness(0 * voice, rate, times).any()
    assert loudness(voice[:, :rate], rate, times).shape == times.shape  # shorter than the clip


def test_all_of_it_is_on_top_of_the_keyframes():
    still = torch.zeros(3)
    codes = torch.full((3, 51), 0.1)
    assert torch.equal(with_life(codes, still, torch.zeros(3, 2), still).code, codes)
    alive = with_life(codes, torch.tensor([0, 1.0, 1.0]), torch.tensor([[0.5, 0]] * 3), torch.tensor([0, 0, 1.0])).code
    blink, jaw, look = (BLENDSHAPES.index(name) for name in ("eyeBlinkLeft", "jawOpen", "eyeLookOutLeft"))
    assert alive[0, look] > 0.3 and alive[1, blink] > 0.5 and alive[1, look] == codes[1, look]
    assert alive[2, jaw] > 0.5 and alive[1, jaw] == codes[1, jaw]


def test_endless_clips_are_refused():
    with pytest.raises(ValueError, match="frames"):
        frame_times(600, 120)
