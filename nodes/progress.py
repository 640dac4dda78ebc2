"""Progress bars in the front end, and its button that stops a run, for work that is done piece by piece."""

import logging
from collections.abc import Callable
from typing import TypeVar

import comfy.model_management
import comfy.utils
from comfy_execution.utils import get_executing_context
from server import PromptServer
from torch import Tensor, cat

Answer = TypeVar("Answer")


def warn(text: str) -> None:
    """Say something on the node that is being executed, and in the log; the run goes on."""
    logging.warning(text)
    context = get_executing_context()
    if context is not None and getattr(PromptServer, "instance", None) is not None:
        PromptServer.instance.send_progress_text(f"Warning: {text}", context.node_id)


def stoppable(count: int) -> Callable[[int], None]:
    """To be called at each of `count` pieces: it shows the progress, and users can stop the run there."""
    progress = comfy.utils.ProgressBar(count)

    def at(i: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        progress.update_absolute(i)

    return at


def reporting(answer: Callable[[int], Answer], count: int) -> Callable[[int], Answer]:
    """What is asked for something of each of `count` pictures, in their order, made stoppable."""
    at = stoppable(count)

    def ask(i: int) -> Answer:
        at(i)
        return answer(i)

    return ask


def in_parts(work: Callable[[Tensor], Tensor], batch: Tensor, size: int) -> Tensor:
    """`work` on a batch in parts of `size`, made stoppable; a batch of one part shows no progress."""
    parts = batch.split(size)
    at = stoppable(len(parts)) if len(parts) > 1 else lambda i: None
    return cat([work(part) for i, part in enumerate(parts) if at(i) is None])
