"""What encoding a face costs, step by step: `python cli.py benchmark encoders` (ours).

Measured are processor seconds on one thread, which other work on the machine disturbs less than the clock.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from ...models.faces.detector import cut
from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.frames import FRAMES, align, crop, five_points
from ...models.identity.recogniser import Recogniser
from ...models.network.checkpoint import ASSETS
from ...models.pictures import read_picture
from ..people import find_people

BATCHES = (1, 32)
ROUNDS = 7
SIDE = 512  # of the pictures, pixels


def run() -> None:
    """Of the bundled mesh and recognisers."""
    recognisers = {path.stem: Recogniser.load(path) for path in sorted(ASSETS.glob("resnet-*.safetensors"))}
    for line in lines(FaceMesh.load(find_task_file()), recognisers):
        print(line, flush=True)


@torch.inference_mode()
def lines(
    mesh: FaceMesh, recognisers: dict[str, nn.Module], batches: Sequence[int] = BATCHES, rounds: int = ROUNDS
) -> Iterator[str]:
    """A Markdown table, a row for each step; milliseconds a face, the median of so many rounds."""
    picture = read_picture(find_people() / "P001" / "assets" / "studio_portrait.jpg")
    side = float(max(picture.shape[1:]))
    picture = cut(picture[None], torch.eye(2, 3) * side / SIDE, SIDE, round(side / SIDE))  # (1, 3, 512, 512)
    yield f"| step | {' | '.join(f'ms a face, batch of {batch}' for batch in batches)} |"
    yield "|---" * (len(batches) + 1) + "|"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, step in steps(mesh, recognisers, picture).items():
            found = [milliseconds(lambda step=step, n=n: step(n), rounds) / n for n in batches]
            yield f"| {name} | {' | '.join(f'{value:.1f}' for value in found)} |"
    finally:
        torch.set_num_threads(threads)


def steps(mesh: FaceMesh, recognisers: dict[str, nn.Module], picture: Tensor) -> dict[str, Callable[[int], object]]:
    """By name, what is done for a batch of so many faces. picture: (1, 3, S, S) in [-1, 1], a portrait"""
    points = mesh.find(picture)[0].points[None]  # (1, 478, 3)
    low, high = points[0, :, :2].amin(0), points[0, :, :2].amax(0)
    scale = float((high - low).max()) * 1.5 / 256  # picture pixels a pixel of the mesh's crop
    frame = torch.cat([torch.eye(2) * scale, ((low + high) / 2 - 128 * scale)[:, None]], dim=1)
    face, matrix = cut(picture, frame, 256, 1), align(five_points(points), FRAMES["arcface-112"])
    aligned = crop(picture, matrix, 112)

    def many(x: Tensor, n: int) -> Tensor:
        return x.expand(n, *x.shape[1:]).contiguous()

    found = {
        "detector, the first look": lambda n: mesh.detector(many(picture, n)),
        "detector, a closer look in 9 windows": lambda n: [mesh.detector(picture, 1) for _ in range(n)],
        "mesh: points and blendshapes": lambda n: mesh.read(many(face, n)),
        "all of these, in pictures of 512 px": lambda n: mesh.find_batch(many(picture, n)),
        "crop of 112 px": lambda n: crop(many(picture, n), many(matrix, n), 112),
    }
    for name, recogniser in recognisers.items():
        found[f"recogniser {name}"] = lambda n, recogniser=recogniser: recogniser(many(aligned, n))
    return found


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    work()  # the first time is not counted
    spent = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)
    return 1000 * statistics.median(spent)
