"""Extract Background and Paste Face Back: out of a picture and into it again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from comfy_api.latest import io, ui

from ..models.compositing import BLENDS, FEATHERED
from ..models.faces.choice import FURTHEST, PASS_THROUGH, SKIP, STOP
from ..models.faces.smoothing import smooth_faces
from .compat import only_known
from .inputs import chosen, face_inputs, given_inputs, known_faces, without_face_input
from .needed import HIDDEN, alone
from .pictures import colours, outlined, picture_at, put_back, to_image
from .progress import reporting, stoppable, warn
from .regions import checked, grown, in_crops, in_pictures, picture_masks
from .wires import CATEGORY, BackgroundType, DiffSFSRType, Loaded, Scene

if TYPE_CHECKING:
    from torch import Tensor


class DiffSFSRExtractBackground(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExtractBackground",
            display_name="Extract Background (choose face)",
            category=CATEGORY,
            description="Finds the face that is to be replaced. Everything around it stays: head pose, hair, clothes, "
            "light and surroundings come from this picture.",
            **only_known(io.Schema, search_aliases=["find face", "face crop", "face mask", "inpaint face"]),
            is_output_node=True,
            hidden=HIDDEN,
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.Image.Input(
                    "image",
                    tooltip="A picture with a person in it, a photo or one that another model made. In a batch, each "
                    "picture must have a face, unless without_face says otherwise.",
                ),
                *face_inputs(several=True),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What is to be painted anew, in place of the face that was found; white is replaced. Keep "
                    "out of it what must stay, such as hair or glasses in front of the face. Of the picture's size, or "
                    "of the crop's.",
                ),
                without_face_input(
                    (STOP, PASS_THROUGH, SKIP),
                    "What to do with a picture of a batch that shows no such face: stop with an error, pass it through "
                    "as it is, for video frames, or skip it, which leaves it out.",
                ),
                *given_inputs(),
                io.Float.Input(
                    "smoothing",
                    default=0.0,
                    min=0.0,
                    max=10.0,
                    step=0.5,
                    optional=True,
                    tooltip="For video frames: steadies where the face is and how it is turned over so many frames "
                    "before and after. 0 is off, 1 or 2 take the jitter out, more lags behind quick movements.",
                    **only_known(io.Float.Input, advanced=True),
                ),
                io.Int.Input(
                    "grow",
                    default=0,
                    min=-64,
                    max=64,
                    optional=True,
                    tooltip="Makes what is painted anew wider by so many pixels of the crop on all sides, or narrower "
                    "below 0.",
                    **only_known(io.Int.Input, advanced=True),
                ),
            ],
            outputs=[
                BackgroundType.Output(id="background", display_name="BACKGROUND", tooltip="Where the face goes."),
                io.Image.Output(
                    id="crop", display_name="crop", tooltip="The faces as they were cut out, in the model's frame."
                ),
                io.Mask.Output(
                    id="face_mask", display_name="mask", tooltip="What is painted anew, white, in the crops."
                ),
                io.Mask.Output(
                    id="picture_mask",
                    display_name="picture mask",
                    tooltip="What is painted anew, white, in the pictures, for other nodes that mask or inpaint.",
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
        mask: Tensor | None = None,
        without_face: str = STOP,
        face_landmarks: dict | None = None,
        bboxes: dict | list | None = None,
        smoothing: float = 0.0,
        grow: int = 0,
    ) -> io.NodeOutput:
        image = colours(image, "background picture").cpu()
        encoders = diffsfsr.ready()
        size = encoders.frame.size
        own, in_crop = (None, False) if mask is None else checked(mask, image, size)
        of_pictures = None if own is None or in_crop else in_pictures(own, image)
        known = known_faces(encoders.mesh, image, face_landmarks, bboxes)
        choose, what = chosen(face, face_number), "background picture"
        known = reporting(known, len(image))
        found = encoders.find(
            partial(picture_at, image), len(image), choose, what, without_face, known, True, FURTHEST, warn
        )
        found = smooth_faces(found, smoothing, stoppable(sum(map(len, found))))
        if without_face == SKIP:
            shown = [i for i, faces in enumerate(found) if faces]
            image, found = image[shown], [found[i] for i in shown]
            of_pictures = None if of_pictures is None else of_pictures[shown]
        cut = encoders.cut_out(reporting(partial(picture_at, image), len(image)), found, of_pictures)
        inner = in_crops(own, len(cut.index), size) if in_crop else cut.mask
        cut = replace(cut, mask=grown(inner, grow))
        scene = Scene(**vars(cut), image=image, loaded=diffsfsr)
        crops, masks = to_image(scene.crop), scene.mask[:, 0]
        shown = ui.PreviewImage(outlined(crops, masks), cls=cls)
        return io.NodeOutput(scene, crops, masks, picture_masks(scene), ui=shown)


class DiffSFSRPasteFaceBack(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRPasteFaceBack",
            display_name="Paste Face Back",
            category=CATEGORY,
            description="Puts generated faces back into the pictures that they were cut out of, with matched colours "
            "and a soft border. An upscaler or another model may work on the face first.",
            **only_known(io.Schema, search_aliases=["composite face", "paste crop", "stitch", "seamless"]),
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="Faces in the frame that Extract Background cut out, at its size or larger. With several "
                    "faces in the background, one for each of them; else any number.",
                ),
                BackgroundType.Input("background", tooltip="From Extract Background."),
                io.Combo.Input(
                    "blend",
                    options=list(BLENDS),
                    default=FEATHERED,
                    optional=True,
                    tooltip="How the border is hidden: feather fades the face out; poisson also bends its colours to "
                    "those all along the border, where light or tint differ from side to side. It needs OpenCV, and "
                    "hair beside a face may darken it.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    id="pasted",
                    display_name="image",
                    tooltip="The pictures with the new faces; outside of the mask not a bit is changed.",
                ),
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, background: Scene, blend: str = FEATHERED) -> io.NodeOutput:
        return io.NodeOutput(put_back(image, background, blend))
