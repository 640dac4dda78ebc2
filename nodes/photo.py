"""Load Photo and Load Clip: the host's own loaders, with pictures of the pack's among the files to choose from."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import InputImpl, io

from ..models.pictures import read_picture
from .compat import only_known
from .folders import listed, state_of
from .pictures import to_image
from .wires import CATEGORY

EXAMPLES = Path(__file__).resolve().parents[1] / "web" / "examples"  # where the front end gets them from, too
PHOTOS = (
    "example_selfie.jpg",
    "example_calm.jpg",
    "example_man.jpg",
    "example_smile.jpg",
    "example_portrait.jpg",
    "example_group.jpg",
)
CLIPS = ("example_clip.mp4",)
NO_MASK = 64  # side of the empty mask that the host gives for a picture without transparency


class DiffSFSRPhoto(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRPhoto",
            display_name="Load Photo or Example",
            category=CATEGORY,
            description="A photo of yours, as Load Image loads it, or one of the pack's example pictures, which show "
            "people who do not exist.",
            **only_known(io.Schema, search_aliases=["load image", "selfie", "example photo", "upload picture"]),
            inputs=[
                io.Combo.Input(
                    "image",
                    options=[*PHOTOS, *own_files("image", PHOTOS)],
                    default=PHOTOS[0],
                    upload=io.UploadType.image,
                    tooltip="An example, or a file in the input folder. Upload your own with the button, or drop it "
                    "on the node.",
                ),
            ],
            outputs=[
                io.Image.Output(id="photo", display_name="IMAGE", tooltip="The picture."),
                io.Mask.Output(
                    id="mask",
                    display_name="MASK",
                    tooltip="What was painted over in the mask editor, or is transparent; empty without.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, image: str) -> bool | str:
        return found(image, PHOTOS)

    @classmethod
    def fingerprint_inputs(cls, image: str) -> str:
        return state_of(path_of(image, PHOTOS))

    @classmethod
    def execute(cls, image: str) -> io.NodeOutput:
        if is_example(image, PHOTOS):
            return io.NodeOutput(to_image(read_picture(EXAMPLES / image)[None]), torch.zeros(1, NO_MASK, NO_MASK))
        from nodes import LoadImage  # the host's

        return io.NodeOutput(*LoadImage().load_image(image))


class DiffSFSRClip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRClip",
            display_name="Load Clip or Example",
            category=CATEGORY,
            description="A video of yours, as Load Video loads it, or the pack's example, in which a person who does "
            "not exist makes a few faces.",
            **only_known(io.Schema, search_aliases=["load video", "example video", "driving video"]),
            inputs=[
                io.Combo.Input(
                    "file",
                    options=[*CLIPS, *own_files("video", CLIPS)],
                    default=CLIPS[0],
                    upload=io.UploadType.video,
                    tooltip="The example, or a file in the input folder. Upload your own with the button, or drop it "
                    "on the node.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    id="video", display_name="VIDEO", tooltip="For Get Video Components, which gives frames and sound."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        return found(file, CLIPS)

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        return state_of(path_of(file, CLIPS))

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(InputImpl.VideoFromFile(str(path_of(file, CLIPS))))


def own_files(kind: str, examples: tuple[str, ...]) -> list[str]:
    """Names of the pictures or videos in the input folder, but for those that hide an example."""
    folder = folder_paths.get_input_directory()
    files = listed(lambda: [name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name))])
    return [name for name in sorted(folder_paths.filter_files_content_types(files, [kind])) if name not in examples]


def is_example(name: str, examples: tuple[str, ...]) -> bool:
    """A user's file of that name goes before it."""
    return name in examples and not folder_paths.exists_annotated_filepath(name)


def path_of(name: str, examples: tuple[str, ...]) -> Path:
    return EXAMPLES / name if is_example(name, examples) else Path(folder_paths.get_annotated_filepath(name))


def found(name: str, examples: tuple[str, ...]) -> bool | str:
    """True, or what is wrong, as the host wants it."""
    if is_example(name, examples) or folder_paths.exists_annotated_filepath(name):
        return True
    return f'there is no file "{name}" in the input folder; choose another, or upload it'
