"""The benchmarks run on a real ComfyUI and measure something; how much is for docs/results.md."""

import pytest
from diffsfsr.evaluation.host.benchmark import Meter, many_runs, timings, videos

pytestmark = pytest.mark.host


def test_memory_is_read_after_every_run(host):
    found = list(many_runs(host, runs=2, steps=1))
    assert [number for number, _ in found] == [1, 2] and all(200 < memory < 20_000 for _, memory in found)


def test_a_video_is_run_and_its_peak_seen(host):
    (video,) = videos(host, [4], steps=1)
    assert video.images == pytest.approx(26.5) and video.peak >= video.before > 200
    assert min(video.seconds, video.unpainted) > 0


def test_three_ways_are_timed_with_one_and_two_times_the_steps(host):
    found = timings(host, steps=1, batch=1, repeats=1)
    assert [(each.name, each.steps) for each in found] == [
        (name, steps) for steps in (1, 2) for name in ("DiffSFSR Sampler", "the host's nodes", "KSampler alone")
    ]
    assert all(len(each.seconds) == 1 and each.median > 0 for each in found)
    assert Meter(host).seconds() > sum(each.median for each in found)
