"""Expressions: by one of the 135 words, by words of one's own, or read from a photo."""

from functools import lru_cache, partial
from pathlib import Path

from comfy_api.latest import io, ui
from torch import Tensor

from ..models.expression.labels import read_labels
from ..models.expression.references import FILE, References
from ..models.expression.words import MAX_INTENSITY, Words
from ..models.faces.choice import STOP, WITHOUT_FACE
from .compat import only_known
from .folders import listed
from .inputs import chosen, face_inputs, given_inputs, known_faces, without_face_input
from .pictures import from_image, picture_at, to_image
from .progress import reporting, warn
from .wires import CATEGORY, DiffSFSRType, ExpressionType, Loaded, on_cpu

ASSETS = Path(__file__).resolve().parents[1] / "assets"
DONE = "What the face is to do."


@lru_cache(maxsize=1)
def labels() -> tuple[str, ...]:
    """The host asks for the nodes' inputs again and again, and the words do not change."""
    return read_labels(ASSETS / "expressions.json")


@lru_cache(maxsize=1)
def words() -> Words:
    return Words.load(ASSETS / "synonyms.json", labels())


@lru_cache(maxsize=1)
def references() -> References:
    """Without the pictures, which are read when they are shown."""
    return References.load(ASSETS / FILE)


def reference_output() -> io.Image.Output:
    return io.Image.Output(
        id="reference",
        display_name="reference",
        tooltip="Rendered heads that show the label at intensity 1: a batch of two people.",
    )


def intensity_input() -> io.Float.Input:
    return io.Float.Input(
        "intensity",
        default=1.0,
        min=0.0,
        max=MAX_INTENSITY,
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
                io.Combo.Input("label", options=listed(labels), default="joy", tooltip="What the face is to express."),
                variant_input("words"),
                intensity_input(),
            ],
            outputs=[
                ExpressionType.Output(id="expression", display_name="EXPRESSION", tooltip=DONE),
                reference_output(),
            ],
        )

    @classmethod
    def execute(cls, diffsfsr: Loaded, label: str, variant: int, intensity: float) -> io.NodeOutput:
        expression = on_cpu(diffsfsr.ready().label(label, variant, intensity))
        shown = to_image(references().pictures(label, variant))
        return io.NodeOutput(expression, shown, ui=ui.PreviewImage(shown, cls=cls))


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
                reference_output(),
            ],
        )

    @classmethod
    def execute(cls, diffsfsr: Loaded, text: str, variant: int, intensity: float) -> io.NodeOutput:
        best = words().find(text)[0]
        intensity = min(best.degree * intensity, MAX_INTENSITY)
        expression = diffsfsr.ready().label(best.label, variant, intensity)
        shown = to_image(references().pictures(best.label, variant))
        understood = ui.PreviewText(f"{best.label}, intensity {intensity:.2f}")
        preview = understood.as_dict() | ui.PreviewImage(shown, cls=cls).as_dict()
        return io.NodeOutput(on_cpu(expression), best.label, shown, ui=preview)


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
                *given_inputs(),
                without_face_input(
                    WITHOUT_FACE,
                    "What to do with a picture of a batch that shows no such face: stop with an error, skip it, or "
                    "pass on the expression of the picture before it, for video frames.",
                ),
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
        face_landmarks: dict | None = None,
        bboxes: dict | list | None = None,
        without_face: str = STOP,
    ) -> io.NodeOutput:
        encoders, rest = diffsfsr.ready(), None
        if neutral is not None:
            if len(neutral) != 1:
                raise ValueError(f"got {len(neutral)} neutral photos, want one")
            rest = from_image(neutral, "neutral photo")[0]
        known = reporting(known_faces(encoders.mesh, image, face_landmarks, bboxes), len(image))
        pictures, choose = partial(picture_at, image, what="expression photo"), chosen(face, face_number)
        expression = encoders.expressions(pictures, len(image), rest, choose, intensity, without_face, known, warn)
        return io.NodeOutput(on_cpu(expression))
