"""DiffSFSR for ComfyUI: identity, expression and background of a face, controlled separately and at once.

Nothing is imported here, so that the host starts fast and training runs without ComfyUI.
"""


async def comfy_entrypoint():
    """Called by ComfyUI; returns the pack's extension."""
    from .nodes import DiffSFSRExtension

    return DiffSFSRExtension()
