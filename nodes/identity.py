"""Encode Identity: who the face is to be."""

from comfy_api.latest import io, ui
from torch import Tensor

from ..models.faces.choice import SKIP, STOP
from .compat import only_known
from .inputs import chosen, face_inputs, given_inputs, known_faces, without_face_input
from .needed import HIDDEN, alone
from .pictures import from_image, to_image
from .progress import reporting, warn
from .wires import CATEGORY, DiffSFSRType, IdentityType, Loaded, on_cpu


class DiffSFSREncodeIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSREncodeIdentity",
            display_name="Encode Identity (selfie)",
            category=CATEGORY,
            description="Reads who a person is from one or more photos. More photos of the same person, as a batch, "
            "give a better likeness than one. Best is a calm face beside a smile.",
            **only_known(io.Schema, search_aliases=["face swap", "selfie", "face embedding", "likeness"]),
            is_output_node=True,
            hidden=HIDDEN,
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.Image.Input("image", tooltip="Photos of one person; a batch is merged into one identity."),
                *face_inputs(),
                *given_inputs(),
                without_face_input(
                    (STOP, SKIP),
                    "What to do with a photo of a batch that shows no such face: stop with an error, or skip it.",
                ),
            ],
            outputs=[
                IdentityType.Output(id="identity", display_name="IDENTITY", tooltip="Who the face is to be."),
                io.Image.Output(
                    id="aligned",
                    display_name="aligned face",
                    tooltip="The faces as the recogniser saw them, 112 px each: check that the right person was found.",
                ),
            ],
        )

    @classmethod
    @alone
    def execute(
        cls,
        diffsfsr: Loaded,
        image: Tensor,
        face: str,
        face_number: int,
        face_landmarks: dict | None = None,
        bboxes: dict | list | None = None,
        without_face: str = STOP,
    ) -> io.NodeOutput:
        encoders, pictures = diffsfsr.ready(), list(from_image(image, "identity photo"))
        known = reporting(known_faces(encoders.mesh, image, face_landmarks, bboxes), len(pictures))
        identity, faces = encoders.identity(pictures, chosen(face, face_number), known, without_face, warn)
        aligned = to_image(faces)
        return io.NodeOutput(on_cpu(identity), aligned, ui=ui.PreviewImage(aligned, cls=cls))
