"""How expressions move a face: assets/shape.safetensors, fitted on several photos of the same people (ours).

Each mesh is brought to the mean face by its steady points, and a person's meshes are compared with their own mean, so
that nobody's shape takes part. Head pose, which the mesh network lets seep into shapes and readings, is an explanation
beside the expression in every regression, and kept apart. N meshes of people with two or more, K motions.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..models.appearance.shape import ShapeModel, features, turn_features
from ..models.appearance.topology import LEFT_EYE, LEFT_IRIS, LIPS, OUTLINE, RIGHT_EYE, RIGHT_IRIS, TRIANGLES
from ..models.faces.mesh import MEAN_FACE, Face, FaceMesh
from ..models.faces.task_file import find_task_file
from ..models.pictures import decode_picture
from .data.encode import hash_of
from .data.photos import Photos, person_of
from .data.split import is_test_person
from .progress import shown

MOTIONS = 48
TURNED = 35.0  # degrees of yaw or pitch; beyond, half of the mesh is a guess
RIDGE = 0.01  # for features of unit spread
PRIOR = 0.01  # error of readings, squared, in the gain: what is less than this is not worth a motion of unit spread
# Forehead and temples on the outline, from the viewer's left to the right.
SKULL = (127, 162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 389, 356)
RIM = 0.5  # cosine of the angle to the viewer below which points near the outline belong to the rim
GAUGES = 20  # faces, about, that the mean Jacobian is measured on
RARE, SHARES = 0.001, (0.1, 0.5)  # how often triangles were smaller than they may be; bounds of what is left of them
STIFF = 100.0  # how much the rim is bent less than it was seen to
# What keeps the person's place whatever the outline: brows and nose, beside eyes and lips.
INNER = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276,
         168, 6, 197, 195, 5, 4, 1, 2, 129, 358, 98, 327)  # fmt: skip


@dataclass(frozen=True)
class Meshes:
    people: list[str]
    points: Tensor  # (N, 478, 3)
    blendshapes: Tensor  # (N, 51)
    pose: Tensor  # (N, 3) degrees

    def save(self, path: Path, made_from: str = "") -> None:
        """made_from: hash of the photos' names"""
        tensors = {"points": self.points, "blendshapes": self.blendshapes, "pose": self.pose}
        unfinished = path.with_suffix(".unfinished")
        save_file(tensors, unfinished, metadata={"people": "\n".join(self.people), "made_from": made_from})
        os.replace(unfinished, path)

    @staticmethod
    def made_from(path: Path) -> str | None:
        with safe_open(path, "pt") as file:
            return file.metadata().get("made_from")

    @classmethod
    def load(cls, path: Path) -> "Meshes":
        with safe_open(path, "pt") as file:
            return cls(file.metadata()["people"].split("\n"), **load_file(path))

    def usable(self) -> "Meshes":
        """Those that are not turned far away, of people with two such or more."""
        frontal = self.pose[:, :2].abs().amax(dim=1) < TURNED
        count = Counter(person for person, fine in zip(self.people, frontal.tolist(), strict=True) if fine)
        rows = [row for row, person in enumerate(self.people) if frontal[row] and count[person] > 1]
        people = [self.people[row] for row in rows]
        return Meshes(people, self.points[rows], self.blendshapes[rows], self.pose[rows])


def read_meshes(sources: list[Path], mesh: FaceMesh) -> Iterator[tuple[str, Face]]:
    """Person and largest face of every photo; left out: test people, names met before, what is no picture."""
    photos: dict[str, Photos] = {}
    for source in map(Photos, sources):
        photos |= {name: source for name in source.names if name not in photos}
    for name, source in shown(photos.items(), "photos", len(photos)):
        person = person_of(name)
        if is_test_person(person):
            continue
        try:
            picture = decode_picture(source.read(name), name)
        except ValueError:  # archives of ten thousand photos have broken ones
            continue
        yield from ((person, face) for face in mesh.find(picture, limit=1))


class Within:
    """Takes each person's mean away. people: N names"""

    def __init__(self, people: list[str]):
        numbers = {person: number for number, person in enumerate(dict.fromkeys(people))}
        self.row = torch.tensor([numbers[person] for person in people])
        self.count = torch.bincount(self.row).double()
        self.weight = self.count[self.row] ** -0.5  # (N,): many photos of one person count as the root of their number
        self.free = len(people) - len(self.count)  # degrees of freedom

    def __call__(self, values: Tensor) -> Tensor:
        """values: (N, ...)"""
        sums = values.new_zeros(len(self.count), *values.shape[1:]).index_add_(0, self.row, values)
        return values - (sums / self.count.view(-1, *[1] * (values.ndim - 1)))[self.row]


