"""A face out of three pictures on one mesh: the person's photo, the painter's crop, the scene's own face (ours).

Fine bands are the photo's, under the scene's light; coarser ones are the painter's the more, the farther the expression
wanted is from the photo's, since a grin's folds stay in the skin. What the photo cannot show (a mouth that it has
closed, a side turned away) is the painter's. Around the face the scene goes along with the new outline; its own pixels
stay where it, or the photo, has hair over the forehead.

B faces, S side of the crop. Logarithms of brightness throughout: differences are ratios of light.
"""

from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..frames import pixel_centres, resample
from .bands import blur, halve, join, over_face, split
from .composed import Composed
from .folds import folds
from .light import calm, from_log, hair_of, hairless, harmonics_of, like_skin, locks, relight, to_log, unlike_cloth
from .topology import LEFT_IRIS, OUTLINE, RIGHT_IRIS
from .warp import Warped, region

# Bands of a crop of 512 pixels, finest first: share of the photo's brightness that a far expression takes away.
# Colours change less with the expression.
YIELDS = (0.0, 0.15, 0.5, 0.9, 1.0, 1.0)
COLOUR = 0.5  # of its colours a far expression takes away: in a fold's shadow skin is more saturated
FAR = 0.02  # an expression that moves a point by this part of the face's height is far, for its folds
# And for the inside of a mouth one that lessens, or increases, its height by this part of its width; the latter where
# the mouth gets narrower by as much: teeth that a smile shows are hidden behind other lips.
FAR_INSIDE, FAR_WIDER, FAR_NARROWER = 0.06, 0.11, 0.15
GRAIN = 3  # so many fine bands get the scene's contrast
GRAINIEST = 1.5  # times the usual
GAINS = (0.3, 1.8)  # but not more than this is changed
AROUND = 1 / 10  # of the crop's side: how near the scene's contrast is compared
VARIETY = 0.02  # of colours in a face, levels of [-1, 1]; a photo in colour has more
IRISES = (LEFT_IRIS[0], RIGHT_IRIS[0])
ABOVE = (-0.1, -0.04)  # of the face's height, over the irises: cheek still, beside the eyes
SURE = 1.25  # times its trust a photo is shown beyond the mesh
FACING = 0.2  # least trust in the scene's own face where its light is read
RIM = 0.08  # of the crop's side: so far inside of the outline what differs much is hair
FOLLOW = 0.1  # of the crop's side: how far the surroundings go along with the outline


@dataclass(frozen=True)
class Layers:
    """What a face is made of, each on the wanted mesh."""

    photo: Warped  # the person's
    scene: Warped  # the face that is replaced
    painted: Warped | None  # the painter's; without it the scene's own face stands in
    moved: Tensor  # (B, 478) how far the expression moves each point of the photo, parts of the face's height
    opened: Tensor  # (B,) how much wider the mouth is open than in the photo, parts of its width
    narrowed: Tensor  # (B,) how much narrower it is, parts of its width in the photo
    target: Tensor  # (B, 478, 3) the mesh, crop pixels


@dataclass(frozen=True)
class Shares:
    """(B, 1, n, n) each, 0..1: how much of what is taken."""

    photo: Tensor  # of the photo; the painter's is the rest
    near: Tensor  # of the photo's coarse shading
    colour: Tensor  # of its colours
    fold: Tensor  # where its skin is folded as the wanted expression's is not
    skin: Tensor  # where fine contrast is compared
    even: Tensor  # skin without brows, lids and nose

    def halved(self) -> "Shares":
        half = Shares(*(halve(getattr(self, field.name)) for field in fields(self)))
        # the coarser a band, the wider it carries a line
        return replace(half, fold=F.max_pool2d(half.fold, 3, stride=1, padding=1))


