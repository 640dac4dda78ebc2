"""Settings of the decoder's refinement."""

from dataclasses import dataclass

from ..settings import Settings, option


@dataclass(frozen=True)
class DecoderTraining(Settings):
    steps: int = option(2000, "steps in all")
    batch: int = option(8, "pictures a step")
    rate: float = option(2e-4, "peak learning rate: rises over 30 steps, falls to 0; the adversary's is twice that")
    edges: float = option(1.0, "weight of the loss on differences between neighbouring pixels")
    features: float = option(0.5, "weight of the loss on the recogniser's first features")
    adversary: float = option(0.3, "weight of the adversary, of the pull that all other losses have")
    share: float = option(0.85, "of the way from the old decoder to the refined one, in what is exported: calmer skin")
    acting: float = option(0.1, "weight of the difference that the face mesh sees, where there is one")
    alone: int = option(100, "steps that the adversary learns before it is heard")
