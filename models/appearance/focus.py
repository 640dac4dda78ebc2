"""A scene out of focus, or one in which something moved: the face that goes into it is blurred alike (ours).

How blurred a picture is, its edges tell: between a little softening and some more, the slope of a sharp edge sinks by
much, that of a blurred one by little. Read along four directions, which motion needs, and in the faces alone: what is
behind them may be in focus or not. The blur that the face lacks is laid on as a Gaussian.

Pictures are (1, C, S, S) in [-1, 1]; variances are those of a Gaussian along x, along y and along the two diagonals.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..grain import LEAST, noise
from .bands import blur

LITTLE, MORE = 1.0, 2.0  # pixels of softening between which slopes are compared
NARROW = 3.0  # pixels of blur that the two still tell apart well; more is read in a picture half as large
SMALLEST = 64  # side of the smallest picture that it is read in
SHARP = 0.9, 1.3  # pixels of blur in a scene: below it is sharp (portraits read as 0 to 1.04), from there on it is not
EVEN = 1.0, 2.0  # difference of the directions' variances, parts of their mean: as a face's own edges read, motion
ROUNDS = 3  # in which the blur that is laid on is corrected by what it reads as
INNER = 1 / 40  # of the side: so far inside of a face's outline edges count


def blur_of(face: Tensor, inside: Tensor, finer: float) -> Tensor | None:
    """The variances (4,) that a picture's face is blurred by, square pixels of the picture; None where it is sharp.

    inside  (1, 1, S, S) 0..1, where the face lies
    finer   pixels of the crop for each of the picture's: what that cannot show is no sharpness
    """
    found = variances(*_seen(face, inside, finer))
    usual = found.mean()
    if float(usual.sqrt()) <= SHARP[0]:
        return None
    apart = (found.max() - found.min()) / usual
    return torch.lerp(usual.expand(4), found, ((apart - EVEN[0]) / (EVEN[1] - EVEN[0])).clamp(0, 1))


def blurred(face: Tensor, inside: Tensor, wanted: Tensor, finer: float) -> Tensor:
    """A picture with its face as blurred as another, of blur_of(); as it is where it is no sharper. Arguments as there.

    What is next to the face's outline is blurred with it.
    """
    seen = _seen(face, inside, finer)
    had = variances(*seen)
    much = (float(wanted.mean().sqrt()) - SHARP[0]) / (SHARP[1] - SHARP[0])
    lacks = given = (wanted - had.mean()).clamp(min=0) * min(much, 1.0)
    if not lacks.any():
        return face
    for _ in range(ROUNDS):
        gained = (variances(smear(seen[0], given), seen[1]) - had).mean()
        given = given * (lacks.mean() / gained.clamp(min=1e-3)).clamp(0.5, 2)
    soft, weight = smear(torch.cat([face, inside], 1), given * max(finer, 1.0) ** 2).split((3, 1), 1)
    return torch.lerp(face, soft, (2 * weight).clamp(0, 1).maximum(inside))


def variances(picture: Tensor, where: Tensor) -> Tensor:
    """(4,) square pixels: how blurred the edges of a grey picture are where that counts, (1, 1, S, S) 0..1."""
    finer = 1
    while True:
        found = noise(picture[0])
        grain = found**2 if found > LEAST else 0.0
        little, more = (_slopes(blur(picture, sigma), where, grain, sigma) for sigma in (LITTLE, MORE))
        sinks = (little / more.clamp(min=1e-9)).square().clamp(min=1.001)
        found = ((MORE**2 - LITTLE**2 * sinks) / (sinks - 1)).clamp(min=0)  # of a step that a Gaussian has blurred
        if found.mean() < NARROW**2 or picture.shape[-1] < 2 * SMALLEST:
            return found * finer**2
        picture, where, finer = F.avg_pool2d(picture, 2), F.avg_pool2d(where, 2), 2 * finer


def smear(picture: Tensor, variance: Tensor) -> Tensor:
    """Blurred by a Gaussian of those variances (4,), its border's pixels going on beyond it."""
    home = picture.device
    picture = picture if home.type in ("cpu", "cuda") else picture.cpu()
    along_x, along_y, first, second = variance.tolist()
    reach = min(math.ceil(3 * math.sqrt(max(along_x, along_y))), picture.shape[-1] - 1)
    padded = F.pad(picture, [reach] * 4, mode="replicate")
    y = torch.fft.fftfreq(padded.shape[-2], device=picture.device)[:, None]
    x = torch.fft.rfftfreq(padded.shape[-1], device=picture.device)
    bend = along_x * x.square() + along_y * y.square() + (first - second) * x * y
    kept = torch.exp(-2 * math.pi**2 * bend.clamp(min=0))
    found = torch.fft.irfft2(torch.fft.rfft2(padded) * kept, padded.shape[-2:])
    return found[..., reach : reach + picture.shape[-2], reach : reach + picture.shape[-1]].to(home)


def _seen(picture: Tensor, where: Tensor, finer: float) -> tuple[Tensor, Tensor]:
    """A face's grey as the picture it goes into shows it, and where its edges count."""
    grey = picture.mean(1, keepdim=True)
    where = (5 * blur(where, INNER * where.shape[-1]) - 4).clamp(0, 1)
    if finer <= 1:
        return grey, where
    size = max(round(grey.shape[-1] / finer), 16)
    return F.interpolate(grey, size, mode="bicubic", antialias=True), F.interpolate(where, size, mode="area")


def _slopes(picture: Tensor, where: Tensor, grain: float, sigma: float) -> Tensor:
    """(4,) sums of squared slopes, less those of white noise of that variance, softened by so many pixels."""
    across = (picture[..., 1:-1, 2:] - picture[..., 1:-1, :-2]) / 2
    down = (picture[..., 2:, 1:-1] - picture[..., :-2, 1:-1]) / 2
    slopes = torch.stack([across, down, (across + down) / 2**0.5, (across - down) / 2**0.5])
    of_grain = grain * (1 - math.exp(-1 / sigma**2)) / (8 * math.pi * sigma**2)
    return ((slopes.square() - of_grain) * where[..., 1:-1, 1:-1]).sum((1, 2, 3, 4)).clamp(min=1e-9)
