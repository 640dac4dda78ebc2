"""Judges that took no part in making a result: face-api.js's landmarks and expressions, two recognisers.

Where a face is, they are told by a Face of the mesh; everything else they read from the pixels. How the crops are cut
follows face-api.js and dlib, except that a tilted face is set upright first (ours); ratios and head pose are ours.
The weights are fetched by `make judges` and are no part of the pack. Nothing in models/, nodes/ and training/ may
import this file: what judges must neither condition nor teach.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ...models.faces.mesh import MEAN_FACE, Face
from ...models.frames import Frame, align, crop, invert, transform
from .face_api import EMOTIONS, DlibRecogniser, FaceReader, load
from .faceplugin import FILE as SECOND
from .faceplugin import SecondRecogniser

FOLDER = Path(__file__).resolve().parents[2] / ".judges" / "package" / "model"  # `make judges` fills it
SAME_PERSON = 0.6  # dlib's threshold
# the second judge's: of 87,611 pairs of photos of two test people .0008 have more, of 379 of one person .987
SAME_COSINE = 0.35
RATIOS = ("mouth_open", "mouth_width", "mouth_corners_up", "eye_open", "brow_height")
ROOM = 1.2  # side of the judges' square / longer side of the face's points; face-api.js's padding

# dlib's face chip: eye corners from the right to the left of the picture, base of the nose; a border of a quarter
DLIB_POINTS = ((0.859567, 0.213498), (0.646060, 0.228967), (0.120575, 0.213727), (0.334085, 0.229064),
               (0.490112, 0.627798))  # fmt: skip
DLIB_CHIP = Frame(150, tuple((100 * (x + 0.25), 100 * (y + 0.25)) for x, y in DLIB_POINTS))
CHIP_LANDMARKS = (45, 42, 36, 39, 33)
# landmarks that no expression moves (nose, corners of the eyes), and the same points of the mesh
RIGID = {27: 168, 28: 197, 29: 5, 30: 1, 31: 75, 32: 97, 33: 2, 34: 326, 35: 305, 36: 33, 39: 133, 42: 362, 45: 263}


@dataclass(frozen=True)
class Verdict:
    """What the judges see in one face."""

    identity: Tensor  # (128,); distance of two below SAME_PERSON: one person
    emotions: Tensor  # (7,) probabilities in the order of EMOTIONS
    points: Tensor  # (68, 2) picture pixels, in iBUG's order
    ratios: Tensor  # (5,) in the order of RATIOS; parts of the distance between the outer corners of the eyes
    pose: Tensor  # (3,) yaw, pitch, roll in degrees, signs as in face_mesh.Face
    second: Tensor | None = None  # (512,) who it is for the second judge, a unit vector; None where it is missing

    @property
    def emotion(self) -> str:
        return EMOTIONS[int(self.emotions.argmax())]


class Judges(nn.Module):
    def __init__(
        self,
        recogniser: nn.Module,
        expression: nn.Module,
        landmarks: nn.Module,
        second: SecondRecogniser | None = None,
    ):
        super().__init__()
        self.recogniser, self.expression, self.landmarks, self.second = recogniser, expression, landmarks, second
        mean = load_file(MEAN_FACE)["points"].float()[list(RIGID.values())]  # (13, 3)
        self.register_buffer("mean_face", mean - mean.mean(0), persistent=False)

    @classmethod
    def load(cls, folder: Path = FOLDER, second: Path = SECOND) -> "Judges":
        """folder: `model` of the unpacked npm package @vladmandic/face-api; second: the second recogniser's file."""
        if not folder.is_dir():
            raise FileNotFoundError(f"no judges in {folder}; run `make judges` (it needs npm)")
        return cls(
            load(DlibRecogniser(), folder, "face_recognition"),
            load(FaceReader(7), folder, "face_expression"),
            load(FaceReader(136), folder, "face_landmark_68"),
            SecondRecogniser(second) if second.is_file() else None,
        )

    @torch.inference_mode()
    def read(self, picture: Tensor, face: Face) -> Verdict:
        """picture (3, H, W) RGB in [-1, 1]; face: where to look, from FaceMesh.find on the same picture."""
        pixels = picture[None].cpu()
        square = _square(face.points[:, :2].cpu(), face.points[(33, 263), :2].cpu())
        points = self.landmarks(crop(pixels, square, 112)).view(1, 68, 2) * 112
        points = transform(points, invert(square))[0]  # (68, 2) picture pixels
        square = _square(points, points[(36, 45), :])
        chip = align(points[list(CHIP_LANDMARKS)], DLIB_CHIP)[None]
        pose, scale = self._pose(points)
        return Verdict(
            identity=self.recogniser(crop(pixels, chip, DLIB_CHIP.size))[0],
            emotions=self.expression(crop(pixels, square, 112))[0].softmax(-1),
            points=points,
            ratios=_ratios(points, scale * (self.mean_face[-1] - self.mean_face[-4]).norm()),
            pose=pose,
            second=None if self.second is None else self.second(pixels, points),
        )

    def _pose(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Rotation and size of the mean face that agree best with the landmarks, seen from far away."""
        flat = points[list(RIGID)] - points[list(RIGID)].mean(0)  # (13, 2)
        across, down = torch.linalg.lstsq(self.mean_face, flat).solution.T  # rows of scale * rotation, about
        u, s, vh = torch.linalg.svd(torch.stack([across, down]), full_matrices=False)
        x, y = u @ vh  # the two nearest rows of a rotation
        z = torch.linalg.cross(x, y)
        yaw = torch.atan2(-x[2], z[2])
        pitch = torch.atan2(y[2], y[:2].norm())
        roll = torch.atan2(y[0], y[1])
        return torch.stack([yaw, pitch, roll]).rad2deg(), s.mean()


def find_judges() -> Judges | None:
    """The judges, or None where they are not installed."""
    return Judges.load() if FOLDER.is_dir() else None


def _square(points: Tensor, eyes: Tensor) -> Tensor:
    """(1, 2, 3), picture pixels to 112 x 112: the square around points (n, 2), upright by two corners of the eyes."""
    axis = eyes[1] - eyes[0]
    x = axis / axis.norm()
    turn = torch.stack([x, torch.stack([-x[1], x[0]])])  # (2, 2), picture to upright
    upright = points @ turn.T
    low, high = upright.amin(0), upright.amax(0)
    scale = 112 / ((high - low).max() * ROOM)
    shift = 56 - scale * (low + high) / 2
    return torch.cat([scale * turn, shift[:, None]], 1)[None]


def _ratios(points: Tensor, unit: Tensor) -> Tensor:
    """points (68, 2); unit: distance between the outer corners of the eyes if the face were seen from the front."""

    def gap(a: tuple[int, ...], b: tuple[int, ...]) -> Tensor:
        return (points[list(a)] - points[list(b)]).norm(dim=-1).mean() / unit

    down = points[33] - points[27]
    down = down / down.norm()  # along the nose
    corners = (points[[51, 57]].mean(0) - points[[48, 54]].mean(0)) @ down / unit
    brows = ((points[[36, 39, 42, 45]].mean(0) - points[17:27].mean(0)) @ down) / unit
    eyes = gap((37, 38, 43, 44), (41, 40, 47, 46))
    return torch.stack([gap((61, 62, 63), (67, 66, 65)), gap((48,), (54,)), corners, eyes, brows])
