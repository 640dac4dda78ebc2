"""A video of two people who cross, with gaps and cuts: is it always the one who was chosen? (ours)

`python cli.py benchmark crossing`. Anna and Bert, two of openpeople's acted faces, walk to and fro past each other, now
the one in front and now the other. At times Anna is away, at times both are. Each shot is another room, where they
begin on other sides.
"""

import math
import resource
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.encoders import Encoders
from ...models.faces.choice import PASS_THROUGH
from ...models.faces.mesh import Face
from ...models.faces.task_file import find_task_file
from ...models.network.checkpoint import resolve_checkpoint
from ..acted import acted_faces
from ..people import find_people

ANNA, BERT = "P001", "P002"
HEIGHT, WIDTH, HEAD = 200, 640, 150  # pixels of a frame; of the square that a head is drawn in
SHOTS = 3
AWAY, EMPTY = (0.30, 0.36), (0.60, 0.63)  # parts of a shot in which Anna is away, and in which both are
HIDDEN = 0.6  # part of HEAD: heads nearer to each other than that cannot both be seen
TOGETHER = 40  # pixels; so near to each other there is but one face to be seen, the one in front


@dataclass(frozen=True)
class Frame:
    picture: Tensor  # (3, HEIGHT, WIDTH) in [-1, 1]
    anna: float | None  # x of the middle of her head, pixels; None where she is away
    bert: float | None
    seen: bool  # Anna is there, and not hidden


@dataclass(frozen=True)
class Crossing:
    frames: int
    shown: int  # frames in which Anna is seen
    switches: int  # frames in which somebody else was taken for her
    missed: int  # frames in which she is seen and nobody was taken
    seconds: float  # of the processor, a frame
    memory: float  # MiB that the second half of the video took beside what the first half had


def run(count: int | None = None) -> None:
    """Of the bundled checkpoint."""
    encoders = Encoders.load(resolve_checkpoint("mini"), find_task_file())
    found = measure(encoders, Video((count or 300) // SHOTS))
    print("| frames | Anna is seen in | somebody else taken for her | nobody taken, though she is seen | processor s a "
          "frame | memory beside the first half's, MiB |\n|---|---|---|---|---|---|")  # fmt: skip
    print(f"| {found.frames} | {found.shown} | {found.switches} | {found.missed} | {found.seconds:.2f} | "
          f"{found.memory:.0f} |")  # fmt: skip


def measure(encoders: Encoders, video: "Video", count: int | None = None) -> Crossing:
    """count: its first frames alone"""
    memory, drawing = [], 0.0
    count = count or len(video)

    def picture_at(i: int) -> Tensor:
        nonlocal drawing
        begun = time.process_time()
        picture = video[i].picture
        drawing += time.process_time() - begun
        if i in (count // 2, count - 1):
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return picture

    begun = time.process_time()
    with torch.inference_mode():
        found = encoders.find(picture_at, count, "0", "frame", PASS_THROUGH, follow=True)
    seconds = time.process_time() - begun - drawing
    truth = [video[i] for i in range(count)]
    return Crossing(
        count,
        sum(each.seen for each in truth),
        sum(is_other(each, faces) for each, faces in zip(truth, found, strict=True)),
        sum(each.seen and not faces for each, faces in zip(truth, found, strict=True)),
        seconds / count,
        memory[1] - memory[0],
    )


def is_other(truth: Frame, chosen: list[Face]) -> bool:
    """Whether the face that was taken for Anna's is not hers."""
    if not chosen:
        return False
    if truth.anna and truth.bert and abs(truth.anna - truth.bert) < TOGETHER:  # whose it is the place does not tell
        return not truth.seen
    low, high = chosen[0].points[:, 0].aminmax()
    x = float(low + high) / 2
    away = {name: math.inf if at is None else abs(at - x) for name, at in (("anna", truth.anna), ("bert", truth.bert))}
    return away["bert"] < away["anna"] or away["anna"] > HEAD / 2


class Video:
    def __init__(self, length: int, shots: int = SHOTS):
        """length: frames of a shot"""
        self.length, self.shots = length, shots
        self.heads = {name: heads(name) for name in (ANNA, BERT)}
        across = torch.linspace(-1, 1, HEAD)
        far = (across[None].square() + across[:, None].square()).sqrt()
        self.oval = ((1 - far) / 0.1).clamp(0, 1)  # (HEAD, HEAD), 1 where a head is
        self.walls = [wall(shot) for shot in range(shots)]

    def __len__(self) -> int:
        return self.shots * self.length

    def __getitem__(self, i: int) -> Frame:
        shot, part = i // self.length, i % self.length / self.length
        swing = 0.5 - 0.5 * math.cos(2 * math.pi * part)  # there and back
        room = WIDTH - HEAD
        left = {ANNA: swing * room, BERT: (1 - 0.9 * swing) * room}
        if shot % 2:  # they begin on other sides
            left = {name: room - x for name, x in left.items()}
        gone = {ANNA: AWAY[0] <= part < AWAY[1] or EMPTY[0] <= part < EMPTY[1], BERT: EMPTY[0] <= part < EMPTY[1]}
        behind, front = (ANNA, BERT) if shot % 2 else (BERT, ANNA)
        picture = self.walls[shot].clone()
        for name in (behind, front):
            if not gone[name]:
                x = round(left[name])
                picture[:, HEIGHT - HEAD :, x : x + HEAD].lerp_(self.heads[name][i // 5 % 16], self.oval)
        hidden = behind == ANNA and abs(left[ANNA] - left[BERT]) < HIDDEN * HEAD
        middles = (None if gone[name] else left[name] + HEAD / 2 for name in (ANNA, BERT))
        return Frame(picture, *middles, seen=not (gone[ANNA] or hidden))


def heads(name: str) -> list[Tensor]:
    """(3, HEAD, HEAD) each: somebody's acted faces"""
    acted = list(acted_faces(find_people() / name).values())
    beside = (acted[0].shape[2] - acted[0].shape[1]) // 2
    squares = [cell[None, :, :, beside : beside + cell.shape[1]] for cell in acted]
    return [F.interpolate(each, size=(HEAD, HEAD), mode="bicubic", antialias=True)[0].clamp(-1, 1) for each in squares]


def wall(shot: int) -> Tensor:
    """(3, HEIGHT, WIDTH) of another tone in each shot, with soft spots"""
    spots = torch.randn(1, 3, 5, 16, generator=torch.Generator().manual_seed(shot))
    smooth = F.interpolate(spots, size=(HEIGHT, WIDTH), mode="bicubic")[0]
    return ((0.5, -0.5, 0.0)[shot % 3] + 0.15 * smooth).clamp(-1, 1)
