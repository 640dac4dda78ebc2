"""Save, Load and Blend Identity: people kept for later, and in between of two."""

from pathlib import Path, PurePosixPath, PureWindowsPath

import folder_paths
from comfy_api.latest import io, ui

from ..models.codes import Identity
from ..models.identity.file import load_identity, save_identity
from .compat import only_known
from .load import IDENTITIES, identity_output
from .wires import CATEGORY, DiffSFSRType, IdentityType, Loaded, on_cpu

WHO = "Who the face is to be."


class DiffSFSRSaveIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRSaveIdentity",
            display_name="Save Identity",
            category=CATEGORY,
            description="Keeps a person as a small file in output/identities, for Load Identity. The file is as "
            "personal as a photo: give it away only if the person agrees.",
            **only_known(io.Schema, search_aliases=["save face", "face model", "export identity"]),
            is_output_node=True,
            inputs=[
                IdentityType.Input("identity", tooltip="From Encode Identity or Blend Identity."),
                io.String.Input(
                    "filename_prefix",
                    default="person",
                    tooltip="The file's name; a number is added, and nothing is overwritten. A folder may come first, "
                    "as in family/anna.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    def execute(cls, identity: Identity, filename_prefix: str) -> io.NodeOutput:
        path = new_file(filename_prefix, identity_output())
        save_identity(path, identity)
        return io.NodeOutput(ui=ui.PreviewText(f"saved as {path.relative_to(identity_output()).as_posix()}"))


class DiffSFSRLoadIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRLoadIdentity",
            display_name="Load Identity",
            category=CATEGORY,
            description="A person that Save Identity kept. The photos are not needed any more.",
            **only_known(io.Schema, search_aliases=["load face", "face model", "import identity"]),
            inputs=[
                io.Combo.Input(
                    "file",
                    options=folder_paths.get_filename_list(IDENTITIES),
                    tooltip="A file in output/identities or models/diffsfsr/identities. Refresh the list (R) if it "
                    "was saved just now.",
                ),
            ],
            outputs=[IdentityType.Output(id="identity", display_name="IDENTITY", tooltip=WHO)],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None) -> int | None:
        path = folder_paths.get_full_path(IDENTITIES, file) if file else None
        return Path(path).stat().st_mtime_ns if path else None

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(load_identity(kept_file(IDENTITIES, file, "identity", "Save Identity")))


class DiffSFSRBlendIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRBlendIdentity",
            display_name="Blend Identity",
            category=CATEGORY,
            description="Someone between two people. In batches, the first with the first, and so on.",
            **only_known(io.Schema, search_aliases=["mix faces", "average face", "interpolate identity"]),
            inputs=[
                DiffSFSRType.Input("diffsfsr", tooltip="From Load DiffSFSR."),
                IdentityType.Input("first", tooltip="One person."),
                IdentityType.Input("second", tooltip="The other person."),
                io.Float.Input(
                    "share",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the second person: 0 is the first alone, 1 the second alone.",
                ),
            ],
            outputs=[IdentityType.Output(id="identity", display_name="IDENTITY", tooltip=WHO)],
        )

    @classmethod
    def execute(cls, diffsfsr: Loaded, first: Identity, second: Identity, share: float) -> io.NodeOutput:
        return io.NodeOutput(on_cpu(diffsfsr.ready().recognisers.blend(first, second, share)))


def kept_file(kind: str, file: str, what: str, saver: str) -> Path:
    """One of the files that a list offers; ValueError for any other name. kind: the host's name for the folders."""
    known = folder_paths.get_filename_list(kind)
    if file not in known:  # a name is never used as a path
        others = f"; choose one of {known}, or make one" if known else ", nor any other; make one"
        raise ValueError(f'there is no {what} "{file}"{others} with {saver}')
    return Path(folder_paths.get_full_path_or_raise(kind, file))


def new_file(prefix: str, folder: str) -> Path:
    """A .safetensors file in a folder that is not there yet; ValueError for a name that leads out of the folder."""
    parts = PurePosixPath(prefix.replace("\\", "/")).parts
    if not prefix.strip() or ".." in parts or parts[0] == "/" or PureWindowsPath(prefix).drive:
        raise ValueError(f'got the name "{prefix}", want one such as "anna" or "family/anna"')
    place, name, counter, *_ = folder_paths.get_save_image_path("/".join(parts), folder)
    return Path(place) / f"{name}_{counter:05}_.safetensors"
