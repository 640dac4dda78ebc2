"""Save Portrait: pictures that say of themselves that they are AI-generated, and by which model."""

import json
from pathlib import Path

import folder_paths
from comfy.cli_args import args
from comfy_api.latest import io, ui
from torch import Tensor

from ..models.network.checkpoint import read_config
from ..models.pictures import save_generated, to_pil
from .compat import only_known
from .folders import check_prefix
from .load import find
from .pictures import colours, picture_at
from .placeholders import filled
from .progress import warn
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
                io.Image.Input("images", tooltip="The pictures to save."),
                io.String.Input(
                    "filename_prefix",
                    default="portrait",
                    tooltip="How the files' names begin, in the output folder; a folder may come first, and "
                    "placeholders work, as in Save Image: %date:yyyy-MM-dd%, %width%, %Node.widget%.",
                ),
                DiffSFSRType.Input(
                    "diffsfsr",
                    optional=True,
                    tooltip="From Load DiffSFSR; its model is the one that is named. Left off, the Load DiffSFSR that "
                    "the pictures come from is looked for in the workflow.",
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, images: Tensor, filename_prefix: str, diffsfsr: Loaded | None = None) -> io.NodeOutput:
        check_prefix(filename_prefix)
        colours(images[:1], "picture")  # no batch without one
        name = model_before(cls.hidden.prompt, cls.hidden.unique_id) if diffsfsr is None else diffsfsr.name
        workflow = (cls.hidden.extra_pnginfo or {}).get("workflow")
        named, unknown = filled(filename_prefix, cls.hidden.prompt, workflow)
        if unknown:
            warn(f"{', '.join(unknown)} in filename_prefix mean nothing here, want %date:yyyy-MM-dd% or %Node.widget%")
        prefix = check_prefix(named)
        # all that is written comes from this node's own inputs, so that it is there too when the others were cached
        graph = {"prompt": cls.hidden.prompt, **(cls.hidden.extra_pnginfo or {})}
        texts = {} if args.disable_metadata else {key: json.dumps(value) for key, value in graph.items() if value}
        folder, beginning, counter, subfolder, _ = folder_paths.get_save_image_path(
            prefix, folder_paths.get_output_directory(), images.shape[2], images.shape[1]
        )
        saved = []
        for i in range(len(images)):
            file = f"{beginning.replace('%batch_num%', str(i))}_{counter + i:05}_.png"
            save_generated(Path(folder) / file, to_pil(picture_at(images, i)), name, texts)
            saved.append(ui.SavedResult(file, subfolder, io.FolderType.output))
        return io.NodeOutput(ui=ui.SavedImages(saved))


def model_before(prompt: dict, node: str) -> str:
    """Name of the model of the Load DiffSFSR from which a node of the graph gets its pictures; ValueError without one.

    Of several, the nearest.
    """
    seen, ahead = set(), [str(node)]
    for number in ahead:  # it grows
        step = prompt.get(number, {"inputs": {}})
        checkpoint = step["inputs"].get("checkpoint")
        if step.get("class_type") == "DiffSFSRLoad" and isinstance(checkpoint, str):
            return read_config(find(checkpoint)).name
        for value in step["inputs"].values():
            if isinstance(value, list) and len(value) == 2 and str(value[0]) not in seen:
                seen.add(str(value[0]))
                ahead.append(str(value[0]))
    raise ValueError("no Load DiffSFSR comes before these pictures, so no model can be named: connect its DIFFSFSR")
