"""Expressions: by one of the 135 words, by any words of one's own, or read from a photo."""

from functools import lru_cache, partial
from pathlib import Path

from comfy_api.latest import io, ui
from torch import Tensor, cat, full

from ..models.codes import join_expressions
from ..models.expression.labels import most_variants, read_labels
from ..models.expression.performance import perform
from ..models.expression.references import FILE, PEOPLE, SIDE, References
from ..models.expression.words import MAX_INTENSITY, Meaning, Words
from ..models.faces.choice import STOP, WITHOUT_FACE
from .compat import only_known
from .doing import doing
from .folders import listed
from .inputs import chosen, face_inputs, given_inputs, known_faces, without_face_input
from .needed import HIDDEN, alone
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
def variants() -> int:
    """How many faces a word has at most; 1 where the table cannot be read."""
    return max(listed(lambda: [most_variants(ASSETS / "expressions.json")]), default=1)


@lru_cache(maxsize=1)
def references() -> References:
    """The rendered heads, without the pictures, which are read when they are shown."""
    return References.load(ASSETS / FILE)


@lru_cache(maxsize=1)
def people() -> References:
    """What the front end shows: a person who does not exist. Without the pictures, too."""
    return References.load(ASSETS / PEOPLE)


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
        max=variants() - 1,
        tooltip=f"The {what} have another face, too; 0 is the most usual one.",
    )


class DiffSFSRExpressionByLabel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExpressionByLabel",
            display_name="Expression by Label (emotion)",
            category=CATEGORY,
            description="An expression by one of 135 emotion words, such as joy, contempt or homesickness.",
            **only_known(io.Schema, search_aliases=["emotion", "facial expression", "mood", "smile"]),
            is_output_node=True,
            hidden=HIDDEN,
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.Combo.Input(
                    "label",
                    options=listed(labels),
                    default="joy",
                    tooltip="What the face is to express. A STRING cannot be wired here: take Expression by Text.",
                ),
                variant_input("words"),
                intensity_input(),
            ],
            outputs=[
                ExpressionType.Output(id="expression", display_name="EXPRESSION", tooltip=DONE),
                reference_output(),
            ],
        )

    @classmethod
    def validate_inputs(cls, label: str | None = None) -> bool | str:
        """In place of the host's own words, which say neither what a word means nor where words are understood.

        label    None where a wire gives it
        """
        if label is None or label in labels():
            return True
        near = words().suggested(label)
        return f'got "{label}", want one of the labels; {near}. Expression by Text takes any words'

    @classmethod
    @alone
    def execute(cls, diffsfsr: Loaded, label: str, variant: int, intensity: float) -> io.NodeOutput:
        expression = on_cpu(diffsfsr.ready().label(label, variant, intensity))
        heads, person = (to_image(each.pictures(label, variant)) for each in (references(), people()))
        return io.NodeOutput(expression, heads, ui=ui.PreviewImage(person, cls=cls))


class DiffSFSRExpressionByText(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExpressionByText",
            display_name="Expression by Text (emotion)",
            category=CATEGORY,
            description="An expression in words of your own, such as smug, a bit worried, wink, looking left or angry "
            "but smiling: emotions, actions and emoji, in English, Chinese or Japanese.",
            **only_known(
                io.Schema,
                search_aliases=["emotion prompt", "facial expression", "synonym", "mood", "smile", "wink", "emoji"],
            ),
            is_output_node=True,
            hidden=HIDDEN,
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.String.Input(
                    "text",
                    default="a bit smug",
                    multiline=True,
                    tooltip="Words, or an emoji. Say what the face is to show, not what it is not to. Several lines "
                    "give a batch of expressions, one for each.",
                ),
                variant_input("labels"),
                intensity_input(),
            ],
            outputs=[
                ExpressionType.Output(id="expression", display_name="EXPRESSION", tooltip=DONE),
                io.String.Output(
                    id="label", display_name="label", tooltip="The labels and actions that were understood."
                ),
                reference_output(),
            ],
        )

    @classmethod
    @alone
    def execute(cls, diffsfsr: Loaded, text: str, variant: int, intensity: float) -> io.NodeOutput:
        lines = [line for line in text.splitlines() if line.strip()] or [text]
        meanings = [words().read(line) for line in lines]
        encoders = diffsfsr.ready()
        expressions = [perform(each, lambda name, k: encoders.label(name, variant, k), intensity) for each in meanings]
        expression = on_cpu(join_expressions(expressions))
        heads, person = (pictures_of(meanings, variant, each) for each in (references(), people()))
        said = ui.PreviewText("\n".join(told(each, intensity) for each in meanings))
        preview = said.as_dict() | ui.PreviewImage(person, cls=cls).as_dict()
        return io.NodeOutput(expression, expression.name, heads, ui=preview)


def told(meanings: list[Meaning], intensity: float) -> str:
    """What was understood, and what cannot be shown of it."""
    parts = [f"{each.what}, intensity {min(each.degree * intensity, MAX_INTENSITY):.2f}" for each in meanings]
    notes = [f" ({each.action.note})" for each in meanings if each.action and each.action.note]
    return " + ".join(parts) + "".join(notes)


def pictures_of(meanings: list[list[Meaning]], variant: int, of: References) -> Tensor:
    """The pictures of all labels that occur, IMAGE (H each, 160, 160, 3); a grey one where there are none."""
    names = dict.fromkeys(each.what for line in meanings for each in line if each.action is None)
    shown = [to_image(of.pictures(name, variant)) for name in names]
    return cat(shown) if shown else full((1, SIDE, SIDE, 3), 0.5)


class DiffSFSRExpressionFromImage(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExpressionFromImage",
            display_name="Expression from Image (reenact)",
            category=CATEGORY,
            description="Reads the expression of a face in a picture. Who it is does not matter.",
            **only_known(io.Schema, search_aliases=["liveportrait", "facial expression", "emotion", "blendshapes"]),
            is_output_node=True,
            hidden=HIDDEN,
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
    @alone
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
        read = encoders.expressions(pictures, len(image), rest, choose, intensity, without_face, known, warn)
        expression = on_cpu(read)
        return io.NodeOutput(expression, ui=doing(cls, expression))
