"""Batch Identities and Batch Expressions: several people, or several expressions, in one run of one sampler."""

from comfy_api.latest import io

from ..models.codes import Expression, Identity, join_expressions, join_identities
from .compat import only_known
from .progress import warn
from .wires import CATEGORY, ExpressionType, IdentityType, on_cpu

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
ONE_EACH = (
    "A background with one face gives a picture for each; with several faces, from the left, one for each of them."
)


def code_inputs(kind: type, tooltip: str) -> list[io.Input]:
    """Two that have to be wired, and more that need not be."""
    return [
        kind.Input(name, optional=i > 1, tooltip=tooltip if i == 0 else f"The {name} of the batch.")
        for i, name in enumerate(ORDINALS)
    ]


class DiffSFSRBatchIdentities(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRBatchIdentities",
            display_name="Batch Identities",
            category=CATEGORY,
            description="Up to eight people as a batch, for one sampler. " + ONE_EACH,
            **only_known(io.Schema, search_aliases=["several people", "combine identities", "group", "list of faces"]),
            inputs=code_inputs(IdentityType, "The first of the batch. Each may be a batch itself."),
            outputs=[IdentityType.Output(id="identities", display_name="IDENTITY", tooltip="All of them, in order.")],
        )

    @classmethod
    def execute(cls, first: Identity, second: Identity, **others: Identity) -> io.NodeOutput:
        every = [first, second, *(others[name] for name in ORDINALS if others.get(name) is not None)]
        joined = join_identities(every)
        if not joined.appearances and any(each.appearances for each in every):
            warn("one of the people was kept without photos, so no face of this batch gets a photo's pixels")
        return io.NodeOutput(on_cpu(joined))


class DiffSFSRBatchExpressions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRBatchExpressions",
            display_name="Batch Expressions",
            category=CATEGORY,
            description="Up to eight expressions as a batch, for one sampler. " + ONE_EACH,
            **only_known(io.Schema, search_aliases=["several expressions", "contact sheet", "list of emotions"]),
            inputs=code_inputs(ExpressionType, "The first of the batch. Each may be a batch itself."),
            outputs=[
                ExpressionType.Output(id="expressions", display_name="EXPRESSION", tooltip="All of them, in order.")
            ],
        )

    @classmethod
    def execute(cls, first: Expression, second: Expression, **others: Expression) -> io.NodeOutput:
        every = [first, second, *(others[name] for name in ORDINALS if others.get(name) is not None)]
        return io.NodeOutput(on_cpu(join_expressions(every)))
