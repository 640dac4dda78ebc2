"""Extract Background and Paste Face Back: out of a picture and into it again."""

from comfy_api.latest import io
from torch import Tensor

from .faces import chosen, face_inputs
from .pictures import colours, from_image, from_mask, put_back, to_image
from .types import CATEGORY, BackgroundType, DiffSFSRType, Loaded, Scene


class DiffSFSRExtractBackground(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRExtractBackground",
            display_name="Extract Background",
            category=CATEGORY,
            description="Finds the face that is to be replaced. Everything around it stays: head pose, hair, clothes, "
            "light and surroundings come from this picture.",
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                io.Image.Input(
                    "image",
                    tooltip="A picture with a person in it, a photo or one that another model made. In a batch, each "
                    "picture must have a face.",
                ),
                *face_inputs(several=True),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What is to be painted anew, in place of the face that was found; white is replaced. Keep "
                    "out of it what must stay, such as hair or glasses in front of the face.",
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
        cls, diffsfsr: Loaded, image: Tensor, face: str, face_number: int, mask: Tensor | None = None
    ) -> io.NodeOutput:
        pictures = from_image(image, "background picture")
        own = None if mask is None else from_mask(mask, pictures)
        background = diffsfsr.ready().background(pictures, chosen(face, face_number), own)
        scene = Scene.of(background, colours(image, "background picture").cpu())
        return io.NodeOutput(scene, to_image(scene.crop), scene.mask[:, 0])


class DiffSFSRPasteFaceBack(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRPasteFaceBack",
            display_name="Paste Face Back",
            category=CATEGORY,
            description="Puts generated faces back into the pictures that they were cut out of, with matched colours "
            "and a soft border. An upscaler or another model may work on the face first.",
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
