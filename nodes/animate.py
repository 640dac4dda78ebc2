"""Animate Expression: keyframes in time, blinks, glances and a voice, as a batch of expressions."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from ..models.expression.animate import (
    EASINGS,
    EXAMPLE,
    NEUTRAL,
    between,
    blinks,
    frame_times,
    glances,
    loudness,
    read_keys,
    with_life,
)
from ..models.expression.performance import perform
from ..models.faces.mesh import BLENDSHAPES
from .compat import only_known
from .expression import words
from .wires import CATEGORY, DiffSFSRType, ExpressionType, Loaded, on_cpu


class DiffSFSRAnimateExpression(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRAnimateExpression",
            display_name="Animate Expression",
            category=CATEGORY,
            description="Expressions in time, for a video: keyframes by words, with blinks, small moves of the eyes, "
            "and a jaw that follows the loudness of a voice. One expression for each frame.",
            **only_known(io.Schema, search_aliases=["keyframes", "talking head", "lip sync", "blink", "video"]),
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.String.Input(
                    "keyframes",
                    multiline=True,
                    default=EXAMPLE,
                    tooltip="One a line: a second, an expression in words, and its intensity where it is not 1, such "
                    "as 0.6 joy 0.8. The word neutral is a neutral face.",
                ),
                io.Float.Input(
                    "fps",
                    default=24.0,
                    min=1.0,
                    max=120.0,
                    step=1.0,
                    tooltip="Frames a second, the same as of the video that is made of them.",
                ),
                io.Combo.Input(
                    "easing", options=list(EASINGS), default="smooth", tooltip="How it goes from one to the next."
                ),
                io.Float.Input(
                    "blinks", default=14.0, min=0.0, max=60.0, step=1.0, tooltip="How many a minute; 0 is none."
                ),
                io.Float.Input(
                    "glances",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How far the eyes wander; 0 leaves them to the keyframes.",
                ),
                io.Float.Input(
                    "jaw",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How wide the mouth opens where the voice is loudest. Read only with audio.",
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=2**63 - 1, tooltip="Of the moments at which eyes blink and wander."
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="A voice, whose loudness opens the jaw; the clip lasts as long as it.",
                ),
            ],
            outputs=[
                ExpressionType.Output(
                    id="expressions", display_name="EXPRESSION", tooltip="A batch, one expression for each frame."
                ),
                io.Int.Output(id="frames", display_name="frames", tooltip="How many frames there are."),
            ],
        )

    @classmethod
    def execute(
        cls,
        diffsfsr: Loaded,
        keyframes: str,
        fps: float,
        easing: str,
        blinks: float,
        glances: float,
        jaw: float,
        seed: int,
        audio: dict | None = None,
    ) -> io.NodeOutput:
        keys = read_keys(keyframes)
        seconds = keys[-1].second
        if audio is not None:
            sound, rate = audio["waveform"][0], audio["sample_rate"]
            seconds = max(seconds, sound.shape[-1] / rate)
        times = frame_times(seconds, fps)
        codes = torch.stack([_code(diffsfsr, key.words, key.intensity) for key in keys])
        codes = between(times, [key.second for key in keys], codes, easing)
        voice = torch.zeros_like(times) if audio is None or not jaw else jaw * loudness(sound.cpu(), rate, times)
        expression = with_life(codes, _blinks(times, blinks, seed), _glances(times, glances, seed), voice)
        said = f"{len(times)} frames, {seconds:.2f} s"
        return io.NodeOutput(expression, len(times), ui=ui.PreviewText(said))


_blinks, _glances = blinks, glances  # which the node's inputs are called, too


def _code(diffsfsr: Loaded, text: str, intensity: float) -> torch.Tensor:
    """(51,) of a keyframe's words."""
    if text.lower() == NEUTRAL:
        return torch.zeros(len(BLENDSHAPES))
    encoders = diffsfsr.ready()
    return on_cpu(perform(words().read(text), lambda name, k: encoders.label(name, 0, k), intensity)).code[0]
