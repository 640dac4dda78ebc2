"""How far results are from photographs: `python cli.py realism RESULTS --real PHOTOS`.

The kernel distance of CLIP's features (Jayasumana et al. 2024: squared maximum mean discrepancy, a Gaussian of width
10, times 1000, unbiased) between the faces of two folders, cut alike. Two halves of the real ones tell what is nothing.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...models.appearance.photos import PORTRAIT
from ...models.faces.mesh import Face, FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.frames import Frame, align, crop, five_points
from ...models.pictures import read_picture
from ...training.data.photos import is_picture
from ...training.progress import shown
from ..judges.clip import Clip

FACE = Frame(256, tuple((x * 0.4, y * 0.4) for x, y in PORTRAIT.points))
WIDTH, TIMES = 10.0, 1000.0
SEED = 0  # of the halves
ROUNDS = 10
RESAMPLES = 1000


def run(results: Sequence[Path], real: Path) -> None:
    mesh, clip = FaceMesh.load(find_task_file()), Clip.load()
    photos = features(real, mesh, clip)
    print(f"| pictures | faces | distance to {real} |\n|---|---|---|")
    print(f"| two halves of {real} | {len(photos)} | {halves(photos):.2f} |")
    for folder in results:
        found = features(folder, mesh, clip)
        print(f"| {folder} | {len(found)} | {distance(found, photos):.2f} |", flush=True)


def features(folder: Path, mesh: FaceMesh, clip: Clip) -> Tensor:
    """(N, 512): of the largest face of every picture in a folder; pictures without one are left out."""
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}; give folders of pictures")
    found = []
    for path in shown(sorted(filter(lambda path: is_picture(path.name), folder.rglob("*"))), folder.name):
        picture = read_picture(path)
        faces = mesh.find(picture, limit=1)
        if faces:
            found.append(face_features(picture, faces[0], clip))
    if len(found) < 2:
        raise ValueError(f"got {len(found)} faces in {folder}, want two or more")
    return torch.cat(found)


def face_features(picture: Tensor, face: Face, clip: Clip) -> Tensor:
    """(1, 512), a unit vector; picture (3, H, W) in [-1, 1]"""
    matrix = align(five_points(face.points[None].cpu()), FACE)
    return clip(crop(picture[None].cpu(), matrix, FACE.size))


def distance(first: Tensor, second: Tensor) -> float:
    """Between two sets of unit vectors, (N, D) and (M, D); near 0, and at times below, where both are of one kind."""
    a, b, between = _kernel(first, first), _kernel(second, second), _kernel(first, second)
    within = sum((k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (a, b))
    return TIMES * float(within - 2 * between.mean())


def halves(vectors: Tensor) -> float:
    """Mean size of the distance between random halves."""
    generator = torch.Generator().manual_seed(SEED)
    orders = [torch.randperm(len(vectors), generator=generator) for _ in range(ROUNDS)]
    pairs = [vectors[order].chunk(2) for order in orders]
    return sum(abs(distance(*pair)) for pair in pairs) / ROUNDS


def spread(vectors: Tensor, people: Sequence[str], real: Tensor) -> tuple[float, float, float]:
    """distance() of vectors (N, D), of N results of people, and the ends of its 95 % bootstrap interval over people."""
    names = sorted(set(people))
    belongs = torch.tensor([[name == person for person in people] for name in names], dtype=torch.double)
    drawn = torch.randint(len(names), (RESAMPLES, len(names)), generator=torch.Generator().manual_seed(SEED))
    counts = torch.nn.functional.one_hot(drawn, len(names)).sum(1).double()
    weights = counts @ belongs  # (RESAMPLES, N): how often each result is drawn
    own, between, theirs = _kernel(vectors, vectors), _kernel(vectors, real).mean(1), _kernel(real, real)
    own.fill_diagonal_(0)  # no result is compared with itself, however often it is drawn
    pairs = weights.sum(1).square() - weights.square().sum(1)
    within = ((weights @ own) * weights).sum(1) / pairs.clamp(min=1)
    theirs = (theirs.sum() - theirs.trace()) / (len(real) * (len(real) - 1))
    found = TIMES * (within + theirs - 2 * (weights @ between) / weights.sum(1))
    low, high = torch.quantile(found[pairs > 0], torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return distance(vectors, real), low, high


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return torch.exp(-torch.cdist(x.double(), y.double()).square() / (2 * WIDTH**2))
