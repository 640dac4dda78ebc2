"""Rendered training pictures with true answers: people x expressions x scenes, in shards like those of photos.

Pictures come in groups of GROUP: PEOPLE people and EXPRESSIONS expressions meet in SCENES scenes, and the mesh reads
each picture. All pictures of a scene share one crop, that of its owner: a person whose own skull, ears, neck and hair
the scene has. So the owner's picture is the background, and any other picture of the scene is the true answer for that
background with the picture's own identity and expression. A scene without its owner's picture is left out. Ours; the
paper has no true answers.

A shard holds what those hold (training/data/shards.py), and `identity`, `expression`, `scene` (K,) int64, numbers that
are never used twice, and `owner` (K,) uint8, 1 for the pictures that are backgrounds. A picture is named after its
person.
"""

import itertools
import json
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.faces.mesh import BLENDSHAPES, SIDE, FaceMesh
from ..models.faces.task_file import find_task_file
from ..models.frames import FRAMES, Frame, align, crop, five_points, invert, scale, transform
from ..models.pixels import from_bytes, to_bytes
from ..models.readers.decoded import mesh_frame
from ..training.data.shards import Progress, write_json, write_shard
from .acting import draw_actions
from .casting import draw_person, draw_tone
from .heads import Person
from .scenes import Scene
from .staging import draw_scene
from .studio import Studio

PEOPLE, EXPRESSIONS, SCENES, GROUP = 3, 4, 2, 12
SHARD = 40  # groups a shard
AIR = 3 / 64  # of the crop's side: what is drawn beyond it on both sides, and twice below; the mesh wants some air
PRESENCE = 0.5
FAR = 9 / 128  # of the crop's side: five points farther than that from where they were drawn were not found
CHIN = 152  # in MediaPipe's mesh
PLAIN = {  # what the mesh must at least read where an action is meant: action, from which intensity on, reading
    "jawOpen": (0.6, 0.08), "mouthSmileLeft": (0.7, 0.1), "mouthSmileRight": (0.7, 0.1), "eyeBlinkLeft": (0.9, 0.2),
    "eyeBlinkRight": (0.9, 0.2),
}  # fmt: skip


