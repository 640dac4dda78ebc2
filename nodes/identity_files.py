"""Save, Load and Blend Identity: people kept for later, and in between of two."""

from dataclasses import replace

from comfy_api.latest import io, ui
from torch import stack

from ..models.codes import Identity
from ..models.identity.recognisers import blend
from .compat import only_known
from .kept import IDENTITY, LoadCode, SaveCode, file_input, prefix_input
from .pictures import to_image
from .progress import warn
from .wires import CATEGORY, DiffSFSRType, IdentityType, Loaded, on_cpu

WHO = "Who the face is to be."


class DiffSFSRSaveIdentity(SaveCode):
    kind = IDENTITY

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
                prefix_input("person", "family/anna"),
                io.Boolean.Input(
                    "appearance",
                    default=True,
                    optional=True,
                    tooltip="Keeps the photos' faces in the file, 1.2 MB each, which finished faces get their pixels "
                    "from: the file then holds pictures of the person. Off leaves numbers alone.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    def execute(cls, identity: Identity, filename_prefix: str, appearance: bool = True) -> io.NodeOutput:
        kept = identity if appearance else replace(identity, appearances=())
        return super().execute(filename_prefix, identity=kept)


class DiffSFSRLoadIdentity(LoadCode):
    kind = IDENTITY

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRLoadIdentity",
            display_name="Load Identity",
            category=CATEGORY,
            description="A person that Save Identity kept. The photos are not needed any more.",
            **only_known(io.Schema, search_aliases=["load face", "face model", "import identity"]),
            inputs=[file_input(IDENTITY)],
            outputs=[IdentityType.Output(id="identity", display_name="IDENTITY", tooltip=WHO)],
        )

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """On the node the person's photos, where the file has them."""
        (identity,) = super().execute(file).args
        photos = [photo for own in identity.appearances for photo in own.photos]
        return io.NodeOutput(identity, ui=ui.PreviewImage(to_image(stack(photos)), cls=cls) if photos else None)


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
                DiffSFSRType.Input(
                    "diffsfsr",
                    optional=True,
                    tooltip="From Load DiffSFSR; may be left off. Wired, it refuses people who were encoded for "
                    "another checkpoint.",
                ),
            ],
            outputs=[IdentityType.Output(id="identity", display_name="IDENTITY", tooltip=WHO)],
        )

    @classmethod
    def execute(cls, first: Identity, second: Identity, share: float, diffsfsr: Loaded | None = None) -> io.NodeOutput:
        between = (blend if diffsfsr is None else diffsfsr.ready().recognisers.blend)(first, second, share)
        if not between.appearances and (first.appearances or second.appearances):
            warn("one of the two was kept without photos, so the face between them gets no photo's pixels")
        return io.NodeOutput(on_cpu(between))
