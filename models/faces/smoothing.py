"""Faces over the frames of a video: where they are and how they are turned, without the jitter of their readings."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .mesh import Face

REACH = 3  # standard deviations that a frame looks ahead and back
STEP = 0.5  # a face that moves more than this part of its size from one frame to the next is another one, or a cut


def smooth_faces(found: Sequence[list[Face]], deviation: float) -> list[list[Face]]:
    """Smooth points and poses over time; what the face does (its blendshapes) stays as it was read (ours).

    Each frame is set on the straight line that fits its neighbours best, weighted by a Gaussian over time. So steady
    motion does not lag behind, neither at the ends, and what does not move stays as it is, bit for bit.

    found      the faces of each frame; some frames may have none
    deviation  of the Gaussian, in frames; 0 leaves everything as it is
    """
    smoothed = [list(faces) for faces in found]
    for track in tracks(found) if deviation > 0 else ():
        faces = [found[frame][place] for frame, place in track]
        times = torch.tensor([float(frame) for frame, _ in track])
        points = smooth(torch.stack([face.points for face in faces]).cpu(), times, deviation)
        poses = smooth(torch.stack([face.pose for face in faces]).cpu(), times, deviation, turn=360)
        for (frame, place), face, point, pose in zip(track, faces, points, poses, strict=True):
            smoothed[frame][place] = replace(face, points=point.to(face.points), pose=pose.to(face.pose))
    return smoothed


def smooth(values: Tensor, times: Tensor, deviation: float, turn: float | None = None) -> Tensor:
    """Local linear regression over time.

    values   (T, ...)
    times    (T,) ascending, in frames
    turn     where values go round: after so many units they are the same again
    returns  like values
    """
    count, flat = len(values), values.flatten(1).double()
    weights = torch.zeros(3, count, 1).double()  # sums of w, w t and w t^2
    moments = torch.zeros(2, *flat.shape).double()  # sums of w d and w t d; d: a neighbour's difference
    reach = min(int(REACH * deviation), count - 1)
    for offset in range(-reach, reach + 1):
        here = torch.arange(max(0, -offset), min(count, count - offset))
        time = (times[here + offset] - times[here]).double()[:, None]
        difference = flat[here + offset] - flat[here]
        if turn is not None:
            difference = (difference + turn / 2) % turn - turn / 2
        for power in range(3):
            part = torch.exp(-0.5 * (time / deviation) ** 2) * time**power
            weights[power, here] += part
            if power < 2:
                moments[power, here] += part * difference
    determinant = weights[0] * weights[2] - weights[1] ** 2
    shift = (weights[2] * moments[0] - weights[1] * moments[1]) / determinant.clamp(min=1e-9)
    return (flat + shift).to(values).view_as(values)


def tracks(found: Sequence[list[Face]]) -> list[list[tuple[int, int]]]:
    """Which faces of successive frames are one: for each the (frame, place in its list), in the order of time."""
    followed: list[list[tuple[int, int]]] = []
    last: list[Tensor] = []  # of each track, middle and size (3,) when it was last seen
    for frame, faces in enumerate(found):
        free = set(range(len(followed)))
        for place, face in enumerate(faces):
            seen = _where(face)
            away = {track: float((seen - last[track]).abs().max() / last[track][2]) for track in free}
            track = min(away, key=away.__getitem__, default=None)
            if track is None or away[track] > STEP:
                track = len(followed)
                followed.append([])
                last.append(seen)
            free.discard(track)
            followed[track].append((frame, place))
            last[track] = seen
    return followed


def _where(face: Face) -> Tensor:
    low, high = face.points[:, :2].aminmax(dim=0)
    return torch.cat([(low + high) / 2, (high - low).max()[None]]).cpu()
