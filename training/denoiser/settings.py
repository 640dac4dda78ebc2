"""Settings of the denoiser's training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    steps: int = 4000
    batch: int = 32  # pictures a step, of all processes together
    rate: float = 4e-4  # peak learning rate: rises over 200 steps, falls to a twentieth over the last 40 %
    rendered: float = 0.25  # share of rendered pictures, where there are both kinds
    stand_in: float = 0.5  # share of them in the style of photos, which count only where photos seldom reach
    drop_both: float = 0.10  # share of pictures trained without identity and expression
    drop_expression: float = 0.10  # further share without expression
    drop_identity: float = 0.05  # further share without identity
    drop_pose: float = 0.10  # share without pose, independent of the others
    other_photo: float = 0.5  # chance to take the identity from another photo of the person; always, if rendered
    offset: float = 0.15  # deviation of noise that a whole channel shares, lest colours be read off it (offset noise)
    code_noise: float = 0.3  # length of the noise added to each recogniser's vector, whose length stays what it was
    beyond: float = 0.1  # weight of the loss beyond the photo's border, where the crop goes on with the border's pixels
    outside: float = 0.3  # weight of the loss outside of the mask, where the answer is given
    identity_weight: float = 0.3  # of the identity loss on the estimate of z_0, where a reader is given
    expression_weight: float = 0.1  # of the expression loss, likewise
    swap: float = 0.2  # share of photos that get another's identity and expression, where a reader is given
    estimate: str = "improved"  # how z_0 is estimated for these losses: one of sampling.ESTIMATES
    bfloat16: bool | None = None  # None: where the machine is fast in it; weights, losses and optimiser are float32
    seed: int = 0
