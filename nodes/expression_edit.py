"""Edit, Mix and Travel Expressions: what is done with an expression before a face is painted."""

from comfy_api.latest import io
from torch import zeros

from ..models.codes import Expression
from ..models.expression.edit import ASYMMETRY, SLIDERS, edit_all, mix, travel
from ..models.expression.words import MAX_INTENSITY
from ..models.faces.mesh import BLENDSHAPES
from .compat import only_known
from .doing import doing
from .expression import DONE, intensity_input
from .needed import HIDDEN, alone
from .wires import CATEGORY, ExpressionType


def slider_input(name: str, lowest: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(
        name,
        default=0.0,
        min=lowest,
        max=1.0,
        step=0.05,
        display_mode=io.NumberDisplay.slider,
        tooltip=tooltip,
    )


class DiffSFSREditExpression(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSREditExpression",
            display_name="Edit Expression (smile, brows, gaze)",
            category=CATEGORY,
            description="Sliders for mouth, brows, eyes and gaze, added to an expression, or to a neutral face where "
            "none is wired.",
            **only_known(
                io.Schema,
                search_aliases=["expression editor", "advanced live portrait", "face sliders", "blink", "wink"],
            ),
            is_output_node=True,
            hidden=HIDDEN,
            inputs=[
                ExpressionType.Input(
                    "expression", optional=True, tooltip="What the sliders are added to; left off, a neutral face."
                ),
                intensity_input(),
                *(slider_input(name, slider.lowest, f"{slider.meaning}.") for name, slider in SLIDERS.items()),
                slider_input("asymmetry", -1.0, f"{ASYMMETRY}."),
                io.String.Input(
                    "values",
                    default="",
                    optional=True,
                    tooltip="What the sliders cannot say, as the face editor writes it: blendshapes that are added, in "
                    "JSON as in Expression from Values; smile_left is a slider on the person's own left side alone.",
                    **only_known(io.String.Input, advanced=True),
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=MAX_INTENSITY,
                    step=0.05,
                    round=0.01,
                    optional=True,
                    tooltip="Of the expression that comes out, with all that was added: 0 is a neutral face.",
                    **only_known(io.Float.Input, advanced=True),
                ),
            ],
            outputs=[ExpressionType.Output(id="edited", display_name="EXPRESSION", tooltip=DONE)],
        )

    @classmethod
    @alone
    def execute(
        cls,
        intensity: float,
        smile: float,
        frown: float,
        brows: float,
        sad_brows: float,
        lids: float,
        squint: float,
        jaw: float,
        pucker: float,
        gaze_x: float,
        gaze_y: float,
        asymmetry: float,
        expression: Expression | None = None,
        values: str = "",
        strength: float = 1.0,
    ) -> io.NodeOutput:
        if expression is None:
            expression = Expression(zeros(1, len(BLENDSHAPES)), "neutral")
        sliders = {
            "smile": smile,
            "frown": frown,
            "brows": brows,
            "sad_brows": sad_brows,
            "lids": lids,
            "squint": squint,
            "jaw": jaw,
            "pucker": pucker,
            "gaze_x": gaze_x,
            "gaze_y": gaze_y,
        }
        edited = edit_all(expression, intensity, sliders, asymmetry, values, strength)
        # the face editor shows the sliders on what is wired
        wired = {"diffsfsr_wired": [expression.code[0].tolist()]}
        return io.NodeOutput(edited, ui=wired | doing(cls, edited))


class DiffSFSRMixExpressions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRMixExpressions",
            display_name="Mix Expressions",
            category=CATEGORY,
            description="An expression between two others, such as joy with a touch of embarrassment. In batches, the "
            "first with the first, and so on.",
            **only_known(io.Schema, search_aliases=["blend expressions", "mixed emotion", "interpolate expression"]),
            is_output_node=True,
            hidden=HIDDEN,
            inputs=[
                ExpressionType.Input("first", tooltip="One expression."),
                ExpressionType.Input("second", tooltip="The other expression."),
                io.Float.Input(
                    "weight",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the second: 0 is the first alone, 1 the second alone.",
                ),
            ],
            outputs=[ExpressionType.Output(id="expression", display_name="EXPRESSION", tooltip=DONE)],
        )

    @classmethod
    @alone
    def execute(cls, first: Expression, second: Expression, weight: float) -> io.NodeOutput:
        mixed = mix(first, second, weight)
        return io.NodeOutput(mixed, ui=doing(cls, mixed))


class DiffSFSRTravelExpressions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRTravelExpressions",
            display_name="Travel Expressions",
            category=CATEGORY,
            description="The way from one expression to another in equal steps, as a batch: a picture for each step, "
            "for a contact sheet or a video. Turn shared_noise of the sampler on, so that only the expression moves.",
            **only_known(io.Schema, search_aliases=["expression animation", "morph expressions", "emotion travel"]),
            is_output_node=True,
            hidden=HIDDEN,
            inputs=[
                ExpressionType.Input("first", tooltip="Where the way begins."),
                ExpressionType.Input("second", tooltip="Where it ends."),
                io.Int.Input(
                    "steps", default=9, min=2, max=1000, tooltip="How many expressions, both ends among them."
                ),
            ],
            outputs=[
                ExpressionType.Output(
                    id="expressions", display_name="EXPRESSION", tooltip="A batch of expressions, one for each step."
                )
            ],
        )

    @classmethod
    @alone
    def execute(cls, first: Expression, second: Expression, steps: int) -> io.NodeOutput:
        way = travel(first, second, steps)
        return io.NodeOutput(way, ui=doing(cls, way, row=True))
