"""How far a made expression is from the real one: two photos of each test person, one carried to the other's (ours).

The first photo is identity and scene, the second one gives the expression alone, and is what should come out. It is
laid over the first by what no expression moves, and each picture's tones are brought to it by a line per colour, since
exposures differ; what is compared lies inside the face.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor

from ...models.appearance.finish import Wish
from ...models.appearance.warp import region
from ...models.comparison import correlation
from ...models.compositing import paste_faces
from ...models.expression.library import MOVING
from ...models.faces.mesh import Face
from ...models.frames import Frame, align, crop
from ...models.pictures import decode_picture
from ...models.pipeline import DiffSFSR
from ...training.data.photos import Photos, person_of
from ...training.data.split import test_people
from ...training.progress import shown
from ..judges.networks import Judges
from .tables import Mean, grid, interval

STEADY = (33, 263, 168, 133, 362)  # corners of the eyes, bridge of the nose: points of the mesh that stay
WISHES = {"result": Wish(), "retouch 0": Wish(retouch=0), "appearance 0": Wish(appearance=0)}
METRICS = ("error", "correlation", "judge_distance")


@dataclass(frozen=True)
class Photo:
    person: str
    picture: Tensor  # (3, H, W) in [-1, 1]
    face: Face


def run(portraits: Path, checkpoint: str, device: torch.device, judges: Judges | None) -> None:
    model = DiffSFSR.load(checkpoint, device=device)
    pairs = [pair for photos in photos_of_test_people(portraits, model) for pair in permutations(photos, 2)]
    rows = [(pair[0].person, measure(model, *pair, judges)) for pair in shown(pairs, "pairs of photos")]
    print(f"{len(pairs)} pairs of {len({person for person, _ in rows})} people\n")
    table = ((name, *(_cell(name, metric, rows) for metric in METRICS)) for name in ("unchanged", *WISHES))
    print("\n".join(grid(("", *METRICS), table)))


def photos_of_test_people(source: Path, model: DiffSFSR) -> Iterator[list[Photo]]:
    """The first two photos, with one face each, of everyone in a folder or .zip who took no part in training."""
    photos = Photos(source)
    tested = test_people(map(person_of, photos.names))
    for person in sorted(tested):
        found = []
        for name in (name for name in photos.names if person_of(name) == person):
            picture = decode_picture(photos.read(name), name)
            faces = model.encoders.mesh.find(picture)
            if len(faces) == 1 and len(found) < 2:
                found.append(Photo(person, picture, faces[0]))
        if len(found) == 2:
            yield found


@torch.inference_mode()
def measure(model: DiffSFSR, first: Photo, second: Photo, judges: Judges | None) -> dict[str, dict[str, float | None]]:
    """METRICS of the first photo as it is, and made to look like the second by each of WISHES.

    error           mean absolute difference from the second photo inside the face, levels of 255
    correlation     of the blendshapes read with the second photo's, both less the neutral; None without a face
    judge_distance  dlib's to the second photo; None without a face, or judges
    """
    background = model.background(first.picture)
    expression = model.expression(second.picture)
    asked = model.identity([first.picture]), expression, background
    painted = cache(lambda wish: model.paint(*asked, wish=wish))
    pictures = {"unchanged": first.picture}
    for name, wish in WISHES.items():
        crops = model.finish(painted(replace(wish, retouch=1.0)), *asked, wish)  # painted alike, retouched or not
        pictures[name] = paste_faces(crops.cpu(), background)[0]
    truth, inside = laid_over(second, first)
    there = None if judges is None else judges.read(second.picture, second.face).identity
    found = {}
    for name, picture in pictures.items():
        faces = model.encoders.mesh.find(picture, limit=1)
        same = far = None
        if faces:
            neutral = model.encoders.conditioner.neutral
            same = float(correlation(*((face.blendshapes - neutral)[MOVING] for face in (faces[0], second.face))))
            far = None if there is None else float((judges.read(picture, faces[0]).identity - there).norm())
        found[name] = dict(zip(METRICS, (difference(picture, truth, inside), same, far), strict=True))
    return found


def laid_over(second: Photo, first: Photo) -> tuple[Tensor, Tensor]:
    """The second photo (3, S, S) on the first one's S x S pixels, and where both faces are (1, S, S), 0 or 1."""
    size, steady = first.picture.shape[-1], list(STEADY)
    frame = Frame(size, tuple(map(tuple, first.face.points[steady, :2].tolist())))
    matrix = align(second.face.points[None, steady, :2], frame)
    moved = second.face.points.clone()
    moved[:, :2] = moved[:, :2] @ matrix[0, :, :2].T + matrix[0, :, 2]
    inside = [region(points[None], size, "face")[0] > 0.5 for points in (first.face.points, moved)]
    return crop(second.picture[None], matrix, size)[0], (inside[0] & inside[1]).float()


def difference(picture: Tensor, truth: Tensor, inside: Tensor) -> float:
    """Levels of 255, after the line for each colour that brings the picture (3, S, S) nearest to the truth."""
    weight = inside / inside.sum().clamp(min=1)
    x, y = (each - (each * weight).sum((1, 2), keepdim=True) for each in (picture, truth))
    gain = (x * y * weight).sum((1, 2), keepdim=True) / (x * x * weight).sum((1, 2), keepdim=True).clamp(min=1e-6)
    return float(((gain * x - y).abs() * weight).sum() / len(x) * 127.5)


def _cell(name: str, metric: str, rows: list[tuple[str, dict]]) -> str:
    known = [(person, found[name][metric]) for person, found in rows if found[name][metric] is not None]
    return str(Mean(name, metric, *interval(*zip(*known, strict=True)), len(known))) if known else "-"
