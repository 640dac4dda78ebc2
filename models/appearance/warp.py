"""The photo's own pixels carried to where they belong: through its face mesh onto the mesh that the result has (ours).

    points of photo and target -> which triangle lies over each target pixel -> the photo pixel that it reads -> picture
                               -> how far that can be trusted

Skin goes by MediaPipe's triangles, eyes and mouth by openings.py. The texture carries a gradient, the geometry none.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .layout import MARGIN, Layout, extend, soften
from .raster import Window, rasterise
from .topology import LEFT_EYE, LIPS, MOUTH, NOSE, RIGHT_EYE, SOCKETS, TRIANGLES, mirror, strip
from .trust import visible

SURER = 0.06  # where one photo's trust is ahead by this much, it gets e times the weight
MIRRORED, LATER = 0.4, 0.02  # trust by which a mirrored photo, and each further photo, has to be ahead
UNUSED = 0.02  # weights below this are none, and a photo without any is not read


@dataclass(frozen=True)
class Warped:
    """Pictures of B faces, S x S pixels."""

    picture: Tensor  # (B, 3, S, S) in [-1, 1]: the photo's texture where it belongs; 0 where nothing is shown
    trust: Tensor  # (B, 1, S, S) 0..1: how far each pixel can be believed; 0 outside, fading towards it
    cover: Tensor  # (B, 1, S, S) 0..1: where the target's mesh lies, whatever the photo shows; soft edge
    flow: Tensor  # (B, S, S, 2) photo pixels that each pixel reads; 0 where nothing is shown


def lay_out(target: Tensor, size: int) -> Layout:
    """What warp() makes of a target's points (B, 478, 3), for several photos of the same faces, each with its own."""
    with torch.no_grad():
        return Layout(_bring(target)[0].detach(), size)


def unhidden(source: Tensor) -> Tensor:
    """(B, 478) 0 where a photo hides its points (B, 478, 3), else 1: what warp() makes of them alone."""
    return visible(source, torch.tensor(TRIANGLES, device=source.device))


def warp(
    photo: Tensor,
    source: Tensor,
    target: Tensor,
    size: int,
    *,
    fit: Tensor | None = None,
    layout: Layout | None = None,
    seen: Tensor | None = None,
) -> Warped:
    """Carry a photo of each of B faces, or one photo of all of them, to where it belongs.

    photo   (B or 1, 3, h, w) RGB in [-1, 1]
    source  (B, 478, 3) the face's points in the photo, photo pixels; z smaller is nearer
    target  (B, 478, 3) where they belong, target pixels
    size    S of the result
    fit     (B, 478) 0..1, trust in each point for other reasons, such as an expression near the wanted one
    layout  lay_out(target, size), where it is there already
    seen    (B, 478) unhidden(source), where it is there already
    """
    _check(photo, source, target)
    home, (photo, source, target, fit, seen) = photo.device, _bring(photo, source, target, fit, seen)
    with torch.no_grad():
        layout = layout or Layout(target, size)
        flow, trust, known = layout.read(source, layout.trust(source, fit, seen), photo.shape[-2:])
    picture = layout.finish(layout.sample(photo, source, flow, known), flow, source)
    return _warped(layout, picture, trust, layout.cover, flow, layout.shown, home)


def warp_photos(
    photos: Tensor, sources: Tensor, target: Tensor, size: int, *, fit: Tensor | None = None, mirrored: bool = True
) -> Warped:
    """Carry several photos of one person to each of B faces: at each point the most trusted one, blended softly.

    photos    (n, 3, h, w) RGB in [-1, 1]
    sources   (n, 478, 3) the face's points in the photos, photo pixels
    target    (B, n or 1, 478, 3) where each photo's points belong, target pixels
    size      S of the result
    fit       (n, 478) or (B, n, 478) 0..1, as in warp()
    mirrored  let a photo's mirror image stand in where no photo shows a half of the face
    returns   the flow is that of the photo with the largest weight
    """
    count, width = len(photos), photos.shape[-1]
    if target.ndim != 4 or target.shape[1] not in (1, count) or len(sources) != count:
        raise ValueError(
            f"got {count} photos, points in {len(sources)} and targets of shape {tuple(target.shape)}, "
            f"want points of each photo and targets (B, {count} or 1, 478, 3)"
        )
    _check(photos, sources, target.flatten(0, 1), alike=False)
    home, (photos, sources, target, fit) = photos.device, _bring(photos, sources, target, fit)
    with torch.no_grad():
        window = Window.around(extend(target.flatten(0, 1)), size, MARGIN)
        layouts = [Layout(points, size, window) for points in target.unbind(1)]
        layouts *= count // len(layouts)
        views = [_view(layouts[i], i, False, sources[i], fit, width) for i in range(count)]
        if mirrored:
            views += [_view(layouts[i], i, True, sources[i], fit, width) for i in range(count)]
        behind = sources.new_tensor([LATER * view.number + MIRRORED * view.flipped for view in views])
        weights = _prefer([view.layout.preference(view.trust) for view in views], behind)
        in_eyes, in_mouth = (
            _prefer(list(t), behind) for t in zip(*(view.opening_trust for view in views), strict=True)
        )
    picture, trust, flow, total, most = 0, 0, 0, 0, torch.zeros_like(layouts[0].cover)
    for view, *parts in zip(views, weights, in_eyes, in_mouth, strict=True):
        if not any(part.any() for part in parts):
            continue
        layout = view.layout
        with torch.no_grad():
            at, seen, known = layout.read(view.points, view.trust, photos.shape[-2:])
            weight = layout.weigh(*parts)
            there = torch.cat([width - at[..., :1], at[..., 1:]], -1) if view.flipped else at
            flow = torch.where((weight > most)[:, 0, :, :, None], there, flow)
            most, total, trust = most.maximum(weight), total + weight, trust + weight * seen
        photo = photos[view.number, None].flip(-1) if view.flipped else photos[view.number, None]
        found = layout.sample(photo, view.points, at, known)
        picture = picture + weight * layout.finish(found, at, view.points)
    total = total.clamp(min=1e-6)
    cover = torch.stack([layout.cover for layout in layouts]).amax(0)
    return _warped(layouts[0], picture / total, trust / total, cover, flow, most > 0, home)


