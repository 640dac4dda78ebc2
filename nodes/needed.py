"""Nodes that run by themselves, to show something: what is wrong with them stops a run only where others wait for it.

The host runs such a node although no wire leads on from it, and one error ends the whole run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from comfy_api.latest import io

from .progress import warn

# what define_schema() has to ask for
HIDDEN = [io.Hidden.prompt, io.Hidden.unique_id]


def alone(execute: Callable[..., io.NodeOutput]) -> Callable[..., io.NodeOutput]:
    """execute() of such a node: a ValueError is told on the node where nothing else waits for it.

    The host keeps what comes out. Where a wire is drawn from it later, what waits for it is told the same.
    """

    @functools.wraps(execute)
    def run(cls: type[io.ComfyNode], **inputs: object) -> io.NodeOutput:
        try:
            return execute(cls, **inputs)
        except ValueError as error:
            hidden = cls.hidden  # None where the host does not run it
            if hidden is None or needed(hidden.prompt, hidden.unique_id):
                raise
            warn(str(error))
            return io.NodeOutput(None, block_execution=str(error))

    run.is_alone = True
    return run


def needed(prompt: dict, node: str) -> bool:
    """Whether a node of the graph that saves or shows something of its own waits for this one."""
    from nodes import NODE_CLASS_MAPPINGS

    if str(node) not in prompt:  # one that another node has put in while it ran
        return True
    seen, ahead = {str(node)}, [str(node)]
    for number in ahead:  # it grows
        for other, step in prompt.items():
            sources = (value[0] for value in step["inputs"].values() if isinstance(value, list) and len(value) == 2)
            if other in seen or number not in map(str, sources):
                continue
            kind = NODE_CLASS_MAPPINGS.get(step["class_type"])
            if getattr(kind, "OUTPUT_NODE", False) and not hasattr(getattr(kind, "execute", None), "is_alone"):
                return True
            seen.add(other)
            ahead.append(other)
    return False