def compose(layers: Layers, around: Tensor, appearance: float = 1.0) -> Composed:
    """The face, in its surroundings.

    around      (B, 3, S, S) in [-1, 1]: what surrounds the face, see surroundings()
    appearance  0..1: how much of what the photo could give is taken from it
    """
    target, size = layers.target, around.shape[-1]
    near = _nearness(layers, size)
    parts = "mouth", "eyes", "lips", "sockets", "nose", "brows"
    mouth, eyes, lips, sockets, nose, brows = (region(target, size, part) for part in parts)
    bare = (1 - 2 * blur((mouth + eyes + lips).clamp(0, 1), size / 64)).clamp(min=0)  # where skin lies
    photo, scene = (_filled(layer, around) for layer in (layers.photo, layers.scene))
    lit = bare * layers.scene.trust.clamp(min=FACING) * layers.scene.cover
    cloth = unlike_cloth(scene, lit)
    lit = lit * cloth
    harmonics = harmonics_of(target, size)
    skin = lit * layers.photo.trust
    alike = like_skin(photo, skin)
    upper = _upper(target, size)  # there the scene's own hair hangs down; below, a beard stays
    clear = upper * (1 - 2 * blur(brows, size / 64)).clamp(min=0)  # of the photo's brows
    above = upper * (1 - 3 * blur(brows, size / 32)).clamp(min=0)  # and of the scene's, which may reach farther
    rim = above * (2 - 2 * blur(layers.scene.cover, RIM * size)).clamp(max=1)
    hair, strands, scene_hair = (bare * x for x in hair_of(photo, scene, skin, harmonics, alike, above, rim))
    lit = lit * (1 - scene_hair)
    photo, dark = relight(photo, scene, lit * layers.photo.trust * (1 - hair), harmonics, alike)
    fringe, hanging = (appearance * above * x for x in (strands, locks(scene, lit, scene_hair)))
    hair = hair * (1 - upper)
    photo = calm(photo, scene, bare * cloth * (1 - scene_hair) * layers.scene.cover)
    painted = None
    if layers.painted is not None:
        painted = _filled(layers.painted, around)
        theirs = lit * layers.painted.cover
        painted, _ = relight(painted, scene, theirs, harmonics, like_skin(painted, theirs))
    skin = skin * alike * hairless(photo, skin)
    plain = (1 - sockets) * (1 - nose)  # where no line belongs
    fold = folds(photo, skin * plain) * (1 - near)
    skin = skin * hairless(scene, skin)
    shown = 1 - bare * dark
    closed = mouth * _elsewhere(layers.opened, layers.narrowed)
    shares = Shares(
        photo=appearance * layers.photo.trust * (1 - closed) * (1 - strands * clear),
        # hair, eyeballs and teeth have no folds
        near=(1 - (1 - near) * (1 - hair) * (1 - scene_hair) * (1 - eyes) * (1 - mouth)) * shown,
        # whoever stands in for the painter may wear a mask
        colour=torch.ones_like(near) if painted is None else shown * (1 - COLOUR * bare * (1 - near)),
        fold=fold,
        skin=skin,
        even=skin * plain,
    )
    own, other = to_log(photo), to_log(scene if painted is None else painted)
    # no band may carry skin into a beard, nor hair into the skin
    own, other = (torch.lerp(x, to_log(scene), fringe) for x in (own, other))
    other = torch.lerp(other, own, (appearance * hair * layers.photo.cover).maximum(hanging))
    face = from_log(_mix(own, other, to_log(scene), shares))
    tone, colour = _colours(layers.scene.picture, lit)  # a grey scene's face is grey, a toned one's has its tone alone
    face = face + (1 - colour) * (tone - face + face.mean(1, keepdim=True))
    edge = face_edge(layers.photo) * (1 - fringe.maximum(hanging))
    return Composed(
        face=torch.lerp(torch.lerp(around, scene, layers.scene.cover), face, edge),
        photo=photo.clamp(-1, 1),
        painted=(scene if painted is None else painted).clamp(-1, 1),
        share=shares.photo * (1 - hanging),
        near=near,
        edge=edge,
        parts=torch.cat([mouth, eyes, lips], 1),
        colour=colour,
    )


