"""DiffSFSR for ComfyUI: identity, expression and background of a face, controlled separately and at once.

Nothing is imported here, so that the host starts fast and training runs without ComfyUI.
"""

WEB_DIRECTORY = "./web"  # help pages; the front end asks for them under the folder's name, pyproject's is the project's


async def comfy_entrypoint():
    """Called by ComfyUI; returns the pack's extension."""
    from .nodes import DiffSFSRExtension

    return DiffSFSRExtension()