def empty(mean: Tensor, steady: Tensor) -> ShapeModel:
    """A model that can bring meshes to the mean face, and nothing else yet."""
    turning, motions = torch.zeros(5, *mean.shape), torch.zeros(1, *mean.shape)
    nothing = torch.zeros(1)
    return ShapeModel(mean, steady, turning, motions, nothing, nothing, nothing, nothing).double()


def steady_points(mean: Tensor, points: Tensor, within: Within, rounds: int = 6) -> Tensor:
    """Weight (478,) of each point in the fit to the mean face: one over its variance within persons, found by turns.

    Half of all weight is the skull's, so that hairlines stay where they are.
    """
    steady = torch.ones(len(mean), dtype=torch.float64)
    for _ in range(rounds):
        moved = within(empty(mean, steady).canonical(points)[0])
        variance = moved.square().sum(dim=(0, 2)) / within.free
        steady = 1 / (variance + variance.min())  # no point is to decide alone
    skull = torch.zeros_like(steady)
    skull[list(SKULL)] = 1 / len(SKULL)
    return steady / steady.sum() / 2 + skull / 2


def motions_and_response(shape: Tensor, blendshapes: Tensor, turn: Tensor, within: Within) -> tuple[Tensor, Tensor]:
    """Principal motions (K, 478, 3) within persons, and the ridge of their amounts on features of blendshapes (F, K).

    shape: (N, 478, 3) canonical; turn: (N, 5) turn_features
    """
    change, turn = within(shape), within(turn)
    for iris in (LEFT_IRIS, RIGHT_IRIS):  # which turn, but stay round
        change[:, iris] = change[:, iris].mean(dim=1, keepdim=True)
    change = change.flatten(1)
    rest = change - turn @ torch.linalg.lstsq(turn, change).solution
    variance, ways = torch.linalg.eigh(rest.mT @ rest / within.free)  # ascending
    motions = (ways * variance.clamp(min=0).sqrt())[:, -MOTIONS:].mT.flip(0)
    amounts = change @ (motions / motions.square().sum(dim=1, keepdim=True)).mT
    given = torch.cat([within(features(blendshapes)), turn], dim=1)
    scale = given.std(dim=0) + 1e-3
    root = within.weight[:, None].sqrt()
    x, y = given / scale * root, amounts * root
    ridge = RIDGE * within.weight.sum() * torch.eye(x.shape[1]).to(x)
    response = torch.linalg.solve(x.mT @ x + ridge, x.mT @ y) / scale[:, None]
    return motions.unflatten(1, shape.shape[1:]), response[: -turn.shape[1]]


def stiffened(motions: Tensor, mean: Tensor) -> Tensor:
    """Motions (K, 478, 3) without what the mesh network is unsure of: by the ears, where triangles are seen edge on.

    A motion that hardly bends the rim turns none of its triangles over, whatever way they face.
    """
    corners = torch.tensor(TRIANGLES)
    touches = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        touches[corners[:, i], corners[:, j]] = touches[corners[:, j], corners[:, i]] = 1
    a, b, c = mean[corners].unbind(dim=1)
    normal = torch.linalg.cross(b - a, c - a)
    all_round = torch.zeros(len(mean), 2, dtype=torch.float64)  # frontal area, true area
    for i in range(3):
        all_round.index_add_(0, corners[:, i], torch.stack([normal[:, 2].abs(), normal.norm(dim=1)], dim=1))
    outline = torch.zeros(len(mean), dtype=torch.float64)
    outline[list(OUTLINE)] = 1
    near = (outline + touches @ outline + touches @ touches @ outline) > 0
    rim = near & (all_round[:, 0] < RIM * all_round[:, 1])
    bent = torch.diag(touches.sum(dim=1).clamp(min=1).reciprocal()) @ touches - torch.eye(len(mean))
    smooth = torch.linalg.inv(torch.eye(len(mean)) + STIFF * bent[rim].mT @ bent[rim])
    return torch.where(rim[:, None], torch.einsum("pq,kqc->kpc", smooth, motions), motions)


def bend_of_turns(shape: Tensor, turn: Tensor, within: Within) -> Tensor:
    """(5, 478, 3) what features of yaw and pitch (N, 5) do to shapes whose expressions are taken off (N, 478, 3)."""
    change = within(shape).flatten(1)
    return torch.linalg.lstsq(within(turn), change).solution.unflatten(1, shape.shape[1:])


