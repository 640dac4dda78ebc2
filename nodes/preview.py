"""The face itself while it is sampled, a few times, in place of the host's preview of one pixel for each latent.

At the end it is the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import comfy.model_management
import comfy.utils
import latent_preview
from comfy.cli_args import LatentPreviewMethod, args
from torch import Tensor

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher
    from comfy.sd import VAE

TIMES = 4  # faces at most that are decoded for a run; one at least, halfway
APART = 10  # steps, of longer runs; a face costs about as much as 1.2 of them (docs/speed.md)


def previewing(model: ModelPatcher, vae: VAE | None, steps: int) -> Callable[[int, Tensor, Tensor, int], None]:
    """The sampler's callback: progress at each of the steps, and at some of them the first face as it is by then.

    Nothing is shown where the host is told to show nothing. In a single step, and where the decoder has no room beside
    the model, which would have to make way in the middle of its work, it is the host's own preview.
    """
    own, shown = latent_preview.prepare_callback(model, steps), shown_at(steps)
    if vae is None or not shown or args.preview_method == LatentPreviewMethod.NoPreviews:
        return own
    progress = comfy.utils.ProgressBar(steps)

    def show(step: int, x0: Tensor, x: Tensor, total: int) -> None:
        first = model.model.latent_format.process_out(x0[:1])  # raw latents, as the VAE has them
        if not has_room(vae, first):
            own(step, x0, x, total)
            return
        picture = None
        if step + 1 in shown:
            face = vae.decode(first.float())[0]
            picture = (
                "JPEG",
                latent_preview.preview_to_image(face, do_scale=False),
                args.preview_size,
            )
        progress.update_absolute(step + 1, total, picture)

    return show


def shown_at(steps: int) -> set[int]:
    """After which of so many steps a face is decoded, spread evenly; the last one is no preview any more."""
    times = min(TIMES, max(1, steps // APART), steps - 1)
    return {round(steps * (i + 1) / (times + 1)) for i in range(times)}


def show_result(images: Tensor) -> None:
    """The first of the finished pictures, IMAGE (B, H, W, 3), as it is: the host keeps the last that is shown."""
    if args.preview_method != LatentPreviewMethod.NoPreviews:
        picture = latent_preview.preview_to_image(images[0], do_scale=False)
        comfy.utils.ProgressBar(1).update_absolute(1, 1, ("JPEG", picture, None))


def has_room(vae: VAE, latents: Tensor) -> bool:
    """Whether the host can load and run a VAE for these latents without moving anything else out."""
    needed = vae.memory_used_decode(latents.shape, vae.vae_dtype) + comfy.model_management.module_size(
        vae.first_stage_model
    )
    free = comfy.model_management.get_free_memory(vae.device)
    return free > 1.2 * needed + comfy.model_management.minimum_inference_memory()
