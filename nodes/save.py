"""Save Portrait: pictures that say of themselves that they are AI-generated, and by which model."""

import json
from pathlib import Path

import folder_paths
from comfy.cli_args import args
from comfy_api.latest import io, ui
from torch import Tensor

from ..models.pictures import save_generated, to_pil
from .compat import only_known
from .folders import check_prefix
from .pictures import colours, picture_at
from .wires import CATEGORY, DiffSFSRType, Loaded


class DiffSFSRSavePortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRSavePortrait",
            display_name="Save Portrait",
            category=CATEGORY,
            description="Saves pictures as PNG files whose metadata say that they are AI-generated and by which model, "
            "beside the workflow. Websites and programs that look for such a mark find it.",
            **only_known(io.Schema, search_aliases=["save image", "metadata", "provenance", "AI label", "watermark"]),
            is_output_node=True,
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR; its model is the one that is named."),
                io.Image.Input("images", tooltip="The pictures to save."),
                io.String.Input(
                    "filename_prefix",
                    default="portrait",
                    tooltip="How the files' names begin, in the output folder; a folder may come first, and ComfyUI's "
                    "placeholders for dates and inputs work, as in Save Image.",
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def execute(cls, diffsfsr: Loaded, images: Tensor, filename_prefix: str) -> io.NodeOutput:
        prefix = check_prefix(filename_prefix)
        colours(images[:1], "picture")  # no batch without one
        # all that is written comes from this node's own inputs, so that it is there too when the others were cached
        graph = {"prompt": cls.hidden.prompt, **(cls.hidden.extra_pnginfo or {})}
        texts = {} if args.disable_metadata else {key: json.dumps(value) for key, value in graph.items() if value}
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            prefix, folder_paths.get_output_directory(), images.shape[2], images.shape[1]
        )
        saved = []
        for i in range(len(images)):
            file = f"{name.replace('%batch_num%', str(i))}_{counter + i:05}_.png"
            save_generated(Path(folder) / file, to_pil(picture_at(images, i)), diffsfsr.name, texts)
            saved.append(ui.SavedResult(file, subfolder, io.FolderType.output))
        return io.NodeOutput(ui=ui.SavedImages(saved))