def region(points: Tensor, size: int, what: str) -> Tensor:
    """(B, 1, size, size) 0..1, soft at its edge: a part of the faces with the points (B, 478, 3), in pixels.

    what  "face" (the mesh), "mouth" (inside of the lips), "lips" (without the inside), "eyes" (between the lids),
          "sockets" (brows, lids, what lies below them), "brows" (sockets, and what lies between them), "nose"
    """
    parts = {
        "face": [*TRIANGLES, *strip(MOUTH), *strip(LEFT_EYE), *strip(RIGHT_EYE)],
        "mouth": strip(MOUTH),
        "lips": strip((LIPS[0], MOUTH[0])) + strip((MOUTH[1], LIPS[1])),
        "eyes": strip(LEFT_EYE) + strip(RIGHT_EYE),
        "sockets": strip(SOCKETS[0]) + strip(SOCKETS[1]),
        "nose": strip(NOSE),
        "brows": strip([[*left, *right] for left, right in zip(*SOCKETS, strict=True)]),
    }
    if what not in parts:
        raise ValueError(f"got the region {what!r}, want one of {', '.join(parts)}")
    with torch.no_grad():
        home, (points,) = points.device, _bring(points.detach())
        triangles = torch.tensor(parts[what], device=points.device)
        one_sided = torch.full((len(triangles),), what in ("mouth", "eyes"), device=points.device)
        raster = rasterise(points, triangles, Window(0, 0, size, size), one_sided)
        return soften(raster.plane(torch.ones_like(raster.along)).permute(0, 3, 1, 2), max(1, size // 256)).to(home)


@dataclass(frozen=True)
class _View:
    """One of several photos, or its mirror image, and how well it shows the faces."""

    layout: Layout
    number: int
    flipped: bool
    points: Tensor  # (B, 478, 3)
    trust: Tensor  # (B, V)
    opening_trust: list[Tensor]


def _view(layout: Layout, number: int, flipped: bool, source: Tensor, fit: Tensor | None, width: int) -> _View:
    fit = None if fit is None else fit[..., number, :].expand(len(layout.target), -1)
    if flipped:
        source = source[mirror()]
        source = torch.cat([width - source[:, :1], source[:, 1:]], -1)
        fit = None if fit is None else fit[:, mirror()]
    points = source.expand(len(layout.target), -1, -1)
    trust = layout.trust(points, fit)
    return _View(layout, number, flipped, points, trust, layout.opening_trust(points, trust))


def _warped(
    layout: Layout, picture: Tensor, trust: Tensor, cover: Tensor, flow: Tensor, shown: Tensor, home: torch.device
) -> Warped:
    with torch.no_grad():
        trust = layout.soften(trust) * shown
        flow = (flow * shown[:, 0, :, :, None]).permute(0, 3, 1, 2)
        trust, cover, flow = (layout.whole(plane).to(home) for plane in (trust, layout.soften(cover), flow))
    return Warped(layout.whole(picture).to(home), trust, cover, flow.permute(0, 2, 3, 1))


def _bring(photo: Tensor, *others: Tensor | None) -> list[Tensor | None]:
    """All on the photo's device if it is one whose scatter and sampling are known to work, else on the CPU."""
    device = photo.device if photo.device.type in ("cpu", "cuda") else torch.device("cpu")
    return [photo.to(device, torch.float32)] + [
        t if t is None else t.detach().to(device, torch.float32) for t in others
    ]


def _prefer(trusts: list[Tensor], behind: Tensor) -> Tensor:
    """Weights (n, ...), of any sum: high where a photo's trust, n times (...), is ahead of the others'.

    behind  (n,) trust by which each has to be ahead
    """
    ahead = torch.stack(trusts) - behind.reshape(-1, *[1] * trusts[0].ndim)
    return ((ahead / SURER).softmax(0) - UNUSED).clamp(min=0)


def _check(photo: Tensor, source: Tensor, target: Tensor, alike: bool = True) -> None:
    if photo.ndim != 4 or photo.shape[1] != 3 or len(photo) not in (1, len(source)):
        raise ValueError(f"got photos of shape {tuple(photo.shape)}, want (1 or {len(source)}, 3, h, w)")
    for name, points in (("source", source), ("target", target)):
        if points.ndim != 3 or tuple(points.shape[1:]) != (478, 3):
            raise ValueError(
                f"got {name} points of shape {tuple(points.shape)}, want (B, 478, 3) with irises and depth"
            )
        if not points.isfinite().all():
            raise ValueError(f"got {name} points that are not finite; check the face's reading")
    if alike and len(source) != len(target):
        raise ValueError(f"got points of {len(source)} faces in photos and {len(target)} targets, want as many")
