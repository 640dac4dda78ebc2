"""Extract Background and Paste Face Back: out of a picture and into it again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io

from .compat import only_known
from .faces import chosen, face_inputs
from .pictures import colours, from_image, from_mask, put_back, to_image
from .types import CATEGORY, BackgroundType, DiffSFSRType, Loaded, Scene

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.codes import Background
    from ..models.encoders import Encoders

STOP = "stop"
WITHOUT_FACE = (STOP, "pass through")


class DiffSFSRExtractBackground(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExtractBackground",
            display_name="Extract Background",
            category=CATEGORY,
            description="Finds the face that is to be replaced. Everything around it stays: head pose, hair, clothes, "
            "light and surroundings come from this picture.",
            **only_known(io.Schema, search_aliases=["find face", "face crop", "face mask", "inpaint face"]),
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
                    "out of it what must stay, such as hair or glasses in front of the face.",
                ),
                io.Combo.Input(
                    "without_face",
                    options=list(WITHOUT_FACE),
                    default=STOP,
                    optional=True,
                    tooltip="What to do with a picture of a batch that shows no face: stop with an error, or pass it "
                    "through as it is, for video frames.",
                    **only_known(io.Combo.Input, advanced=True),
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
            ],
        )

    @classmethod
    def execute(
        cls,
        diffsfsr: Loaded,
        image: Tensor,
        face: str,
        face_number: int,
        mask: Tensor | None = None,
        without_face: str = STOP,
    ) -> io.NodeOutput:
        if without_face not in WITHOUT_FACE:
            raise ValueError(f'got without_face "{without_face}", want one of {", ".join(WITHOUT_FACE)}')
        pictures = from_image(image, "background picture")
        own = None if mask is None else from_mask(mask, pictures)
        encoders, choose = diffsfsr.ready(), chosen(face, face_number)
        if without_face == STOP:
            background = encoders.background(pictures, choose, own)
        else:
            background = faces_among(encoders, pictures, choose, own)
        scene = Scene.of(background, colours(image, "background picture").cpu())
        return io.NodeOutput(scene, to_image(scene.crop), scene.mask[:, 0])


def faces_among(encoders: Encoders, pictures: Tensor, choose: str, mask: Tensor | None) -> Background:
    """encoders.background for pictures (P, 3, H, W) of which some show no face; all of them stay in the result."""
    shown = torch.tensor([bool(encoders.mesh.find(picture.to(encoders.device), limit=1)) for picture in pictures])
    if not shown.any():
        shown[:] = True  # so that the error below is said in the usual words
    background = encoders.background(pictures[shown], choose, None if mask is None else mask[shown])
    return replace(background, pictures=pictures, index=shown.nonzero().flatten()[background.index])


class DiffSFSRPasteFaceBack(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRPasteFaceBack",
            display_name="Paste Face Back",
            category=CATEGORY,
            description="Puts generated faces back into the pictures that they were cut out of, with matched colours "
            "and a soft border. An upscaler or another model may work on the face first.",
            **only_known(io.Schema, search_aliases=["composite face", "paste crop", "stitch"]),
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="Faces in the frame that Extract Background cut out, at its size or larger. With several "
                    "faces in the background, one for each of them; else any number.",
                ),
                BackgroundType.Input("background", tooltip="From Extract Background."),
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
    def execute(cls, image: Tensor, background: Scene) -> io.NodeOutput:
        return io.NodeOutput(put_back(image, background))
