"""Rendered training pictures with true answers: people x expressions x scenes, in shards like those of prepare.py.

Pictures come in groups of GROUP: PEOPLE people and EXPRESSIONS expressions meet in SCENES scenes, and the mesh reads
each picture. All pictures of a scene share one crop, that of its owner: a person whose own skull, ears, neck and hair
the scene has. So the owner's picture is the background, and any other picture of the scene is the true answer for that
background with the picture's own identity and expression. A scene without its owner's picture is left out. Ours; the
paper has no true answers.

A shard holds what prepare.py's hold, and `identity`, `expression`, `scene` (K,) int64, numbers that are never used
twice, and `owner` (K,) uint8, 1 for the pictures that are backgrounds. A picture is named after its person.
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
from ..models.frames import FRAMES, Frame, align, crop, five_points
from ..training.data.prepare import Progress
from ..training.data.shards import write_shard
from .acting import draw_actions
from .casting import draw_identity, draw_tone
from .heads import Identity
from .scenes import Scene
from .staging import draw_scene
from .studio import Studio

PEOPLE, EXPRESSIONS, SCENES, GROUP = 3, 4, 2, 12
SHARD = 40  # groups a shard
LEFT, BOTTOM = 6, 12  # pixels drawn beyond the crop at both sides and below: the mesh wants some air
WIDE = FRAMES["mini-128"].size + 2 * LEFT
PRESENCE = 0.5
FAR = 9.0  # pixels: five points that lie farther than that from where they were drawn were not found
LOWEST = 128.0  # pixels: where the chin may be in the crop
CHIN = 152  # in MediaPipe's mesh
PLAIN = {  # what the mesh must at least read where an action is meant: action, from which intensity on, reading
    "jawOpen": (0.6, 0.08), "mouthSmileLeft": (0.7, 0.1), "mouthSmileRight": (0.7, 0.1), "eyeBlinkLeft": (0.9, 0.2),
    "eyeBlinkRight": (0.9, 0.2),
}  # fmt: skip


def render(out: Path, count: int, seed: int = 0, processes: int = 1) -> Iterator[Progress]:
    """Draw `count` pictures (rounded up to whole groups) into shards below `out`; yields after each shard.

    Picture i depends on (seed, i) only. Run again with the same arguments, it goes on where it stopped; a larger count
    adds pictures. `out/rejects.json` lists pictures left out and why.
    """
    if count < 1 or processes < 1:
        raise ValueError(f"got {count} pictures and {processes} processes, want at least 1 of each")
    out.mkdir(parents=True, exist_ok=True)
    groups = -(-count // GROUP)
    path = out / "rejects.json"
    state = json.loads(path.read_text()) if path.is_file() else {"seed": seed, "photos": 0, "rejects": {}, "shards": {}}
    if state.get("seed") != seed:
        raise ValueError(f"{out} holds pictures of seed {state.get('seed')}, got seed {seed}; choose another folder")
    plan = [(start, min(start + SHARD, groups)) for start in range(0, groups, SHARD)]
    todo = [(out, seed, *span) for span in plan if state["shards"].get(str(span[0])) != span[1] - span[0]]
    pool = multiprocessing.get_context("spawn").Pool(min(processes, len(todo))) if processes > 1 and todo else None
    try:
        for start, stop, rejects in (pool.imap_unordered if pool else map)(_render_shard, todo):
            state["shards"][str(start)] = stop - start
            state["photos"] = GROUP * sum(state["shards"].values())
            state["rejects"] |= rejects
            partial = out / "unfinished"
            partial.write_text(json.dumps(state, indent=1))
            os.replace(partial, path)
            drawn, left_out = state["photos"], len(state["rejects"])
            yield Progress(drawn, drawn - left_out, left_out, groups * GROUP)
    finally:
        if pool:
            pool.terminate()


def _render_shard(task: tuple[Path, int, int, int]) -> tuple[int, int, dict[str, str]]:
    out, seed, start, stop = task
    torch.set_num_threads(1)
    os.environ.setdefault("LP_NUM_THREADS", "1")  # of Mesa's software renderer
    stage = Stage(seed)
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
    """Draws groups and reads them."""

    def __init__(self, seed: int):
        self.seed = seed
        self.studio = Studio(WIDE)
        self.mesh = FaceMesh.load(find_task_file())
        target = FRAMES["mini-128"]
        self.frame = Frame(WIDE, tuple((x + LEFT, y) for x, y in target.points))

    def group(self, number: int) -> Iterator[tuple[str, dict[str, Tensor] | str]]:
        """(name, row of a shard, or why it is left out) for each of a group's pictures"""
        random = np.random.default_rng((self.seed, number))
        tone = draw_tone(random)
        people = [draw_identity(random, self.studio.heads.effects, tone) for _ in range(PEOPLE)]
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
        self, scene: Scene, cast: list[tuple[Identity, dict[str, float]]], body: Identity
    ) -> list[dict[str, Tensor] | str]:
        studio = self.studio
        studio.enter(scene, body)
        heads = [studio.geometry(person, actions) for person, actions in cast]
        matrix = studio.alignment(heads[0], self.frame)
        first = _tensor(studio.draw(heads[0], *cast[0], matrix, samples=1))
        points, _, presence = self._read(first)
        if presence[0] < PRESENCE:
            return ["no face"] + ["the background of its scene is left out"] * (len(cast) - 1)
        own = align(five_points(points), self.frame)[0]  # from where it was drawn to where it belongs
        matrix = torch.cat([own[:, :2] @ matrix[:, :2], own[:, :2] @ matrix[:, 2:] + own[:, 2:]], 1)
        drawn = [_tensor(studio.draw(head, *each, matrix)) for head, each in zip(heads, cast, strict=True)]
        x = scene.camera.take(torch.cat(drawn))
        points, blendshapes, presence = self._read(x)
        expected = torch.stack([studio.five_points(head, matrix) for head in heads])
        border = 64  # samples: an upright crop may reach a little beyond what was drawn
        upright = align(2 * five_points(points) + border, FRAMES["arcface-112"])
        faces = crop(F.pad(x, (border,) * 4, mode="replicate"), upright, FRAMES["arcface-112"].size)
        size = FRAMES["mini-128"].size
        crops = F.avg_pool2d(x, 2)[..., :size, LEFT : LEFT + size]
        pose = self.mesh.pose(points)
        away = (five_points(points) - expected).norm(dim=-1).amax(-1).masked_fill(presence < PRESENCE, torch.inf)
        origin = torch.tensor([float(LEFT), 0.0])
        rows = [
            _reason(float(away[i]), float(points[i, CHIN, 1]), blendshapes[i], actions) or {
                "crop": _bytes(crops[i]), "inside": torch.ones(1, size, size, dtype=torch.uint8),
                "face": _bytes(faces[i]), "points": points[i, :, :2] - origin, "blendshapes": blendshapes[i].clone(),
                "pose": pose[i],
            }
            for i, (_, actions) in enumerate(cast)
        ]  # fmt: skip
        if isinstance(rows[0], str):
            return [rows[0]] + ["the background of its scene is left out"] * (len(rows) - 1)
        return rows

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points (B, 478, 3) in pixels of the frame, blendshapes, presence of pictures drawn at any size."""
        points, blendshapes, presence = self.mesh.read(F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True))
        return points * (WIDE / SIDE), blendshapes, presence


def _reason(away: float, chin: float, blendshapes: Tensor, actions: dict[str, float]) -> str:
    """Why a picture is left out, or nothing. away: pixels from where the face was drawn, infinite where none is read"""
    if away > FAR:
        return f"points {away:.0f} pixels from where they were drawn" if away < torch.inf else "no face"
    if chin > LOWEST:
        return "chin outside of the crop"
    for action, (least, reading) in PLAIN.items():
        read = float(blendshapes[BLENDSHAPES.index(action)])
        if actions.get(action, 0) >= least and read < reading:
            return f"{action} reads {read:.2f} where {actions[action]:.2f} was meant"
    return ""


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def _bytes(x: Tensor) -> Tensor:
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
