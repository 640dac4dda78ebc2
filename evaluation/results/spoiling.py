"""Ways in which a good picture becomes one that users bring, always the same (ours).

Pictures are (3, H, W) in [-1, 1]; light is added up and taken away where it is linear.
"""

import io
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from ...models.appearance.bands import blur
from ...models.appearance.topology import LEFT_EYE, OUTLINE, RIGHT_EYE
from ...models.frames import crop, pixel_centres
from ...models.pictures import to_pil
from ...models.pixels import from_bytes

GAMMA = 2.2
BRIGHT, SHADE = 1.2, 0.08  # light from the side: of what there was, on the two sides
LENS, FRAME, FINE = (1.5, 1.15), 0.06, 4  # half a lens and the frame's width, of the eye's width; finer by so much
SMALL, QUALITY = 40, 50  # height of a small picture's face, pixels; and its JPEG's
CLEAR, TINTED = (235, 245, 255, 26), (22, 20, 24, 245)  # lenses: red, green, blue, cover
CLOTH = (120, 168, 205)  # of a mask
SEPIA = (1.0, 0.72, 0.45)  # light of a toned print
SHOWN = 0.67  # of the face is left where a picture ends in it
STROKES = 60.0, 0.45  # OpenCV's stylization: pixels, how unlike colours may be

Colour = tuple[float, float, float]  # red, green, blue: parts of the light there was


def darken(picture: Tensor, light: float, noise: float) -> Tensor:
    """So much of the light, and the noise that comes with it, as a part of the range."""
    generator = torch.Generator().manual_seed(0)
    grain = noise * torch.randn(picture.shape, generator=generator)
    return _coded(light * _light(picture), grain)


def side_light(picture: Tensor, points: Tensor) -> Tensor:
    """From the viewer's left; points (478, 2): the face, across which the light falls off."""
    return lamps(picture, points, (BRIGHT,) * 3, (SHADE,) * 3)


def lamps(picture: Tensor, points: Tensor, left: Colour, right: Colour) -> Tensor:
    """Lit from both sides; left, right: what there is of red, green and blue; points (478, 2): the face between."""
    first, last = points[:, 0].min(), points[:, 0].max()
    x = pixel_centres(*picture.shape[1:], picture)[..., 0]
    along = ((x - first) / (last - first)).clamp(0, 1)
    one, other = (picture.new_tensor(colour)[:, None, None] for colour in (left, right))
    return _coded((one + (other - one) * along.square() * (3 - 2 * along)) * _light(picture))


def grey(picture: Tensor) -> Tensor:
    weights = picture.new_tensor([0.299, 0.587, 0.114])[:, None, None]
    return (weights * picture).sum(0, keepdim=True).expand(3, -1, -1).contiguous()


def toned(picture: Tensor) -> Tensor:
    """As an old print."""
    return _coded(picture.new_tensor(SEPIA)[:, None, None] * _light(grey(picture)))


def grain(picture: Tensor, deviation: float, size: float = 0) -> Tensor:
    """Noise of each colour; deviation: in [-1, 1]; size: pixels that it is softened by"""
    noise = torch.randn((1, *picture.shape), generator=torch.Generator().manual_seed(0))
    noise = blur(noise, size) if size else noise
    return (picture + deviation * noise[0] / noise.std()).clamp(-1, 1)


def rolled(picture: Tensor, degrees: float) -> Tensor:
    """Turned clockwise about the middle, in a square; beyond its border it goes on with the border's pixels."""
    height, width = picture.shape[1:]
    size, a, b = max(height, width), math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[a, -b], [b, a]])
    shift = size / 2 - turn @ torch.tensor([width / 2, height / 2])
    return crop(picture[None], torch.cat([turn, shift[:, None]], 1)[None], size, repeat=True)[0]


def cut(picture: Tensor, points: Tensor, side: str) -> Tensor:
    """One that ends in the face: below the mouth ("chin"), above the brows ("forehead") or beside an eye ("right")."""
    (left, top), (right, bottom) = points.amin(0).tolist(), points.amax(0).tolist()
    if side == "right":
        return picture[:, :, : round(left + SHOWN * (right - left))].clone()
    gone = (1 - SHOWN) / 2 * (bottom - top)
    return (picture[:, : round(bottom - gone)] if side == "chin" else picture[:, round(top + gone) :]).clone()


def masked(picture: Tensor, points: Tensor, colour: tuple[int, int, int] = CLOTH) -> Tensor:
    """Cloth with folds over mouth and nose; points (478, 2)"""
    jaw = points[list(OUTLINE[9:28])]
    jaw = jaw + 0.04 * (jaw - points[4])  # it does not end at the skin
    nose, chin, width = points[195], points[OUTLINE[18]], float((jaw[0] - jaw[-1]).norm())

    def draw(pen: ImageDraw.ImageDraw) -> None:
        pen.polygon([tuple(point) for point in (FINE * torch.cat([nose[None], jaw])).tolist()], fill=(*colour, 255))
        shade = tuple(round(0.8 * value) for value in colour)
        for part in (0.35, 0.55, 0.75):
            x, y = (FINE * torch.lerp(nose, chin, part)).tolist()
            half = FINE * 0.3 * width
            pen.line((x - half, y, x + half, y), (*shade, 255), round(FINE * 0.015 * width))

    return _drawn(picture, draw)


