"""Expressions: by one of the 135 words, by words of one's own, or read from a photo."""

from functools import lru_cache
from pathlib import Path

from comfy_api.latest import io, ui
from torch import Tensor, cat

from ..models.codes import Expression
from ..models.labels import read_labels
from ..models.words import Words
from .compat import only_known
from .faces import chosen, face_inputs
from .pictures import from_image
from .types import CATEGORY, DiffSFSRType, ExpressionType, Loaded, on_cpu

ASSETS = Path(__file__).resolve().parents[1] / "assets"
STRONGEST = 1.5  # as models/library.py has it
DONE = "What the face is to do."


@lru_cache(maxsize=1)
def labels() -> tuple[str, ...]:
    """The host asks for the nodes' inputs again and again, and the words do not change."""
    return read_labels(ASSETS / "expressions.json")


@lru_cache(maxsize=1)
def words() -> Words:
    return Words.load(ASSETS / "synonyms.json", labels())


def intensity_input() -> io.Float.Input:
    return io.Float.Input(
        "intensity",
        default=1.0,
        min=0.0,
        max=STRONGEST,
        step=0.05,
        tooltip="0 is a neutral face, 1 the expression as it is, more exaggerates it.",
    )


def variant_input(what: str) -> io.Int.Input:
    return io.Int.Input(
        "variant",
        default=0,
        min=0,
        max=99,
        tooltip=f"Some {what} have more than one face; 0 is the most usual one.",
    )


class DiffSFSRExpressionByLabel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExpressionByLabel",
            display_name="Expression by Label",
            category=CATEGORY,
            description="An expression by one of 135 emotion words, such as joy, contempt or homesickness.",
            **only_known(io.Schema, search_aliases=["emotion", "facial expression", "mood", "smile"]),
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.Combo.Input("label", options=list(labels()), default="joy", tooltip="What the face is to express."),
                variant_input("words"),
                intensity_input(),
            ],
            outputs=[
                ExpressionType.Output(id="expression", display_name="EXPRESSION", tooltip=DONE),
            ],
        )

    @classmethod
    def execute(cls, diffsfsr: Loaded, label: str, variant: int, intensity: float) -> io.NodeOutput:
        return io.NodeOutput(on_cpu(diffsfsr.ready().label(label, variant, intensity)))


class DiffSFSRExpressionByText(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExpressionByText",
            display_name="Expression by Text",
            category=CATEGORY,
            description="An expression in words of your own, such as smug, a bit worried or over the moon. The nearest "
            "of the 135 labels is taken; words of degree weaken or strengthen it.",
            **only_known(io.Schema, search_aliases=["emotion prompt", "facial expression", "synonym", "mood"]),
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.String.Input(
                    "text",
                    default="a bit smug",
                    tooltip="A word or a short phrase in English. Say what the face is to show, not what it is not to.",
                ),
                variant_input("labels"),
                intensity_input(),
            ],
            outputs=[
                ExpressionType.Output(id="expression", display_name="EXPRESSION", tooltip=DONE),
                io.String.Output(id="label", display_name="label", tooltip="The label that was understood."),
            ],
        )

    @classmethod
    def execute(cls, diffsfsr: Loaded, text: str, variant: int, intensity: float) -> io.NodeOutput:
        best = words().find(text)[0]
        strength = min(best.intensity * intensity, STRONGEST)
        expression = diffsfsr.ready().label(best.label, variant, strength)
        understood = ui.PreviewText(f"{best.label}, intensity {strength:.2f}")
        return io.NodeOutput(on_cpu(expression), best.label, ui=understood)


class DiffSFSRExpressionFromImage(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExpressionFromImage",
            display_name="Expression from Image",
            category=CATEGORY,
            description="Reads the expression of a face in a picture. Who it is does not matter.",
            **only_known(io.Schema, search_aliases=["emotion", "facial expression", "reenactment", "blendshapes"]),
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.Image.Input("image", tooltip="The expression to copy; a batch gives a batch of expressions."),
                io.Image.Input(
                    "neutral",
                    optional=True,
                    tooltip="The same person with a neutral face. It tells apart how the face is built from what it "
                    "does, and makes the copy more exact; without it an average neutral face is assumed.",
                ),
                intensity_input(),
                *face_inputs(),
            ],
            outputs=[
                ExpressionType.Output(id="expression", display_name="EXPRESSION", tooltip=DONE),
            ],
        )

    @classmethod
    def execute(
        cls,
        diffsfsr: Loaded,
        image: Tensor,
        intensity: float,
        face: str,
        face_number: int,
        neutral: Tensor | None = None,
    ) -> io.NodeOutput:
        encoders, rest = diffsfsr.ready(), None
        if neutral is not None:
            if len(neutral) != 1:
                raise ValueError(f"got {len(neutral)} neutral photos, want one")
            rest = from_image(neutral, "neutral photo")[0]
        codes = [
            encoders.expression(picture, rest, chosen(face, face_number), intensity).code
            for picture in from_image(image, "expression photo")
        ]
        return io.NodeOutput(on_cpu(Expression(cat(codes), "photo")))
