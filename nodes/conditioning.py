"""DiffSFSR Conditioning: codes and background as the host's own CONDITIONING, for KSampler and every guider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import comfy.model_management
from comfy_api.latest import io
from torch import Tensor

from ..models.appearance.finish import Wish
from ..models.codes import CutOut, Expression, Identity, repeat_background
from ..models.encoders import CHUNK
from ..models.network.config import PICTURES
from .compat import only_known
from .native import plane_key
from .pictures import to_image
from .progress import in_parts
from .wires import CATEGORY, BackgroundType, ExpressionType, IdentityType, Loaded, carried, carried_input

if TYPE_CHECKING:
    from comfy.sd import VAE

IDENTITY_TIP = "Who the face is to be. Without it the face keeps its own identity: only the expression changes."
EXPRESSION_TIP = "What the face is to do. Without it the face keeps its own expression: only the person changes."


class DiffSFSRConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRConditioning",
            display_name="DiffSFSR Conditioning",
            category=CATEGORY,
            description="Identity, expression and background as ordinary conditioning, for KSampler or a guider with "
            "Load DiffSFSR's MODEL. VAE Decode and Paste Face Back finish the picture.",
            **only_known(io.Schema, search_aliases=["face conditioning", "ksampler"]),
            inputs=[
                io.Vae.Input("vae", tooltip="From Load DiffSFSR."),
                BackgroundType.Input("background", tooltip="From Extract Background."),
                IdentityType.Input("identity", optional=True, tooltip=IDENTITY_TIP),
                ExpressionType.Input("expression", optional=True, tooltip=EXPRESSION_TIP),
                carried_input(),
            ],
            outputs=[
                io.Conditioning.Output(id="positive", display_name="positive", tooltip="Identity and expression."),
                io.Conditioning.Output(
                    id="middle", display_name="middle", tooltip="Identity only, for guiders with three conditionings."
                ),
                io.Conditioning.Output(
                    id="negative",
                    display_name="negative",
                    tooltip="Neither identity nor expression; not an empty prompt, and nothing can take its place.",
                ),
                io.Latent.Output(
                    id="latent",
                    display_name="latent",
                    tooltip="The face as it is. With denoise 1 only its colours count; with less it shows through.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        vae: VAE,
        background: CutOut,
        identity: Identity | None = None,
        expression: Expression | None = None,
        diffsfsr: Loaded | None = None,
    ) -> io.NodeOutput:
        diffsfsr = carried(diffsfsr, background)
        return io.NodeOutput(*condition(diffsfsr, vae, background, identity, expression))


def condition(
    diffsfsr: Loaded,
    vae: VAE,
    background: CutOut,
    identity: Identity | None,
    expression: Expression | None,
    wish: Wish = Wish(),  # noqa: B008  frozen
) -> tuple[list, list, list, dict]:
    """Positive, middle and negative CONDITIONING, and LATENT; each for a batch of B faces.

    wish: how the faces are to be finished, which says whether and in which shape a network is shown the photos.
    B is the number of faces in the background, or of identities or expressions where it has one face.
    """
    encoders = diffsfsr.ready()
    config = encoders.config
    if vae.latent_channels != config.latent_channels:
        raise ValueError(
            f"got a VAE with {vae.latent_channels} latent channels, want {config.latent_channels}: "
            "connect the VAE of the same Load DiffSFSR node"
        )
    tokens = encoders.tokens(identity, expression, background)
    count, device = len(tokens.full), comfy.model_management.intermediate_device()
    repeat_background(background, count)  # says so where they are too many or too few

    def encode(crops: Tensor) -> Tensor:
        """Raw latents, (N, C, h, w): the host scales them itself."""
        return in_parts(lambda part: vae.encode(to_image(part)), crops, CHUNK)

    extra = {}
    planes = encoders.planes(background, identity, expression, wish)
    for name, plane in planes.items():  # of one channel (N or B, 1, S, S): the host shrinks them
        extra[plane_key(name)] = (encode(plane) if name in PICTURES else plane).expand(count, -1, -1, -1)
    whole = encode(background.crop)  # which the noise is laid over
    conditionings = [[[each.to(device), dict(extra)]] for each in (tokens.full, tokens.identity_only, tokens.null)]
    return *conditionings, {"samples": whole.expand(count, -1, -1, -1).to(device)}
