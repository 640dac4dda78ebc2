"""Faces over the frames of a video: where they are and how they are turned, without the jitter of their readings."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .mesh import Face

REACH = 3  # standard deviations that a frame looks ahead and back
AT_ONCE = 100  # frames of a face that are smoothed at a time
STEP = 0.5  # a face that moves more than this part of its size from one frame to the next is another one, or a cut


def smooth_faces(
    found: Sequence[list[Face]], deviation: float, at: Callable[[int], None] = lambda done: None
) -> list[list[Face]]:
    """Smooth points and poses over time; what the face does (its blendshapes) stays as it was read (ours).

    Each frame is set on the straight line that fits its neighbours best, weighted by a Gaussian over time. So steady
    motion does not lag behind, neither at the ends, and what does not move stays as it is, bit for bit.

    found      the faces of each frame; some frames may have none
    deviation  of the Gaussian, in frames; 0 leaves everything as it is
    at         called with the number of faces done, of all those found; may raise to stop
    """
    smoothed, done = [list(faces) for faces in found], 0
    for track in tracks(found, round(REACH * deviation)) if deviation > 0 else ():
        faces = [found[frame][place] for frame, place in track]
        times = torch.tensor([float(frame) for frame, _ in track])
        for start in range(0, len(track), AT_ONCE):  # with its neighbours, so that a long track is done in parts
            at(done + start)
            end, reach = min(start + AT_ONCE, len(track)), int(REACH * deviation)
            around = slice(max(0, start - reach), end + reach)
            own = slice(start - around.start, end - around.start)
            points = torch.stack([face.points for face in faces[around]]).cpu()
            poses = torch.stack([face.pose for face in faces[around]]).cpu()
            points = smooth(points, times[around], deviation)[own]
            poses = smooth(poses, times[around], deviation, turn=360)[own]
            for (frame, place), point, pose in zip(track[start:end], points, poses, strict=True):
                face = found[frame][place]
                smoothed[frame][place] = replace(face, points=point.to(face.points), pose=pose.to(face.pose))
        done += len(track)
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


def tracks(found: Sequence[list[Face]], memory: int) -> list[list[tuple[int, int]]]:
    """Which faces of successive frames are one: for each the (frame, place in its list), in the order of time.

    memory  a face that was away for more frames than this is another one when it comes back, so that a film of a
            thousand cuts takes a thousand times as long as one cut
    """
    followed: list[list[tuple[int, int]]] = []
    last: dict[int, Tensor] = {}  # of each track that may go on, middle and size (3,) when it was last seen
    for frame, faces in enumerate(found):
        last = {track: seen for track, seen in last.items() if frame - followed[track][-1][0] <= memory + 1}
        free = dict(last)
        for place, face in enumerate(faces):
            seen = _where(face)
            away = {track: float((seen - before).abs().max() / before[2]) for track, before in free.items()}
            track = min(away, key=away.__getitem__, default=None)
            if track is None or away[track] > STEP:
                track = len(followed)
                followed.append([])
            free.pop(track, None)
            followed[track].append((frame, place))
            last[track] = seen
    return followed


def _where(face: Face) -> Tensor:
    low, high = face.points[:, :2].aminmax(dim=0)
    return torch.cat([(low + high) / 2, (high - low).max()[None]]).cpu()
