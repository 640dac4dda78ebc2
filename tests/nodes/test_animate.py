"""Animate Expression in a real host."""

import pytest
import torch
from diffsfsr.models.faces.mesh import BLENDSHAPES

pytestmark = pytest.mark.host

QUIET = dict(fps=10.0, easing="linear", blinks=0.0, glances=0.0, jaw=0.5, seed=0)


@pytest.fixture(scope="module")
def animate(run, diffsfsr):
    return lambda text, **inputs: run("DiffSFSRAnimateExpression", diffsfsr=diffsfsr, keyframes=text, **QUIET | inputs)


def test_keyframes_become_a_batch(animate, run, diffsfsr):
    expressions, frames = animate("0 neutral\n1 joy\n2 joy 0.5")
    (joy, _) = run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="joy", variant=0, intensity=1.0)
    assert frames == len(expressions.code) == 21
    assert (expressions.code[0] == 0).all()
    torch.testing.assert_close(expressions.code[10:11], joy.code)
    torch.testing.assert_close(expressions.code[5:6], joy.code / 2)
    torch.testing.assert_close(expressions.code[20:21], joy.code / 2)
    weak, _ = animate("0 a bit joyful")
    assert 0 < weak.code.norm() < joy.code.norm()
    with pytest.raises(ValueError, match="xyzzyqqq"):
        animate("0 xyzzyqqq")


def test_a_voice_opens_the_jaw_for_as_long_as_it_lasts(animate):
    waveform = torch.zeros(1, 1, 24000)
    waveform[..., 8000:16000] = torch.randn(8000, generator=torch.Generator().manual_seed(2))
    spoken, frames = animate("0 neutral", audio={"waveform": waveform, "sample_rate": 8000})
    jaw = spoken.code[:, BLENDSHAPES.index("jawOpen")]
    assert frames == 31 and jaw[:8].max() < 0.05 < 0.2 < jaw[13:18].min() and jaw[26:].max() < 0.05
    silent, _ = animate("0 neutral", jaw=0.0, audio={"waveform": waveform, "sample_rate": 8000})
    assert (silent.code == 0).all()
