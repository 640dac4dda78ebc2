"""Expressions in time: from keyframe to keyframe, with blinks, small moves of the gaze, and a jaw that follows a voice.

All ours. Times are seconds, T frames; the same seed gives the same blinks and glances at any frame rate.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..codes import Expression
from .edit import SLIDERS
from .library import named_vector

EASINGS: dict[str, Callable[[Tensor], Tensor]] = {  # 0..1 of the way in time to 0..1 of the way
    "smooth": lambda x: x * x * (3 - 2 * x),
    "linear": lambda x: x,
    "quick": lambda x: 1 - (1 - x) ** 3,  # there soon, then settling: surprise
    "slow": lambda x: x**3,
    "hold": lambda x: (x >= 1).to(x),  # until the next one's time
}
NEUTRAL = "neutral"
EXAMPLE = "0 neutral\n0.6 joy\n1.8 joy 0.7\n2.4 surprise\n3.2 neutral"
LONGEST = 600.0  # seconds
MOST = 20_000  # frames
SHUT, OPEN = 0.09, 0.17  # seconds that lids take to close, and to open again
FEWEST_APART = 0.6  # seconds between blinks
FIXATION = (0.5, 2.2)  # seconds for which the eyes rest on something
JUMP = 0.05  # seconds in which they get elsewhere
WANDER = (0.5, 0.3)  # farthest, of the gaze's sliders
QUIET, LOUD = -38.0, -8.0  # decibels under the voice's loudest: jaw shut, jaw open
ATTACK, DECAY = 0.03, 0.09  # seconds


@dataclass(frozen=True)
class Key:
    second: float
    words: str  # a label, or words that Words.find() knows; NEUTRAL
    intensity: float = 1.0


def read_keys(text: str) -> list[Key]:
    """Keyframes, one a line: second, words, and intensity where it is not 1; sorted by time.

    "0.6 joy", "1.5s a bit smug", "2: fear 0.8". Raises ValueError that names the line.
    """
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = re.fullmatch(r"\s*(\d{1,4}(?:\.\d{1,6})?)\s*s?\s*[:,]?\s+(.*?\S)(?:[\s,]+(\d?\.?\d{1,4}))?\s*", line)
        if not found:
            raise ValueError(f'got "{line.strip():.60}" in line {number}, want a second and a label: "0.6 joy 0.8"')
        second = float(found[1])
        if second > LONGEST:
            raise ValueError(f"got second {second:g} in line {number}, want 0 to {LONGEST:g}")
        keys.append(Key(second, found[2].rstrip(",: "), 1.0 if found[3] is None else float(found[3])))
    if not keys:
        raise ValueError(f'got no keyframes, want one or more lines such as "{EXAMPLE.splitlines()[1]}"')
    return sorted(keys, key=lambda key: key.second)


def frame_times(seconds: float, rate: float) -> Tensor:
    """(T,) seconds of the frames of a clip, the last second among them where a frame falls on it."""
    count = math.floor(seconds * rate + 1e-6) + 1
    if not 1 <= count <= MOST:
        raise ValueError(f"got {count} frames, want at most {MOST}; take fewer frames a second, or a shorter clip")
    return torch.arange(count) / rate


def between(times: Tensor, seconds: Sequence[float], codes: Tensor, easing: str = "smooth") -> Tensor:
    """Codes (T, 51) on the way through codes (K, 51) at ascending seconds; outside of these, the first and the last."""
    if easing not in EASINGS:
        raise ValueError(f'got easing "{easing}", want one of {", ".join(EASINGS)}')
    at = torch.tensor(seconds, dtype=times.dtype)
    after = torch.searchsorted(at, times, right=True).clamp(1, max(len(at) - 1, 1)).clamp(max=len(at) - 1)
    before = (after - 1).clamp(min=0)
    share = ((times - at[before]) / (at[after] - at[before]).clamp(min=1e-9)).clamp(0, 1)
    return torch.lerp(codes[before], codes[after], EASINGS[easing](share)[:, None])


def blinks(times: Tensor, a_minute: float, seed: int) -> Tensor:
    """(T,) 0 open to 1 shut: so many blinks a minute on average, at moments drawn by the seed."""
    shut = torch.zeros_like(times)
    if a_minute <= 0:
        return shut
    draw, end = torch.Generator().manual_seed(seed), float(times[-1])
    mean, moment = max(60 / a_minute - FEWEST_APART, 0.05), 0.0
    while True:
        wait = -math.log(1 - 0.98 * float(torch.rand((), generator=draw)))  # exponential, without the rarest
        moment += FEWEST_APART + mean * wait
        if moment > end + SHUT:
            return shut
        down, up = (times - moment + SHUT) / SHUT, 1 - (times - moment) / OPEN
        shut = shut.maximum(EASINGS["smooth"](down.minimum(up).clamp(0, 1)))


def glances(times: Tensor, amount: float, seed: int) -> Tensor:
    """(T, 2) of the gaze's sliders: eyes that rest on something, and jump elsewhere; amount 0..1."""
    draw = torch.Generator().manual_seed(seed)
    place, moment, moves = torch.zeros(2), 0.0, torch.zeros(len(times), 2)
    while moment < float(times[-1]):
        # back to the viewer every other time, more or less
        rest, away = torch.rand(2, generator=draw).tolist()
        goal = (2 * torch.rand(2, generator=draw) - 1) * torch.tensor(WANDER) * float(away > 0.4)
        moment += FIXATION[0] + (FIXATION[1] - FIXATION[0]) * rest
        share = EASINGS["smooth"](((times - moment) / JUMP).clamp(0, 1))
        moves, place = moves + share[:, None] * (goal - place), goal
    return amount * moves