def render(
    out: Path,
    count: int,
    seed: int = 0,
    processes: int = 1,
    frame: str = "mini-128",
    device: torch.device | str = "cpu",
) -> Iterator[Progress]:
    """Draw `count` pictures (rounded up to whole groups) into shards below `out`; yields after each shard.

    Picture i depends on (seed, i) only. Run again with the same arguments, it goes on where it stopped; a larger count
    adds pictures. `out/rejects.json` lists pictures left out and why.

    frame   a key of FRAMES, the generation frame of what is to be trained
    device  where the mesh reads the pictures; they are drawn by OpenGL
    """
    if frame not in FRAMES:
        raise ValueError(f'got frame "{frame}", want one of {", ".join(FRAMES)}')
    if count < 1 or processes < 1:
        raise ValueError(f"got {count} pictures and {processes} processes, want at least 1 of each")
    out.mkdir(parents=True, exist_ok=True)
    groups = -(-count // GROUP)
    path = out / "rejects.json"
    wanted = {"seed": seed, "frame": frame}
    state = json.loads(path.read_text()) if path.is_file() else wanted | {"photos": 0, "rejects": {}, "shards": {}}
    found = {"seed": state.get("seed"), "frame": state.get("frame", "mini-128")}  # older folders do not say theirs
    if found != wanted:
        (had, got) = (", ".join(f"{key} {value}" for key, value in each.items()) for each in (found, wanted))
        raise ValueError(f"{out} holds pictures of {had}, got {got}; choose another folder")
    plan = [(start, min(start + SHARD, groups)) for start in range(0, groups, SHARD)]
    todo = [
        (out, seed, frame, device, *span) for span in plan if state["shards"].get(str(span[0])) != span[1] - span[0]
    ]
    pool = multiprocessing.get_context("spawn").Pool(min(processes, len(todo))) if processes > 1 and todo else None
    try:
        for start, stop, rejects in (pool.imap_unordered if pool else map)(_render_shard, todo):
            state["shards"][str(start)] = stop - start
            state["photos"] = GROUP * sum(state["shards"].values())
            state["rejects"] |= rejects
            write_json(path, state)
            drawn, left_out = state["photos"], len(state["rejects"])
            yield Progress(drawn, drawn - left_out, left_out, groups * GROUP)
    finally:
        if pool:
            pool.terminate()


def _render_shard(task: tuple[Path, int, str, torch.device | str, int, int]) -> tuple[int, int, dict[str, str]]:
    out, seed, frame, device, start, stop = task
    torch.set_num_threads(1)
    os.environ.setdefault("LP_NUM_THREADS", "1")  # of Mesa's software renderer
    stage = Stage(seed, FRAMES[frame], device)
    rows, names, rejects = [], [], {}
    for group in range(start, stop):
        for name, row in stage.group(group):
            if isinstance(row, str):
                rejects[name] = row
            else:
                rows.append(row)
                names.append(name)
    write_shard(out / f"{start // SHARD:05d}.safetensors", rows, names)
    return start, stop, rejects


class Stage:
    """Draws groups and reads them, in a frame."""

    def __init__(self, seed: int, frame: Frame, device: torch.device | str = "cpu"):
        self.seed, self.size, self.air = seed, frame.size, round(AIR * frame.size)
        self.wide = Frame(frame.size + 2 * self.air, tuple((x + self.air, y) for x, y in frame.points))
        self.studio = Studio(self.wide.size)
        self.mesh, self.device = FaceMesh.load(find_task_file()), device
        self.to_mesh = mesh_frame(self.mesh, self.wide)  # (1, 2, 3)
        self.mesh.to(device)

    def group(self, number: int) -> Iterator[tuple[str, dict[str, Tensor] | str]]:
        """(name, row of a shard, or why it is left out) for each of a group's pictures"""
        random = np.random.default_rng((self.seed, number))
        tone = draw_tone(random)
        people = [draw_person(random, self.studio.heads.effects, tone) for _ in range(PEOPLE)]
        expressions = [draw_actions(random) for _ in range(EXPRESSIONS)]
        counts = [0] * PEOPLE
        for scene in range(SCENES):
            owner = int(random.integers(PEOPLE)) if scene else 0
            pairs = list(itertools.product(range(PEOPLE), range(EXPRESSIONS)))
            random.shuffle(pairs)
            first = next(pair for pair in pairs if pair[0] == owner)
            pairs = [first] + [pair for pair in pairs if pair != first][: GROUP // SCENES - 1]
            place = draw_scene(random, tone, people[owner])
            pictures = self._scene(place, [(people[i], expressions[j]) for i, j in pairs], people[owner])
            for k, ((i, j), row) in enumerate(zip(pairs, pictures, strict=True)):
                name = f"rendered_{number * PEOPLE + i:06d}/{counts[i]:04d}"
                counts[i] += 1
                if isinstance(row, dict):
                    numbers = number * PEOPLE + i, number * EXPRESSIONS + j, number * SCENES + scene
                    row |= dict(zip(("identity", "expression", "scene"), map(torch.tensor, numbers), strict=True))
                    row["owner"] = torch.tensor(int(k == 0), dtype=torch.uint8)
                yield name, row

    @torch.inference_mode()
    def _scene(
        self, scene: Scene, cast: list[tuple[Person, dict[str, float]]], body: Person
    ) -> list[dict[str, Tensor] | str]:
        studio = self.studio
        studio.enter(scene, body)
        heads = [studio.geometry(person, actions) for person, actions in cast]
        matrix = studio.alignment(heads[0], self.wide)
        first = _tensor(studio.draw(heads[0], *cast[0], matrix, samples=1))
        points, _, presence = self._read(first)
        if presence[0] < PRESENCE:
            return ["no face"] + ["the background of its scene is left out"] * (len(cast) - 1)
        own = align(five_points(points), self.wide)[0]  # from where it was drawn to where it belongs
        matrix = torch.cat([own[:, :2] @ matrix[:, :2], own[:, :2] @ matrix[:, 2:] + own[:, 2:]], 1)
        drawn = [_tensor(studio.draw(head, *each, matrix)) for head, each in zip(heads, cast, strict=True)]
        x = scene.camera.take(torch.cat(drawn))
        points, blendshapes, presence = self._read(x)
        expected = torch.stack([studio.five_points(head, matrix) for head in heads])
        border = self.size // 2  # samples: an upright crop may reach a little beyond what was drawn
        upright = align(2 * five_points(points) + border, FRAMES["arcface-112"])
        faces = crop(F.pad(x, (border,) * 4, mode="replicate"), upright, FRAMES["arcface-112"].size)
        size, air = self.size, self.air
        crops = F.avg_pool2d(x, 2)[..., :size, air : air + size]
        pose = self.mesh.pose(points.to(self.device)).cpu()
        away = (five_points(points) - expected).norm(dim=-1).amax(-1).masked_fill(presence < PRESENCE, torch.inf)
        origin = torch.tensor([float(air), 0.0])
        rows = [
            _reason(float(away[i]) / size, float(points[i, CHIN, 1]) / size, blendshapes[i], actions) or {
                "crop": to_bytes(crops[i]), "inside": torch.ones(1, size, size, dtype=torch.uint8),
                "face": to_bytes(faces[i]), "points": points[i, :, :2] - origin, "blendshapes": blendshapes[i].clone(),
                "pose": pose[i],
            }
            for i, (_, actions) in enumerate(cast)
        ]  # fmt: skip
        if isinstance(rows[0], str):
            return [rows[0]] + ["the background of its scene is left out"] * (len(rows) - 1)
        return rows

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points (B, 478, 3) in pixels of the frame, blendshapes, presence of pictures drawn at any size.

        The mesh looks at a face as large as it is used to, whatever the frame has around it.
        """
        drawn = torch.cat([self.to_mesh[..., :2] * self.wide.size / x.shape[-1], self.to_mesh[..., 2:]], -1)
        seen = crop(x, drawn.expand(len(x), -1, -1), SIDE).to(self.device)
        points, blendshapes, presence = (found.cpu() for found in self.mesh.read(seen))
        flat, depth = transform(points[..., :2], invert(self.to_mesh)), points[..., 2:] / scale(self.to_mesh)
        return torch.cat([flat, depth], -1), blendshapes, presence


def _reason(away: float, chin: float, blendshapes: Tensor, actions: dict[str, float]) -> str:
    """Why a picture is left out, or nothing.

    away, chin  by the crop's side: how far from where the face was drawn, infinite where none is read; from the top
    """
    if away > FAR:
        return f"points {away:.0%} of the crop from where they were drawn" if away < torch.inf else "no face"
    if chin > 1:
        return "chin outside of the crop"
    for action, (least, reading) in PLAIN.items():
        read = float(blendshapes[BLENDSHAPES.index(action)])
        if actions.get(action, 0) >= least and read < reading:
            return f"{action} reads {read:.2f} where {actions[action]:.2f} was meant"
    return ""


def _tensor(pixels: np.ndarray) -> Tensor:
    return from_bytes(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])