def newton_gain(model: ShapeModel, shape: Tensor, mesh: FaceMesh, prior: float = PRIOR, step: float = 0.25) -> Tensor:
    """(51, K) (J J' + prior)^-1 J, J the mean Jacobian of readings by amounts of motion.

    shape: (n, 478, 3) canonical meshes that it is the mean over
    """
    columns = []
    for motion in model.motions:
        ahead, behind = (model.read(shape + sign * step * motion, mesh) for sign in (1, -1))
        columns.append((ahead - behind).mean(dim=0) / (2 * step))
    jacobian = torch.stack(columns, dim=1).double().cpu()  # (51, K)
    return torch.linalg.solve(jacobian @ jacobian.mT + prior * torch.eye(len(jacobian)), jacobian)


def following(mean: Tensor) -> Tensor:
    """(478, len(OUTLINE)) how far each point goes along with those of the outline: all, nothing, or harmonic between.

    Solves Laplace's equation on the mean face's triangles, an edge weighted by one over its length. Eyes, brows, nose
    and lips stay.
    """
    laplacian = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for a, b, c in TRIANGLES:
        for i, j in ((a, b), (b, c), (c, a), (b, a), (c, b), (a, c)):
            laplacian[i, j] = -1 / (mean[i] - mean[j]).norm()
    laplacian -= torch.diag(laplacian.sum(dim=1))
    lines = (*LEFT_EYE, *RIGHT_EYE, *LIPS, LEFT_IRIS, RIGHT_IRIS, INNER)
    fixed = sorted({point for line in lines for point in line})
    free = sorted(set(range(len(mean))) - set(fixed) - set(OUTLINE))
    follow = torch.zeros(len(mean), len(OUTLINE), dtype=torch.float64)
    follow[list(OUTLINE), range(len(OUTLINE))] = 1
    between = -laplacian[free] @ follow
    follow[free] = torch.linalg.solve(laplacian[free][:, free], between)
    return follow


def least_areas(shape: Tensor, within: Within) -> Tensor:
    """(len(TRIANGLES),) the share of its mean area that a triangle is hardly ever seen below, in the frontal view.

    shape: (N, 478, 3) canonical
    """
    a, b, c = shape[:, torch.tensor(TRIANGLES), :2].unbind(dim=2)
    u, v = b - a, c - a
    area = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    share = area / (area - within(area))
    return share.kthvalue(max(int(RARE * len(share)), 1), dim=0).values.clamp(*SHARES)


def fit(meshes: Meshes, mesh: FaceMesh) -> ShapeModel:
    """meshes: as read; only the usable ones count"""
    meshes = meshes.usable()
    within = Within(meshes.people)
    mean = load_file(MEAN_FACE)["points"].double()
    steady = steady_points(mean, meshes.points.double(), within)
    shape, placement = empty(mean, steady).canonical(meshes.points.double())
    turn, blendshapes = turn_features(placement.rotation), meshes.blendshapes.double()
    motions, response = motions_and_response(shape, blendshapes, turn, within)
    calm = shape - torch.einsum("nk,kpc->npc", features(blendshapes) @ response, motions)
    turning = bend_of_turns(calm, turn, within)
    shape = shape - torch.einsum("nf,fpc->npc", turn, turning)
    motions[:, list(SKULL)] = 0  # that they move with brows is the network's idea
    motions = stiffened(motions, mean)
    no_gain = torch.zeros(51, len(motions))  # yet
    follow, least = following(mean), least_areas(shape, within)
    model = ShapeModel(mean, steady, turning, motions, response, no_gain, follow, least)
    gauges = shape[:: max(len(shape) // GAUGES, 1)].to(mesh.mean_face)
    model.gain = newton_gain(model.to(gauges.device), gauges, mesh).float()
    return model.cpu()


def save(model: ShapeModel, path: Path) -> None:
    small = {name.removeprefix("unfold."): value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(small | {"mean": model.mean.contiguous()}, path)


def shape(sources: list[Path], out: Path, device: torch.device | str = "cpu") -> None:
    """`train shape`, on folders or .zip files of photos. Writes meshes.safetensors and shape.safetensors.

    The meshes are read once: where they are there, and of photos of these names, the run goes on from them.
    """
    out.mkdir(parents=True, exist_ok=True)
    mesh = FaceMesh.load(find_task_file()).requires_grad_(False).to(device)
    read, names = out / "meshes.safetensors", hash_of("\n".join(Photos(source).names).encode() for source in sources)
    if not read.is_file() or Meshes.made_from(read) != names:
        people, faces = zip(*read_meshes(sources, mesh), strict=True)
        columns = ([getattr(face, name).cpu() for face in faces] for name in ("points", "blendshapes", "pose"))
        Meshes(list(people), *map(torch.stack, columns)).save(read, names)
    save(fit(Meshes.load(read), mesh), out / "shape.safetensors")
