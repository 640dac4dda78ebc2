"""The bundled checkpoint paints the same in ComfyUI and on the command line."""

import pytest
from diffsfsr.models import DiffSFSR
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.models.pipeline import Painting

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(not (ASSETS / "mini.safetensors").is_file(), reason="needs assets/mini.safetensors"),
]


def test_nodes_paint_what_the_command_line_paints(host, run, people):
    """To 1 of 255 levels, from the same pictures, seed and (unequal) scales, in as many steps as by default."""
    steps = Painting.steps
    selfie, scene = people(0, "amateur_selfie"), people(3)
    choice = dict(face="largest", face_number=0)
    diffsfsr, *_ = run("DiffSFSRLoad", checkpoint="mini.safetensors")
    identity, _ = run("DiffSFSREncodeIdentity", diffsfsr=diffsfsr, image=selfie, **choice)
    expression, _ = run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="surprise", variant=0, intensity=1.0)
    background, *_ = run("DiffSFSRExtractBackground", diffsfsr=diffsfsr, image=scene, **choice)
    painted, _ = run(
        "DiffSFSRSampler", diffsfsr=diffsfsr, background=background, identity=identity, expression=expression, seed=3,
        steps=steps, sampler_name="euler", scheduler="simple", identity_scale=2.0, expression_scale=1.5,
    )  # fmt: skip

    model = DiffSFSR.load("mini")
    photo, picture = (each[0].movedim(-1, 0) * 2 - 1 for each in (selfie, scene))
    wanted, _ = model.generate(
        model.identity([photo]), model.expression("surprise"), model.background(picture), Painting(steps, 3, 2.0, 1.5)
    )
    away = (painted[0].movedim(-1, 0) - (wanted[0] / 2 + 0.5)).abs() * 255
    assert away.max() < 1 and (painted - scene).abs().max() > 0.2