def fingers(picture: Tensor, points: Tensor) -> Tensor:
    """A hand over the mouth, of the cheek's own colour, from the viewer's right; points (478, 2)"""
    (left, top), (right, bottom) = points.amin(0).tolist(), points.amax(0).tolist()
    x, y = points[280].round().int().tolist()
    skin = to_pil(picture).getpixel((x, y))
    width, height = right - left, bottom - top

    def draw(pen: ImageDraw.ImageDraw) -> None:
        for number in range(4):
            y = top + (0.58 + 0.11 * number) * height
            ends = (left + (0.3 + 0.04 * number) * width, y), (right + 0.5 * width, y + 0.12 * height)
            for light, thick in ((0.6, 0.105), (0.92, 0.09)):
                colour = tuple(round(light * value) for value in skin)
                r = FINE * thick * height / 2
                pen.line([(FINE * x, FINE * y) for x, y in ends], (*colour, 255), round(2 * r))
                (a, b), _ = ends
                pen.ellipse((FINE * a - r, FINE * b - r, FINE * a + r, FINE * b + r), (*colour, 255))

    return _drawn(picture, draw)


def small(picture: Tensor, points: Tensor, height: float = SMALL) -> Tensor:
    """A face of so many pixels, as a messenger would send it on."""
    scale = height / float(points[:, 1].max() - points[:, 1].min())
    return jpeg(
        F.interpolate(picture[None], scale_factor=scale, mode="bicubic", antialias=True)[0].clamp(-1, 1), QUALITY
    )


def jpeg(picture: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    to_pil(picture).save(file, "JPEG", quality=quality)
    return _from_pil(Image.open(file))


def glasses(picture: Tensor, points: Tensor, lens: tuple[int, int, int, int] = CLEAR) -> Tensor:
    """Dark frames with a little glare, drawn around the eyes of a face; points (478, 2); lens: colour and cover"""
    return _drawn(picture, partial(_glasses, points=points, lens=lens))


def _glasses(draw: ImageDraw.ImageDraw, points: Tensor, lens: tuple[int, int, int, int]) -> None:
    lenses = []
    for upper, lower in (LEFT_EYE, RIGHT_EYE):
        eye = FINE * points[[*upper, *lower]]
        (x, y), width = eye.mean(0).tolist(), float((eye[0] - eye[len(upper) - 1]).norm())
        half, thick = (LENS[0] * width / 2, LENS[1] * width / 2), max(1, round(FRAME * width))
        y += 0.15 * width  # lenses sit lower than the eyes
        box = x - half[0], y - half[1], x + half[0], y + half[1]
        draw.rounded_rectangle(box, 0.45 * width, fill=lens, outline=(25, 20, 18, 255), width=thick)
        draw.line((x - 0.5 * half[0], y - 0.6 * half[1], x - 0.15 * half[0], y - 0.75 * half[1]), (255, 255, 255, 150),
                  thick)  # fmt: skip
        lenses.append((box, thick))
    (left, thick), (right, _) = lenses
    height = (left[1] + right[1]) / 2 + 0.3 * (left[3] - left[1])
    ends = (left[2], height, right[0], height), (left[0], height, left[0] - 0.4 * (left[2] - left[0]), height)
    for line in (*ends, (right[2], height, right[2] + 0.4 * (right[2] - right[0]), height)):
        draw.line(line, (25, 20, 18, 255), thick)


def painting(picture: Tensor) -> Tensor:
    """Flat colours with edges between them."""
    import cv2

    pixels = np.ascontiguousarray(np.asarray(to_pil(picture))[..., ::-1])
    return _from_pil(Image.fromarray(np.ascontiguousarray(cv2.stylization(pixels, None, *STROKES)[..., ::-1])))


def _drawn(picture: Tensor, draw: Callable[[ImageDraw.ImageDraw], None]) -> Tensor:
    """draw: into a layer of FINE times the picture's size"""
    image = to_pil(picture).convert("RGBA")
    layer = Image.new("RGBA", (FINE * image.width, FINE * image.height))
    draw(ImageDraw.Draw(layer))
    image.alpha_composite(layer.resize(image.size, Image.Resampling.LANCZOS))
    return _from_pil(image)


def _light(picture: Tensor) -> Tensor:
    return ((picture + 1) / 2).clamp(0, 1) ** GAMMA


def _coded(light: Tensor, noise: Tensor | float = 0.0) -> Tensor:
    return ((light.clamp(0, 1) ** (1 / GAMMA) + noise) * 2 - 1).clamp(-1, 1)


def _from_pil(image: Image.Image) -> Tensor:
    return from_bytes(torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1))
