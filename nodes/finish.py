"""Finish Face: painted faces with the pixels of a photo, under the light of their scene."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from comfy_api.latest import io
from torch import cat

from ..models.appearance.finish import Wish, can_finish, count_faces
from ..models.codes import Expression, Identity
from .compat import only_known
from .conditioning import EXPRESSION_TIP, IDENTITY_TIP
from .pictures import check_crops, from_image, picture_at, to_image
from .progress import stoppable
from .wires import CATEGORY, BackgroundType, ExpressionType, IdentityType, Loaded, Scene, carried, carried_input

if TYPE_CHECKING:
    from torch import Tensor


def wish_inputs() -> list[io.Input]:
    advanced = only_known(io.Float.Input, advanced=True)
    return [
        _share(
            "appearance", "How much of the face comes from the photo's own pixels; 0 leaves it as the model painted it."
        ),
        _share("shape", "Whose outline the face has: 0 is that of the background's face, 1 the person's.", **advanced),
        io.Int.Input(
            "detail",
            default=Wish.detail,
            min=0,
            max=8,
            optional=True,
            tooltip="Pixels of the finished face for each that the model paints; a face gets 1024 at most. 0: as many "
            "as the picture has, 4 or 8; of more than 8 faces, as in a video, 4.",
            **only_known(io.Int.Input, advanced=True),
        ),
        _share(
            "retouch",
            "How far a small network goes over the face at the end: it closes folds of another expression and sharpens "
            "what was painted. 0 leaves it out; so does appearance 0.",
            **advanced,
        ),
    ]


def _share(name: str, tooltip: str, **more: bool) -> io.Input:
    """A part of a Wish, 0 to 1."""
    default = getattr(Wish, name)
    return io.Float.Input(
        name, default=default, min=0.0, max=1.0, step=0.05, round=0.01, optional=True, tooltip=tooltip, **more
    )


class DiffSFSRFinish(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRFinish",
            display_name="Finish Face",
            category=CATEGORY,
            description="Gives painted faces the pixels of the identity's photos, in the expression, light and tone "
            "of the picture. Its place is between VAE Decode and Paste Face Back; DiffSFSR Sampler does the same.",
            **only_known(io.Schema, search_aliases=["sharpen face", "face detail", "face restore", "live preview"]),
            inputs=[
                BackgroundType.Input("background", tooltip="From Extract Background."),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="Painted faces, one for each in the background; without them a preview is made of the "
                    "photos alone, at once.",
                ),
                IdentityType.Input("identity", optional=True, tooltip=IDENTITY_TIP),
                ExpressionType.Input("expression", optional=True, tooltip=EXPRESSION_TIP),
                *wish_inputs(),
                carried_input(),
            ],
            outputs=[
                io.Image.Output(
                    id="crop", display_name="crop", tooltip="The finished faces, for an upscaler and Paste Face Back."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        background: Scene,
        image: Tensor | None = None,
        identity: Identity | None = None,
        expression: Expression | None = None,
        appearance: float = Wish.appearance,
        shape: float = Wish.shape,
        detail: int = Wish.detail,
        retouch: float = Wish.retouch,
        diffsfsr: Loaded | None = None,
    ) -> io.NodeOutput:
        diffsfsr = carried(diffsfsr, background)
        if image is not None:
            check_crops(image, background)
        elif not can_finish(identity):
            raise ValueError(
                "a preview needs photos, and this identity was kept without them; connect Encode Identity, or an image"
            )
        wish = Wish(appearance, shape, detail, retouch)
        return io.NodeOutput(finish(diffsfsr, image, background, identity, expression, wish))


def finish(
    diffsfsr: Loaded,
    painted: Tensor | None,
    scene: Scene,
    identity: Identity | None,
    expression: Expression | None,
    wish: Wish,
) -> Tensor:
    """IMAGE (B, kS, kS, 3); without photos, or where nothing is to come from them, the painted one as it is.

    painted  (B, kS, kS, 3) IMAGE; None for a preview
    """
    if painted is not None and not (wish.appearance and can_finish(identity)):
        return painted
    crops = None if painted is None else from_image(painted, "face crop")
    at = stoppable(count_faces(crops, scene, identity, expression))
    look = partial(picture_at, scene.image)
    finished = []
    for crop in diffsfsr.ready().finisher(crops, scene, look, identity, expression, wish):
        finished.append(to_image(crop[None]))
        at(len(finished))
    return cat(finished)
