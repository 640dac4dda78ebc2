"""The scene's light on a face from elsewhere (ours).

Two pictures of a face lie on one mesh. What differs between them, in logarithms of brightness, is light, tone and the
person. Light is what is smooth: a function of the surface's normal (spherical harmonics: Basri and Jacobs 2003) and a
slow field over the face. Beards, brows, shadows of hair and whatever else belongs to one of the two are outliers to
both fits.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .bands import blur, over_face, widest
from .topology import TRIANGLES

DARK = 0.15  # added before the logarithm where bands are joined: below it differences count as such, not as ratios
BLACK = 0.03  # likewise where light is read
COARSE = 128  # side of the pictures that light is fitted on
OUTLIER = 0.25  # difference from the fit, in logarithms, at which a pixel counts half
LOCAL, WIDE = (
    45 / 512,
    135 / 512,
)  # reach of the slow field with much and with little skin, parts of the side
FLAT = 0.15  # share of skin below which the wide field takes over
NEAR, CALM = 12 / 512, 0.5
PALE = 0.002  # square of a saturation, in logarithms, below which a photo is grey
CLOTH = 0.6  # logarithm of red over blue by which cloth differs from skin
SKIN = 0.6  # what has this part of the skin's saturation is skin
HAIR = (0.4, 0.7)  # logarithm by which hair is darker than skin: none, hair for sure
STRANDS = (0.1, 0.3)  # likewise single strands
SOFT = 3.0  # pixels of COARSE: how soft its edge is
AROUND = 25  # pixels of COARSE: width of what belongs to one beard
STRONGEST = 1.2  # logarithm that light is changed by at most
LIFTED = 0.7  # logarithm by which a shadow is brightened, beside the face as a whole, that is a shadow by 63 %
BEND = 0.01  # ridge on the slope of the light over normals, and 30 times that on its bend


def to_log(x: Tensor, dark: float = DARK) -> Tensor:
    """[-1, 1] -> logarithms of brightness"""
    return ((x + 1) / 2 + dark).clamp(min=1e-3).log()


def from_log(x: Tensor) -> Tensor:
    return ((x.exp() - DARK) * 2 - 1).clamp(-1, 1)


def relight(texture: Tensor, scene: Tensor, skin: Tensor, harmonics: Tensor, alike: Tensor) -> tuple[Tensor, Tensor]:
    """A face with the scene's light on it: multiplied by a smooth plane, so that what is black stays black.

    texture, scene  (B, 3, S, S) in [-1, 1], the two faces on one mesh
    skin            (B, 1, S, S) 0..1, how far a pixel is to be counted
    harmonics       (B, 9, COARSE, COARSE) of the surface, from harmonics_of()
    alike           (B, 1, S, S) 0..1, where the texture has its skin's colour, from like_skin()
    returns         (B, 3, S, S), above 1 where it got too bright; and (B, 1, S, S) 0..1, where there were shadows:
                    their colours and shading are not the skin's
    """
    difference, weight = _coarse(to_log(scene, BLACK) - to_log(texture, BLACK)), _coarse(skin)
    brightness = difference.mean(1, keepdim=True)
    turned, weight = _over_normals(brightness, weight, harmonics)
    slow = _slow(torch.cat([brightness - turned, difference - brightness], 1), weight)
    brightness = _fine((slow[:, :1] + turned).clamp(-STRONGEST, STRONGEST), texture)
    tone = _fine(slow[:, 1:], texture)
    grey = (texture + 1).mean(1, keepdim=True)
    colour = (texture + 1 - grey) * (brightness * alike).minimum(brightness).exp()
    lifted = brightness - (brightness * skin).sum((2, 3), keepdim=True) / skin.sum((2, 3), keepdim=True).clamp(min=1e-6)
    shadow = alike * (1 - torch.exp(-(lifted.clamp(min=0) / LIFTED).square()))  # a beard is none
    return (grey * brightness.exp() + colour) * (tone * alike).exp() - 1, shadow


def calm(texture: Tensor, scene: Tensor, bare: Tensor) -> Tensor:
    """Skin with its colour halfway to that of the scene's skin around: what is left of another light's colours.

    texture  (B, 3, S, S) in [-1, 1], relit; scene likewise; bare (B, 1, S, S) 0..1, where skin lies
    """
    own, other = (x - x.mean(1, keepdim=True) for x in (to_log(texture, BLACK), to_log(scene, BLACK)))
    away = own - blur(other, NEAR * texture.shape[-1])
    return (texture + 1) * (-CALM * bare * away).exp() - 1


def unlike_cloth(scene: Tensor, skin: Tensor) -> Tensor:
    """(B, 1, S, S) 0..1: less for what is much bluer than the skin, such as a mask. Arguments as of relight()."""
    logs, weight = _coarse(to_log(scene, BLACK)), _coarse(skin)
    warmth = logs[:, :1] - logs[:, 2:]
    kept = torch.where(weight > 0.1, warmth, torch.nan).flatten(1)
    usual = kept.nanquantile(0.75, dim=1).nan_to_num()[:, None, None, None]
    alike = torch.exp(-((usual - warmth).clamp(min=0) / CLOTH).square())
    return _fine(alike, scene)


def like_skin(texture: Tensor, skin: Tensor) -> Tensor:
    """(B, 1, S, S) 0..1: how far a pixel has the skin's colour; others keep their own, and get no brighter one."""
    colour = to_log(texture, BLACK)
    colour = colour - colour.mean(1, keepdim=True)
    mean = (colour * skin).sum((2, 3), keepdim=True) / skin.sum((2, 3), keepdim=True).clamp(min=1e-6)
    alike = (colour * mean).sum(1, keepdim=True) + PALE  # all of a grey photo is skin
    alike = alike / (mean.square().sum(1, keepdim=True) + PALE)
    return blur((alike / SKIN).clamp(0, 1), texture.shape[-1] / 256)


