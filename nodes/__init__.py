"""The pack's nodes: thin; they convert, call models/, and convert back. What is heavy is imported when a node runs."""

import logging

from comfy_api.latest import ComfyExtension, io


class DiffSFSRExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        try:
            nodes = list_nodes()
        except Exception:
            logging.exception("DiffSFSR cannot load its nodes")  # the host would log one line without the place
            raise
        serve()
        return nodes


def serve() -> None:
    """Where a server runs, it answers the pack's own front end; without one nothing is lost but that."""
    from server import PromptServer

    from .routes import register

    if (running := getattr(PromptServer, "instance", None)) is not None:
        register(running.routes)


def list_nodes() -> list[type[io.ComfyNode]]:
    from .animate import DiffSFSRAnimateExpression
    from .background import DiffSFSRExtractBackground, DiffSFSRPasteFaceBack
    from .batches import DiffSFSRBatchExpressions, DiffSFSRBatchIdentities
    from .conditioning import DiffSFSRConditioning
    from .expression import DiffSFSRExpressionByLabel, DiffSFSRExpressionByText, DiffSFSRExpressionFromImage
    from .expression_edit import DiffSFSREditExpression, DiffSFSRMixExpressions, DiffSFSRTravelExpressions
    from .expression_files import (
        DiffSFSRExpressionFromFolder,
        DiffSFSRExpressionFromValues,
        DiffSFSRLoadExpression,
        DiffSFSRSaveExpression,
    )
    from .finish import DiffSFSRFinish
    from .folders import register_folders
    from .guidance import DiffSFSRGuider
    from .identity import DiffSFSREncodeIdentity
    from .identity_files import DiffSFSRBlendIdentity, DiffSFSRLoadIdentity, DiffSFSRSaveIdentity
    from .load import DiffSFSRLoad
    from .photo import DiffSFSRClip, DiffSFSRPhoto
    from .report import DiffSFSRFaceReport
    from .sampling import DiffSFSRSampler
    from .save import DiffSFSRSavePortrait

    register_folders()
    return [
        DiffSFSRLoad,
        DiffSFSRPhoto,
        DiffSFSRClip,
        DiffSFSREncodeIdentity,
        DiffSFSRSaveIdentity,
        DiffSFSRLoadIdentity,
        DiffSFSRBlendIdentity,
        DiffSFSRBatchIdentities,
        DiffSFSRExpressionByLabel,
        DiffSFSRExpressionByText,
        DiffSFSRExpressionFromImage,
        DiffSFSRExpressionFromFolder,
        DiffSFSRExpressionFromValues,
        DiffSFSRSaveExpression,
        DiffSFSRLoadExpression,
        DiffSFSREditExpression,
        DiffSFSRMixExpressions,
        DiffSFSRTravelExpressions,
        DiffSFSRAnimateExpression,
        DiffSFSRBatchExpressions,
        DiffSFSRExtractBackground,
        DiffSFSRConditioning,
        DiffSFSRGuider,
        DiffSFSRSampler,
        DiffSFSRFinish,
        DiffSFSRPasteFaceBack,
        DiffSFSRFaceReport,
        DiffSFSRSavePortrait,
    ]
