"""Ways in which a good picture becomes one that users bring, always the same (ours).

Pictures are (3, H, W) in [-1, 1]; light is added up and taken away where it is linear.
"""

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from ...models.appearance.topology import LEFT_EYE, RIGHT_EYE
from ...models.frames import pixel_centres
from ...models.pictures import to_pil
from ...models.pixels import from_bytes

GAMMA = 2.2
BRIGHT, SHADE = 1.2, 0.08  # light from the side: of what there was, on the two sides
LENS, FRAME, FINE = (1.5, 1.15), 0.06, 4  # half a lens and the frame's width, of the eye's width; finer by so much
SMALL, QUALITY = 40, 50  # height of a small picture's face, pixels; and its JPEG's
STROKES = 60.0, 0.45  # OpenCV's stylization: pixels, how unlike colours may be


def darken(picture: Tensor, light: float, noise: float) -> Tensor:
    """So much of the light, and the noise that comes with it, as a part of the range."""
    generator = torch.Generator().manual_seed(0)
    grain = noise * torch.randn(picture.shape, generator=generator)
    return _coded(light * _light(picture), grain)


def side_light(picture: Tensor, points: Tensor) -> Tensor:
    """From the viewer's left; points (478, 2): the face, across which the light falls off."""
    left, right = points[:, 0].min(), points[:, 0].max()
    x = pixel_centres(*picture.shape[1:], picture)[..., 0]
    along = ((x - left) / (right - left)).clamp(0, 1)
    fall = along.square() * (3 - 2 * along)
    return _coded((BRIGHT + (SHADE - BRIGHT) * fall) * _light(picture))


def grey(picture: Tensor) -> Tensor:
    weights = picture.new_tensor([0.299, 0.587, 0.114])[:, None, None]
    return (weights * picture).sum(0, keepdim=True).expand(3, -1, -1).contiguous()


def small(picture: Tensor, points: Tensor, height: float = SMALL) -> Tensor:
    """A face of so many pixels, as a messenger would send it on."""
    scale = height / float(points[:, 1].max() - points[:, 1].min())
    reduced = F.interpolate(picture[None], scale_factor=scale, mode="bicubic", antialias=True)[0].clamp(-1, 1)
    file = io.BytesIO()
    to_pil(reduced).save(file, "JPEG", quality=QUALITY)
    return _from_pil(Image.open(file))


def glasses(picture: Tensor, points: Tensor) -> Tensor:
    """Dark frames with a little glare, drawn around the eyes of a face; points (478, 2)"""
    image = to_pil(picture).convert("RGBA")
    layer = Image.new("RGBA", (FINE * image.width, FINE * image.height))
    draw, lenses = ImageDraw.Draw(layer), []
    for upper, lower in (LEFT_EYE, RIGHT_EYE):
        eye = FINE * points[[*upper, *lower]]
        (x, y), width = eye.mean(0).tolist(), float((eye[0] - eye[len(upper) - 1]).norm())
        half, thick = (LENS[0] * width / 2, LENS[1] * width / 2), max(1, round(FRAME * width))
        y += 0.15 * width  # lenses sit lower than the eyes
        box = x - half[0], y - half[1], x + half[0], y + half[1]
        draw.rounded_rectangle(box, 0.45 * width, fill=(235, 245, 255, 26), outline=(25, 20, 18, 255), width=thick)
        draw.line((x - 0.5 * half[0], y - 0.6 * half[1], x - 0.15 * half[0], y - 0.75 * half[1]), (255, 255, 255, 150),
                  thick)  # fmt: skip
        lenses.append((box, thick))
    (left, thick), (right, _) = lenses
    height = (left[1] + right[1]) / 2 + 0.3 * (left[3] - left[1])
    ends = (left[2], height, right[0], height), (left[0], height, left[0] - 0.4 * (left[2] - left[0]), height)
    for line in (*ends, (right[2], height, right[2] + 0.4 * (right[2] - right[0]), height)):
        draw.line(line, (25, 20, 18, 255), thick)
    image.alpha_composite(layer.resize(image.size, Image.Resampling.LANCZOS))
    return _from_pil(image)


def painting(picture: Tensor) -> Tensor:
    """Flat colours with edges between them."""
    import cv2

    pixels = np.ascontiguousarray(np.asarray(to_pil(picture))[..., ::-1])
    return _from_pil(Image.fromarray(np.ascontiguousarray(cv2.stylization(pixels, None, *STROKES)[..., ::-1])))


def _light(picture: Tensor) -> Tensor:
    return ((picture + 1) / 2).clamp(0, 1) ** GAMMA


def _coded(light: Tensor, noise: Tensor | float = 0.0) -> Tensor:
    return ((light.clamp(0, 1) ** (1 / GAMMA) + noise) * 2 - 1).clamp(-1, 1)


def _from_pil(image: Image.Image) -> Tensor:
    return from_bytes(torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1))
