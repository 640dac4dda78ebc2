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
from .topology import LEFT_EYE, LIPS, MOUTH, RIGHT_EYE, TRIANGLES, mirror, strip

SURER = 0.06  # where one photo's trust is ahead by this much, it gets e times the weight
MIRRORED, LATER = 0.3, 0.02  # trust by which a mirrored photo, and each further photo, has to be ahead
UNUSED = 0.02  # a photo with less weight than this at every point is not read


@dataclass(frozen=True)
class Warped:
    """Pictures of B faces, S x S pixels."""

    picture: Tensor  # (B, 3, S, S) in [-1, 1]: the photo's texture where it belongs; 0 where nothing is shown
    trust: Tensor  # (B, 1, S, S) 0..1: how far each pixel can be believed; 0 outside, fading towards it
    cover: Tensor  # (B, 1, S, S) 0..1: where the target's mesh lies, whatever the photo shows; soft edge
    flow: Tensor  # (B, S, S, 2) photo pixels that each pixel reads; 0 where nothing is shown


def warp(photo: Tensor, source: Tensor, target: Tensor, size: int, *, fit: Tensor | None = None) -> Warped:
    """Carry a photo of each of B faces, or one photo of all of them, to where it belongs.

    photo   (B or 1, 3, h, w) RGB in [-1, 1]
    source  (B, 478, 3) the face's points in the photo, photo pixels; z smaller is nearer
    target  (B, 478, 3) where they belong, target pixels
    size    S of the result
    fit     (B, 478) 0..1, trust in each point for other reasons, such as an expression near the wanted one
    """
    _check(photo, source, target)
    with torch.no_grad():
        source = source.detach().float()
        layout = Layout(target.detach().float(), size)
        flow, trust, light = layout.read(source, layout.trust(source, fit), photo.shape[-2:])
    picture = layout.finish(layout.sample(photo, source, flow, light), flow, source)
    return _warped(layout, picture, trust, flow)


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
    if target.ndim != 4 or target.shape[1] not in (1, count):
        raise ValueError(f"got targets of shape {tuple(target.shape)}, want (B, {count} or 1, 478, 3)")
    _check(photos, sources, target.flatten(0, 1), alike=False)
    with torch.no_grad():
        target = target.detach().float()
        window = Window.around(extend(target.flatten(0, 1)), size, MARGIN)
        layouts = [Layout(points, size, window) for points in target.unbind(1)]
        layouts = layouts * (count // len(layouts))
        views = [(i, flipped) for flipped in ((False, True) if mirrored else (False,)) for i in range(count)]
        points, trusts, opening_trusts = [], [], []
        for i, flipped in views:
            there = sources[i : i + 1].detach().float().expand(len(target), -1, -1)
            one_fit = None if fit is None else fit[..., i, :].expand(len(target), -1)
            if flipped:
                there, one_fit = _flip(there, width), None if fit is None else one_fit[:, mirror()]
            points.append(there)
            trusts.append(layouts[i].trust(there, one_fit))
            opening_trusts.append(layouts[i].opening_trust(there, trusts[-1]))
        behind = [LATER * i + MIRRORED * flipped for i, flipped in views]
        weights = _prefer([layouts[i].preference(t) for (i, _), t in zip(views, trusts, strict=True)], behind)
        opening_weights = list(zip(*(_prefer(list(t), behind) for t in zip(*opening_trusts, strict=True)), strict=True))
    picture, trust, flow, total, most = 0, 0, 0, 0, torch.zeros_like(layouts[0].cover)
    for k, (i, flipped) in enumerate(views):
        if max(w.max() for w in (weights[k], *opening_weights[k])) < UNUSED:
            continue
        layout = layouts[i]
        with torch.no_grad():
            at, seen, light = layout.read(points[k], trusts[k], photos.shape[-2:])
            at = torch.cat([width - at[..., :1], at[..., 1:]], -1) if flipped else at
            weight = layout.weigh(weights[k], opening_weights[k])
            flow = torch.where((weight > most)[:, 0, :, :, None], at, flow)
            most, total, trust = most.maximum(weight), total + weight, trust + weight * seen
        found = layout.sample(photos[i : i + 1], points[k], at, light)
        picture = picture + weight * layout.finish(found, at, points[k])
    total = total.clamp(min=1e-6)
    return _warped(layouts[0], picture / total, trust / total, flow)


def region(points: Tensor, size: int, what: str) -> Tensor:
    """(B, 1, size, size) 0..1, soft at its edge: a part of the faces with the points (B, 478, 3), in pixels.

    what  "face" (the mesh), "mouth" (inside of the lips), "lips" (without the inside), "eyes" (between the lids)
    """
    parts = {
        "face": [*TRIANGLES, *strip(MOUTH), *strip(LEFT_EYE), *strip(RIGHT_EYE)],
        "mouth": strip(MOUTH),
        "lips": strip((LIPS[0], MOUTH[0])) + strip((MOUTH[1], LIPS[1])),
        "eyes": strip(LEFT_EYE) + strip(RIGHT_EYE),
    }
    if what not in parts:
        raise ValueError(f"got the region {what!r}, want one of {', '.join(parts)}")
    with torch.no_grad():
        triangles = torch.tensor(parts[what], device=points.device)
        one_sided = torch.full((len(triangles),), what in ("mouth", "eyes"), device=points.device)
        raster = rasterise(points.detach().float(), triangles, Window(0, 0, size, size), one_sided)
        return soften(raster.plane(torch.ones_like(raster.along)).permute(0, 3, 1, 2), max(1, size // 256))


def _warped(layout: Layout, picture: Tensor, trust: Tensor, flow: Tensor) -> Warped:
    with torch.no_grad():
        trust = layout.soften(trust) * layout.shown
        flow = (flow * layout.shown[:, 0, :, :, None]).permute(0, 3, 1, 2)
        planes = [layout.whole(plane) for plane in (trust, layout.soften(layout.cover), flow)]
    return Warped(layout.whole(picture), planes[0], planes[1], planes[2].permute(0, 2, 3, 1))


def _prefer(trusts: list[Tensor], behind: list[float]) -> Tensor:
    """Weights (n, ...), their sum over n is 1: high where a photo's trust, n times (...), is ahead of the others'."""
    ahead = torch.stack(trusts) - trusts[0].new_tensor(behind).reshape(-1, *[1] * trusts[0].ndim)
    return (ahead / SURER).softmax(0)


def _flip(points: Tensor, width: int) -> Tensor:
    """The points (B, 478, 3) of the mirror image of a picture that is `width` pixels wide."""
    flipped = points[:, mirror()]
    return torch.cat([width - flipped[..., :1], flipped[..., 1:]], -1)


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
