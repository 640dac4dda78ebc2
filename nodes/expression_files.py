"""Expressions kept for later, written as numbers, or drawn from a folder of one's own photos."""

import hashlib
import json
from pathlib import Path

import comfy.model_management
import comfy.utils
import folder_paths
from comfy_api.latest import io, ui

from ..models.expression.edit import scale
from ..models.expression.file import EXAMPLE, from_json
from ..models.expression.user_library import UserLibrary, build, photo_stamps
from .compat import only_known
from .expression import DONE, intensity_input
from .folders import listed, photo_folders
from .kept import EXPRESSION, LoadCode, SaveCode, file_input, prefix_input, told
from .wires import CATEGORY, BackgroundType, DiffSFSRType, ExpressionType, Loaded, Scene, on_cpu

PICKS = ("nearest head pose", "random")
AT_ONCE = 20  # photos, then users can stop


def expression_output_wire() -> ExpressionType.Output:
    return ExpressionType.Output(id="expression", display_name="EXPRESSION", tooltip=DONE)


class DiffSFSRSaveExpression(SaveCode):
    kind = EXPRESSION

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRSaveExpression",
            display_name="Save Expression",
            category=CATEGORY,
            description="Keeps an expression as a small file in output/expressions, for Load Expression.",
            **only_known(io.Schema, search_aliases=["export expression", "keep expression"]),
            is_output_node=True,
            inputs=[
                ExpressionType.Input("expression", tooltip="From any node that makes one; a batch is kept as a batch."),
                prefix_input("expression", "smiles/shy"),
            ],
            outputs=[],
        )


class DiffSFSRLoadExpression(LoadCode):
    kind = EXPRESSION

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRLoadExpression",
            display_name="Load Expression",
            category=CATEGORY,
            description="An expression that Save Expression kept, or a .json of blendshapes and their values.",
            **only_known(io.Schema, search_aliases=["import expression", "blendshapes file"]),
            inputs=[file_input(EXPRESSION)],
            outputs=[expression_output_wire()],
        )


class DiffSFSRExpressionFromValues(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExpressionFromValues",
            display_name="Expression from Values",
            category=CATEGORY,
            description="An expression in numbers: blendshapes by name, and their distance from a neutral face.",
            **only_known(io.Schema, search_aliases=["blendshapes", "ARKit", "JSON expression"]),
            inputs=[
                io.String.Input(
                    "values",
                    multiline=True,
                    default=EXAMPLE,
                    tooltip="A JSON object of MediaPipe's blendshapes, -1 to 1; what is left out is 0. A name without "
                    "Left or Right means both sides.",
                ),
            ],
            outputs=[expression_output_wire()],
        )

    @classmethod
    def execute(cls, values: str) -> io.NodeOutput:
        return told(from_json(values, "values"))


class DiffSFSRExpressionFromFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExpressionFromFolder",
            display_name="Expression from Folder",
            category=CATEGORY,
            description="An expression from your own collection: a folder in ComfyUI's input folder with a folder for "
            "each label, photos in it. The photos are read once; later runs read only what is new.",
            **only_known(io.Schema, search_aliases=["expression library", "Emo135", "expression dataset"]),
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.Combo.Input(
                    "folder",
                    options=listed(photo_folders),
                    tooltip="A folder in ComfyUI's input folder, laid out as label/photo.jpg.",
                ),
                io.String.Input("label", default="", tooltip="The name of one of the folders in it."),
                io.Combo.Input(
                    "pick",
                    options=list(PICKS),
                    default=PICKS[1],
                    tooltip="Which of the label's photos: one by chance, or the one whose head is turned most like "
                    "that of the background, which has to be connected then.",
                ),
                io.Int.Input("seed", default=0, min=0, max=2**63 - 1, tooltip="Of the photo that is taken by chance."),
                intensity_input(),
                BackgroundType.Input(
                    "background",
                    optional=True,
                    tooltip="From Extract Background: one expression for each of its faces, by its head pose.",
                ),
            ],
            outputs=[
                expression_output_wire(),
                io.String.Output(id="photo", display_name="photo", tooltip="The photo taken, of each expression."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, folder: str | None = None, **others: object) -> str:
        """Another text when a photo came, went or changed: the host keeps results by the inputs' values alone."""
        if not folder or folder not in photo_folders():
            return "no such folder"
        stamps = photo_stamps(Path(folder_paths.get_input_directory()) / folder)
        return hashlib.sha256(json.dumps(stamps).encode("utf-8", "surrogateescape")).hexdigest()

    @classmethod
    def execute(
        cls,
        diffsfsr: Loaded,
        folder: str,
        label: str,
        pick: str,
        seed: int,
        intensity: float,
        background: Scene | None = None,
    ) -> io.NodeOutput:
        if folder not in photo_folders():  # a name is never used as a path
            raise ValueError(f'there is no folder "{folder}" in the input folder; choose one of {photo_folders()}')
        encoders = diffsfsr.ready()
        out = Path(folder_paths.get_output_directory()) / "expression_libraries" / f"{folder}.safetensors"
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"cannot make the folder {out.parent} ({error}); let ComfyUI write there") from error
        bar = comfy.utils.ProgressBar(1)
        for progress in build(Path(folder_paths.get_input_directory()) / folder, out, encoders.mesh, AT_ONCE):
            comfy.model_management.throw_exception_if_processing_interrupted()  # what was read is kept
            bar.update_absolute(progress.done, progress.of)
        library = UserLibrary.load(out)
        if pick == PICKS[0]:
            if background is None:
                raise ValueError(f'pick is "{pick}", which needs a background; connect one, or pick by chance')
            rows = [library.nearest(label, pose) for pose in background.pose]
        else:
            rows = [library.random(label, seed)]
        expression = library.expression(rows, encoders.conditioner.neutral)
        photos = ", ".join(library.photos[row] for row in rows)
        kept, left_out = len(library.photos), len(progress.rejected)
        said = f"{photos}\n{kept} photos read, {left_out} left out: see {out.with_suffix('.json').name}"
        return io.NodeOutput(on_cpu(scale(expression, intensity)), photos, ui=ui.PreviewText(said))