def loudness(waveform: Tensor, sample_rate: int, times: Tensor) -> Tensor:
    """(T,) 0..1: how loud a voice is at each frame, against its own loudest parts.

    waveform  (C, S) samples; what is beyond its end is silence
    """
    if waveform.ndim != 2 or waveform.shape[1] == 0 or sample_rate <= 0:
        raise ValueError(f"got sound of shape {tuple(waveform.shape)}, want (channels, samples), at least one")
    step = float(times[1] - times[0]) if len(times) > 1 else 0.04
    power = torch.cat([torch.zeros(1), waveform.float().mean(0).square().cumsum(0)]).double()
    ends = [((times + side * step / 2) * sample_rate).long().clamp(0, waveform.shape[1]) for side in (-1, 1)]
    counts = (ends[1] - ends[0]).clamp(min=1)
    level = ((power[ends[1]] - power[ends[0]]).clamp(min=0) / counts).float().sqrt()
    loudest = float(level.quantile(0.98)) if len(level) > 1 else float(level.max())
    if loudest < 1e-4:
        return torch.zeros_like(times)
    opened = ((20 * (level / loudest).clamp(min=1e-6).log10() - QUIET) / (LOUD - QUIET)).clamp(0, 1)
    followed, now = [], 0.0
    for wanted in opened.tolist():
        now += (wanted - now) * (1 - math.exp(-step / (ATTACK if wanted > now else DECAY)))
        followed.append(now)
    return torch.tensor(followed)


def with_life(codes: Tensor, shut: Tensor, gaze: Tensor, jaw: Tensor) -> Expression:
    """Codes (T, 51) with blinks (T,), moves of the gaze (T, 2) and an open jaw (T,) on top of them."""

    def slider(name: str, amount: Tensor) -> Tensor:
        up, down = (named_vector(each, name) for each in (SLIDERS[name].up, SLIDERS[name].down))
        return amount.clamp(min=0)[:, None] * up + (-amount).clamp(min=0)[:, None] * down

    awake = 1 - shut  # who shuts the eyes looks nowhere
    total = codes + slider("jaw", jaw) + slider("gaze_x", gaze[:, 0] * awake) + slider("gaze_y", gaze[:, 1] * awake)
    return Expression((total + slider("lids", -shut)).clamp(-1, 1), "animation")
