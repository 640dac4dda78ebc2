"""Settings of the denoiser's training."""

from dataclasses import dataclass
from pathlib import Path

from ...models.network.config import PLANES
from ..settings import Settings, option


@dataclass(frozen=True)
class Training(Settings):
    steps: int = option(4000, "steps in all")
    batch: int = option(32, "pictures a step, of all processes together")
    rate: float | None = option(
        None, "peak learning rate: rises over 200 steps, falls to a twentieth over the last 40 % (left out: 4e-4; from "
        "Stable Diffusion on 1e-5, or 1e-4 with --lora)", type=float)  # fmt: skip
    begin: Path | None = option(None, "weights to start from: a checkpoint of this pack, or a Stable Diffusion 1.5 "
                                "(inpainting) .safetensors", name="--from", type=Path, metavar="FILE")  # fmt: skip
    autoencoder: Path | None = option(None, "what `train autoencoder` wrote", type=Path, metavar="FILE")
    recogniser: tuple[Path, ...] | None = option(
        None, "what `train recogniser` wrote, or insightface packs", type=Path, nargs="+", metavar="FILE"
    )
    variations: int = option(2, "how often each picture is encoded, from the second time on with other colours")
    losses: str = option("none", "identity and expression losses on latents or decoded pixels (GPU)", nargs="?",
                         const="latent", choices=("none", "latent", "decoded"))  # fmt: skip
    estimate: str = option("improved", "of z_0, for these losses; none: without them",
                           choices=("improved", "midpoint", "one-step", "none"))  # fmt: skip
    identity_weight: float = option(0.3, "of the identity loss on the estimate of z_0")
    expression_weight: float = option(0.1, "of the expression loss, likewise")
    swap: float = option(0.2, "share of photos that get another's identity and expression, where there are such losses")
    rendered: float = option(0.25, "share of rendered pictures, where there are both kinds")
    stand_in: float = option(0.5, "share of them in the style of photos, which count only where photos seldom reach")
    drop_both: float = option(0.10, "share of pictures trained without identity and expression")
    drop_expression: float = option(0.10, "further share without expression")
    drop_identity: float = option(0.05, "further share without identity")
    drop_pose: float = option(0.10, "share without pose, independent of the others")
    planes: tuple[str, ...] | None = option(
        None, "what the network is given beside the noisy latents (left out: as the weights to start from); selfie and "
        "trust show it a photo of the person", nargs="+", choices=PLANES)  # fmt: skip
    face_fill: str | None = option(
        None, "what the background has in place of its face: mid-grey, or the light that fell on it (left out: as the "
        "weights to start from)", choices=("grey", "light"))  # fmt: skip
    drop_selfie: float = option(0.2, "share of pictures whose person is not shown, independent of the others")
    other_photo: float = option(
        0.5, "chance to take the identity from another photo of the person; always, if rendered"
    )
    offset: float = option(0.15, "deviation of noise that a whole channel shares, lest colours be read off it")
    code_noise: float = option(0.3, "length of the noise on each recogniser's vector, whose length stays what it was")
    beyond: float = option(0.1, "weight beyond the photo's border, where the crop goes on with the border's pixels")
    outside: float = option(0.3, "weight outside of the mask, where the answer is given")
    lora: int = option(0, "train additions of this rank only", metavar="RANK")
    checkpointing: bool = option(False, "less memory, a third slower")
    people: Path | None = option(None, "draw a grid at each saving, of what `people` wrote there", name="--pictures",
                                 type=Path, metavar="FOLDER")  # fmt: skip

    def peak_rate(self, from_stable_diffusion: bool) -> float:
        """A network that was trained at length is moved with care; what is added to one learns faster."""
        if self.rate is not None:
            return self.rate
        if not from_stable_diffusion:
            return 4e-4
        return 1e-4 if self.lora else 1e-5