def hairless(picture: Tensor, skin: Tensor) -> Tensor:
    """(B, 1, S, S) 0..1: less in and beside what is far darker than the skin and no mere line, such as a beard.

    Arguments as of relight().
    """
    return _fine(1 - _darker_than_skin(_coarse(picture), _coarse(skin)), picture)


def hair_of(
    texture: Tensor, scene: Tensor, skin: Tensor, harmonics: Tensor, alike: Tensor, above: Tensor, rim: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Where there is hair and no shadow: what is far darker than the other face under the same light.

    above    (B, 1, S, S) 0..1, where a fringe may be; the others as of relight()
    rim      likewise, where hair of any colour may be
    returns  (B, 1, S, S) 0..1: the texture's without single strands beside it, its fringe with them, and the scene's
    """
    own, other, seen, same, above, rim = map(_coarse, (texture, scene, skin, alike, above, rim))
    own, _ = relight(own, other, seen, harmonics, same)
    away = (to_log(own) - to_log(other)).abs().amax(1, keepdim=True)
    fringe = _hair(own, other, seen, above).maximum(rim * _far_darker(-away, 0.0))
    wide = (blur(widest(x, 7), SOFT) for x in (fringe, _hair(other, own, seen)))
    return tuple(_fine(x, texture) for x in (_hair(own, other, seen), *wide))


def locks(picture: Tensor, skin: Tensor, hair: Tensor) -> Tensor:
    """(B, 1, S, S) 0..1: every lock where there is hair, of hair_of(). Other arguments as of relight()."""
    darker = _usual(_grey(_coarse(picture)), _coarse(skin)) - _grey(picture)
    darker = darker.maximum(blur(darker, picture.shape[-1] / COARSE))  # and the gloss on it
    return hair * ((darker - HAIR[0]) / (HAIR[1] - HAIR[0])).clamp(0, 1)


def _hair(own: Tensor, other: Tensor, skin: Tensor, strands: Tensor | None = None) -> Tensor:
    """strands: where they count, if they do"""
    around, dark = _far_darker(_closed(_grey(own)), _closed(_grey(other))), _darker_than_skin(own, skin)
    if strands is not None:
        around, dark = around * strands, dark.maximum(_darker_than_skin(own, skin, STRANDS, lines=True))
    return widest(around, AROUND) * dark


def _darker_than_skin(picture: Tensor, skin: Tensor, much: tuple[float, float] = HAIR, lines: bool = False) -> Tensor:
    grey = _grey(picture)
    return _far_darker(grey if lines else _closed(grey), _usual(grey, skin), much)


def _usual(grey: Tensor, skin: Tensor) -> Tensor:
    usual = torch.where(skin > 0.5, grey, torch.nan).flatten(1).nanmedian(1).values.nan_to_num()
    return usual[:, None, None, None]


def _far_darker(grey: Tensor, usual: Tensor | float, much: tuple[float, float] = HAIR) -> Tensor:
    """0..1, in and beside what is; logarithms (B, 1, COARSE, COARSE)."""
    return widest(((usual - grey - much[0]) / (much[1] - much[0])).clamp(0, 1), 5)


def _closed(grey: Tensor) -> Tensor:
    """Without dark lines."""
    return -widest(-widest(grey, 7), 7)


def _grey(picture: Tensor) -> Tensor:
    return to_log(picture).mean(1, keepdim=True)


def _coarse(x: Tensor) -> Tensor:
    return F.interpolate(x, size=(COARSE, COARSE), mode="area")


def _fine(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def harmonics_of(points: Tensor, size: int) -> Tensor:
    """(B, 9, COARSE, COARSE): real spherical harmonics up to the second degree, not normalised, of meshes' normals.

    points (B, 478, 3) pixels of a picture of `size`; beyond the mesh the nearest normals go on
    """
    triangles = torch.tensor(TRIANGLES, device=points.device)
    a, b, c = points[:, triangles].unbind(2)
    across = torch.linalg.cross(b - a, c - a)  # twice the area, along the normal
    normal = torch.zeros_like(points).index_add(1, triangles.flatten(), across.repeat_interleave(3, 1))
    normal = F.normalize(normal, dim=-1)
    normal = torch.where(normal[..., 2:].mean(1, keepdim=True) > 0, -normal, normal)  # towards the viewer
    plane = over_face(points * (COARSE / size), normal, COARSE, 0.12)
    x, y, z = F.normalize(plane, dim=1).split(1, 1)
    return torch.cat([torch.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], 1)


def _over_normals(value: Tensor, weight: Tensor, harmonics: Tensor, rounds: int = 3) -> tuple[Tensor, Tensor]:
    """The part of a plane (B, 1, n, n) that the normals explain, and the weights less outliers."""
    basis, wanted, given = harmonics.flatten(2), value.flatten(2), weight.flatten(2)
    ridge = BEND * value.new_tensor([0, 1, 1, 1, 30, 30, 30, 30, 30]).diag()
    counted = given
    for _ in range(rounds):
        weighted = basis * counted / counted.sum(-1, keepdim=True).clamp(min=1e-6)
        normal = weighted @ basis.mT + ridge + 1e-6 * torch.eye(9, device=value.device)
        fit = torch.linalg.solve(normal, weighted @ wanted.mT).mT @ basis
        counted = given * _inlier(wanted - fit)
    return fit.view_as(value), counted.view_as(weight)


def _slow(value: Tensor, weight: Tensor) -> Tensor:
    """A slow field (B, K, n, n) through what is left, where pixels count; wider where few do."""
    size = value.shape[-1]
    wide = blur(value * weight, WIDE * size) / blur(weight, WIDE * size).clamp(min=1e-4)
    weight = weight * _inlier((value - wide)[:, :1])
    share = blur(weight, LOCAL * size)
    return (blur(value * weight, LOCAL * size) + FLAT * wide) / (share + FLAT)


def _inlier(difference: Tensor) -> Tensor:
    return 1 / (1 + (difference / OUTLIER).square())