def surroundings(scene: Tensor, was: Tensor, now: Tensor, mask: Tensor) -> Tensor:
    """The scene with what lies beside the face moved along with its outline; at the mask's border nothing moves.

    scene     (B, 3, S, S) in [-1, 1]
    was, now  (B, 478, 3) meshes of the face there is and of the face there will be, crop pixels
    mask      (B, 1, S, S) 0..1, 1 = may change
    returns   (B, 3, S, S); outside of the mask the scene, bit for bit
    """
    size, coarse = scene.shape[-1], scene.shape[-1] // 8
    before, after = was[:, OUTLINE, :2], now[:, OUTLINE, :2]
    pixels = pixel_centres(coarse, coarse, scene).flatten(0, 1) * (size / coarse)
    apart = torch.cdist(pixels.expand(len(scene), -1, -1), after) / size
    weight = (apart + 0.02) ** -3
    shift = (weight / weight.sum(-1, keepdim=True)) @ (before - after)
    shift = shift * torch.exp(-(apart.amin(-1, keepdim=True) / FOLLOW).square())
    shift = F.interpolate(shift.mT.unflatten(2, (coarse, coarse)), scale_factor=2, mode="bicubic", align_corners=False)
    inner = -F.max_pool2d(-F.avg_pool2d(mask, size // (2 * coarse)), 7, stride=1, padding=3)
    shift = shift * blur(inner, 2.0)  # nothing at the mask's border
    shift = F.interpolate(shift, size=(size, size), mode="bilinear", align_corners=False)
    points = pixel_centres(size, size, scene) + shift.permute(0, 2, 3, 1)
    moved = resample(scene, points, torch.ones(len(scene)), mode="sharp")
    return torch.where(mask > 0, torch.lerp(scene, moved, mask), scene)


def _colours(scene: Tensor, skin: Tensor) -> tuple[Tensor, Tensor]:
    """Of the scene's face, where skin lies: its tone (B, 3, 1, 1), and 0..1 (B, 1, 1, 1), how far it varies."""
    chroma = scene - scene.mean(1, keepdim=True)
    total = skin.sum((2, 3), keepdim=True).clamp(min=1e-6)
    tone = (chroma * skin).sum((2, 3), keepdim=True) / total
    variety = ((chroma - tone).square().sum(1, keepdim=True) * skin).sum((2, 3), keepdim=True) / total
    return tone, (variety.sqrt() / VARIETY).clamp(0, 1)


def _nearness(layers: Layers, size: int) -> Tensor:
    """(B, 1, S, S) 0..1: how near the wanted expression is to the photo's."""
    coarse = size // 4
    moved = over_face(layers.target / 4, layers.moved[..., None], coarse, 0.1)
    moved = F.interpolate(blur(moved, coarse / 64), size=(size, size), mode="bilinear", align_corners=False)
    return torch.exp(-(moved / FAR).square())


def _filled(layer: Warped, around: Tensor) -> Tensor:
    """A layer's picture, where it shows nothing the surroundings."""
    shown = (layer.trust > 0.02) | (layer.cover > 0.5)
    return torch.where(shown, layer.picture, around)


def face_edge(photo: Warped) -> Tensor:
    """(B, 1, S, S): 1 in the face, fading within its outline; beyond the forehead as far as the photo is trusted."""
    inner = (2 * blur(photo.cover, photo.cover.shape[-1] / 100) - 1).clamp(0, 1)
    return inner.maximum(beyond(photo))


def beyond(photo: Warped) -> Tensor:
    """(B, 1, S, S) 0..1: how far a photo is shown where no face is known to be."""
    return (SURE * photo.trust).clamp(0, 1)


def _upper(target: Tensor, size: int) -> Tensor:
    """(B, 1, S, S) 0..1: from below the eyes on upwards, whichever way up the head is."""
    irises, chin, top = target[:, IRISES, :2].mean(1), target[:, OUTLINE[18], :2], target[:, OUTLINE[0], :2]
    up = (top - chin) / (top - chin).square().sum(-1, keepdim=True).clamp(min=1e-6)
    away = pixel_centres(size, size, target) - irises[:, None, None]
    above = (away * up[:, None, None]).sum(-1)[:, None]
    return ((above - ABOVE[0]) / (ABOVE[1] - ABOVE[0])).clamp(0, 1)


def _elsewhere(opened: Tensor, narrowed: Tensor) -> Tensor:
    """(B, 1, 1, 1) how much of a mouth's inside is the painter's; teeth that are seen can be seen a little longer."""
    other = (narrowed / FAR_NARROWER).clamp(0, 1) ** 2
    far = torch.where(opened < 0, (opened / FAR_INSIDE) ** 2, other * (opened / FAR_WIDER) ** 4)
    return 1 - torch.exp(-far).view(-1, 1, 1, 1)


def _mix(photo: Tensor, other: Tensor, scene: Tensor, shares: Shares) -> Tensor:
    """Band by band: the photo's, where it has a share, else the other's; the fine ones with the scene's contrast."""
    extra = max(0, (photo.shape[-1] // 512).bit_length() - 1)  # larger crops have more fine bands
    yields = YIELDS[:1] * extra + YIELDS
    ours, our_rest = split(photo, len(yields))
    theirs, their_rest = split(other, len(yields))
    grain = split(scene, GRAIN + extra)[0]
    mixed = []
    for i, (own, other) in enumerate(zip([*ours, our_rest], [*theirs, their_rest], strict=True)):
        change = own - other
        brightness = change.mean(1, keepdim=True)
        lost = yields[min(i, len(yields) - 1)] * (1 - shares.near)
        kept = brightness * (1 - lost) + (change - brightness) * shares.colour
        band = other + shares.photo * (1 - shares.fold) * kept
        if i < len(grain):
            band = torch.lerp(band, _like_scene(band, grain[i], shares, i <= extra), shares.photo)
        mixed.append(band)
        shares = shares.halved()
    return join(mixed[:-1], mixed[-1])


def _like_scene(band: Tensor, scene: Tensor, shares: Shares, finest: bool) -> Tensor:
    """A fine band with the contrast that the scene's has around there; what the finest lacks is its own grain."""
    reach = AROUND * band.shape[-1]
    there, here = (blur(x.square().mean(1, keepdim=True) * shares.skin, reach) + 1e-9 for x in (scene, band))
    whole = (there.mean((2, 3), keepdim=True) / here.mean((2, 3), keepdim=True)).sqrt().clamp(*GAINS)
    local = (there / here).sqrt().clamp(*GAINS)
    gain = (local * whole).sqrt().minimum(local)  # a shadow's noise goes, a scene's stubble does not come
    if not finest:
        return gain * band
    most = GRAINIEST * there.mean((2, 3), keepdim=True).sqrt()  # what stands out, such as a rim of glasses, is no grain
    return gain * band + shares.even * (1 - gain.square() * here / there).clamp(min=0).sqrt() * scene.clamp(-most, most)
