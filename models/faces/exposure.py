"""Dark photos, read as if there had been more light (ours)."""

from torch import Tensor

# So light is the lightest twentieth of a face's surroundings in 999 of 1,000 press photos; 0 is black, 1 is white.
LIGHT = 0.45
BEYOND = 1.3  # power of the gain; the darker a picture is, the more it is set as light as usual ones, not just LIGHT
MOST_GAIN = 12
FACE, PICTURE = 0.95, 0.995  # which share of the pixels is darker than those that tell the light
SAMPLES = 64  # on each side; enough to tell


def brighten(pictures: Tensor, share: float = FACE) -> Tensor:
    """Dark pictures with their values multiplied, all others as they are, bit for bit; differentiable.

    pictures  (B, 3, H, W) in [-1, 1]
    share     FACE if they show a face alone; PICTURE where the face may be a small part
    """
    height, width = pictures.shape[-2:]
    few = pictures.detach()[..., :: max(height // SAMPLES, 1), :: max(width // SAMPLES, 1)].mean(1)
    light = few.flatten(1).float().quantile(share, dim=1) / 2 + 0.5  # (B,)
    gain = (LIGHT / light.clamp(min=1e-3)).pow(BEYOND).clamp(1, MOST_GAIN).to(pictures)[:, None, None, None]
    if not (gain > 1).any():
        return pictures
    return ((pictures + 1) * gain - 1).clamp(max=1).where(gain > 1, pictures)
