"""What people really bring, kind by kind: `python cli.py sheets [KINDS] --out DIR` (ours).

openpeople's synthetic people again, their selfies or portraits spoiled in fixed ways (spoiling.py); drawn and measured
as the twelve hard ones are (hard.py).
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from ...models.appearance.bands import blur
from . import spoiling
from .cases import shrink
from .hard import DARK, NOISE, Hard, Pictures

Spoil = Callable[[Tensor, Tensor], Tensor]  # picture (3, H, W) in [-1, 1] and points (478, 2) of the face in it
WHITE, BLUE, RED = (1.0, 1.0, 1.0), (0.25, 0.45, 1.1), (1.1, 0.3, 0.25)  # light: what there is of red, green and blue
DARKER = 0.07  # of its light is left of a dark selfie
POOR = 480  # side of scenes of poor quality, pixels
GRAIN, SOFT = 0.1, 2.0  # deviation of grain in [-1, 1]; blur, pixels


def _pair(
    name: str, person: str, other: str, label: str, selfie: Spoil | None = None, scene: Spoil | None = None
) -> Hard:
    """person: whose selfie; other: whose portrait is the scene"""
    return Hard(name, person, partial(_spoilt, selfie, Pictures.selfie, person),
                partial(_spoilt, scene, Pictures.portrait, other), label)  # fmt: skip


def _spoilt(spoil: Spoil | None, picture_of: Callable[[Pictures, str], Tensor], person: str, pictures: Pictures):
    picture = picture_of(pictures, person)
    return spoil(picture, pictures.points(picture)) if spoil else picture


def _rolled(degrees: float) -> Spoil:
    return lambda picture, _: spoiling.rolled(picture, degrees)


def _cut(side: str) -> Spoil:
    return partial(spoiling.cut, side=side)


def _dark(light: float) -> Spoil:
    return lambda picture, _: spoiling.darken(picture, light, NOISE)


def _lamps(left: spoiling.Colour, right: spoiling.Colour) -> Spoil:
    return partial(spoiling.lamps, left=left, right=right)


def _poor(spoil: Callable[[Tensor], Tensor]) -> Spoil:
    return lambda picture, _: spoil(shrink(picture, POOR))


def _grey(picture: Tensor, _: Tensor) -> Tensor:
    return spoiling.grey(picture)


KINDS = {
    "turned": (
        _pair("selfie on its side", "P002", "P004", "joy", selfie=_rolled(90)),
        _pair("selfie upside down", "P006", "P001", "sadness", selfie=_rolled(170)),
        _pair("scene tilted", "P008", "P003", "anger", scene=_rolled(45)),
        _pair("scene upside down", "P010", "P007", "joy", scene=_rolled(180)),
    ),
    "cut": (
        _pair("scene without a chin", "P001", "P003", "joy", scene=_cut("chin")),
        _pair("scene without a forehead", "P005", "P007", "anger", scene=_cut("forehead")),
        _pair("a third of the scene's face", "P002", "P009", "joy", scene=_cut("right")),
        _pair("selfie without a chin", "P004", "P008", "sadness", selfie=_cut("chin")),
    ),
    "covered": (
        _pair("mask in the scene", "P002", "P001", "anger", scene=spoiling.masked),
        _pair("sunglasses in the scene", "P007", "P005", "joy", scene=partial(spoiling.glasses, lens=spoiling.TINTED)),
        _pair("hand in the scene", "P009", "P006", "surprise", scene=spoiling.fingers),
        _pair("mask on the selfie", "P003", "P010", "anger", selfie=spoiling.masked),
    ),
    "dark": (
        _pair("dark scene", "P003", "P002", "joy", scene=_dark(DARK)),
        _pair("half of the scene", "P006", "P009", "anger", scene=spoiling.side_light),
        _pair("dark selfie", "P007", "P004", "joy", selfie=_dark(DARKER)),
        _pair("half of the selfie", "P010", "P008", "sadness", selfie=spoiling.side_light),
    ),
    "grey": (
        _pair("grey scene", "P001", "P004", "joy", scene=_grey),
        _pair("toned scene", "P009", "P008", "anger", scene=lambda picture, _: spoiling.toned(picture)),
        _pair("both grey", "P005", "P006", "surprise", selfie=_grey, scene=_grey),
        _pair("grey selfie", "P002", "P010", "joy", selfie=_grey),
    ),
    "coloured": (
        _pair("blue scene", "P004", "P003", "joy", scene=_lamps(BLUE, BLUE)),
        _pair("red scene", "P008", "P005", "anger", scene=_lamps(RED, RED)),
        _pair("red and blue scene", "P006", "P001", "joy", scene=_lamps(RED, BLUE)),
        _pair("selfie under a blue lamp", "P010", "P002", "sadness", selfie=_lamps(WHITE, BLUE)),
    ),
    "poor": (
        _pair("grain", "P009", "P003", "joy", scene=_poor(partial(spoiling.grain, deviation=GRAIN))),
        _pair("coarse grain", "P003", "P007", "anger", scene=_poor(partial(spoiling.grain, deviation=GRAIN, size=1.0))),
        _pair("poor JPEG", "P001", "P004", "joy", scene=_poor(partial(spoiling.jpeg, quality=12))),
        _pair("out of focus", "P005", "P008", "anger", scene=_poor(lambda picture: blur(picture[None], SOFT)[0])),
    ),
}
