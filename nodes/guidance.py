"""DiffSFSR Guider: the sampler node's guidance for SamplerCustomAdvanced, with a range of steps for each scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from .compat import only_known
from .sampling import Scale, TwoStepGuider, check_model, scale_input
from .wires import CATEGORY

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher


def percent_input(name: str, default: float, tooltip: str) -> io.Float.Input:
    advanced = only_known(io.Float.Input, advanced=True)
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.01, tooltip=tooltip, **advanced)


class DiffSFSRGuider(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRGuider",
            display_name="DiffSFSR Guider",
            category=CATEGORY,
            description="Guidance for SamplerCustomAdvanced with a scale each for identity and expression, and the "
            "part of the steps in which it holds.",
            **only_known(io.Schema, search_aliases=["guidance", "two-step guidance", "dual cfg", "guidance interval"]),
            inputs=[
                io.Model.Input("model", tooltip="Load DiffSFSR's MODEL, with patches or without."),
                io.Conditioning.Input("positive", tooltip="From DiffSFSR Conditioning: identity and expression."),
                io.Conditioning.Input("middle", tooltip="From DiffSFSR Conditioning: identity only."),
                io.Conditioning.Input("negative", tooltip="From DiffSFSR Conditioning: neither of them."),
                scale_input(
                    "identity_scale",
                    2.0,
                    "How hard the likeness is pressed for; 1 is no pressure. 0 in both scales leaves the person open.",
                ),
                percent_input("identity_start", 0.0, "From which part of the steps on the identity scale holds."),
                percent_input(
                    "identity_end", 1.0, "Up to which part of the steps the identity scale holds; 1 after that."
                ),
                scale_input(
                    "expression_scale",
                    2.0,
                    "How hard the expression is pressed for; 1 is no pressure, 0 leaves the expression open and is "
                    "faster.",
                ),
                percent_input("expression_start", 0.0, "From which part of the steps on the expression scale holds."),
                percent_input(
                    "expression_end", 1.0, "Up to which part of the steps the expression scale holds; 1 after that."
                ),
            ],
            outputs=[io.Guider.Output(id="guider", display_name="GUIDER", tooltip="For SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        positive: list,
        middle: list,
        negative: list,
        identity_scale: float,
        identity_start: float,
        identity_end: float,
        expression_scale: float,
        expression_start: float,
        expression_end: float,
    ) -> io.NodeOutput:
        check_model(model)
        to_sigma = model.get_model_object("model_sampling").percent_to_sigma
        scales = []
        for name, value, start, end in (
            ("identity", identity_scale, identity_start, identity_end),
            ("expression", expression_scale, expression_start, expression_end),
        ):
            if start > end:
                raise ValueError(f"got {name}_start {start:g} after {name}_end {end:g}, want it before or equal")
            scales.append(Scale(value, to_sigma(start), to_sigma(end)))
        guider = TwoStepGuider(model)
        guider.set_conds(positive, middle, negative)
        guider.set_scales(*scales)
        return io.NodeOutput(guider)
