"""Face Report: how much alike two faces are, by the pack's own eyes."""

import torch.nn.functional as F
from comfy_api.latest import io, ui
from torch import Tensor

from ..models.comparison import Difference, compare
from ..models.encoders import Encoders
from .compat import only_known
from .inputs import chosen, face_inputs
from .pictures import from_image
from .progress import stoppable
from .wires import CATEGORY, DiffSFSRType, Loaded


def compare_pictures(
    encoders: Encoders, one: Tensor, other: Tensor, choose: str, number: str
) -> tuple[Difference, float | None]:
    """Two pictures (3, H, W) in [-1, 1]; number is that of the pair, for messages.

    returns  their difference; the cosine by an insightface pack's recogniser, None without one
    """
    pictures = {f"first picture {number}": one, f"second picture {number}": other}
    faces = [encoders.faces(picture, choose, what)[0] for what, picture in pictures.items()]
    read = [
        encoders.identity([picture], known=[[face]].__getitem__)
        for picture, face in zip((one, other), faces, strict=True)
    ]
    by_pack = (
        None if encoders.comparer is None else float(F.cosine_similarity(*(encoders.comparer(x) for _, x in read)))
    )
    codes = tuple(identity.code for identity, _ in read)
    blendshapes, poses = (tuple(getattr(face, name) for face in faces) for name in ("blendshapes", "pose"))
    return compare(codes, blendshapes, poses), by_pack


class DiffSFSRFaceReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRFaceReport",
            display_name="Face Report (likeness)",
            category=CATEGORY,
            description="Compares two faces: is it the same person, the same expression, the same head pose? Against "
            "the selfie it tells the likeness of a result, against the background the head pose.",
            **only_known(
                io.Schema, search_aliases=["face similarity", "compare faces", "face distance", "insightface"]
            ),
            is_output_node=True,
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.Image.Input("first", tooltip="A picture with a face."),
                io.Image.Input("second", tooltip="Another one; in batches, each is compared with its counterpart."),
                *face_inputs(),
            ],
            outputs=[
                io.String.Output(id="report", display_name="report", tooltip="All of it in words, one line a pair."),
                io.Float.Output(
                    id="similarity",
                    display_name="similarity",
                    tooltip="1 is the same identity code; two people are far below. The mean over a batch.",
                ),
                io.Float.Output(
                    id="expression_difference",
                    display_name="expression difference",
                    tooltip="Mean difference of the blendshapes that count, 0 to 1. The mean over a batch.",
                ),
                io.Float.Output(
                    id="pose_difference",
                    display_name="pose difference",
                    tooltip="Mean difference of yaw, pitch and roll in degrees. The mean over a batch.",
                ),
            ],
        )

    @classmethod
    def execute(cls, diffsfsr: Loaded, first: Tensor, second: Tensor, face: str, face_number: int) -> io.NodeOutput:
        ones, others = from_image(first, "first picture"), from_image(second, "second picture")
        count = max(len(ones), len(others))
        if not {len(ones), len(others)} <= {1, count}:
            raise ValueError(
                f"got {len(ones)} pictures to compare with {len(others)}, want as many, or one on one side"
            )
        encoders, choose = diffsfsr.ready(), chosen(face, face_number)
        lines, numbers, at = [], [], stoppable(count)
        for i in range(count):
            at(i)
            one, other = ones[min(i, len(ones) - 1)], others[min(i, len(others) - 1)]
            found, by_pack = compare_pictures(encoders, one, other, choose, f"{i + 1} of {count}")
            yaw, pitch, roll = found.turn.tolist()
            lines.append(
                f"similarity {found.cosine:.3f}, "
                + (f"by the insightface pack {by_pack:.3f}, " if by_pack is not None else "")
                + f"expression difference {found.expression:.3f}, "
                f"turned by {yaw:+.1f}° yaw, {pitch:+.1f}° pitch, {roll:+.1f}° roll"
            )
            numbers.append((found.cosine, found.expression, float(found.turn.abs().mean())))
        if count > 1:
            lines = [f"{i + 1}: {line}" for i, line in enumerate(lines)]
        means = [sum(column) / count for column in zip(*numbers, strict=True)]
        text = "\n".join(lines)
        return io.NodeOutput(text, *means, ui=ui.PreviewText(text))
