"""MediaPipe's face landmarker in torch: 478 points, 51 blendshapes and the head's pose of every face in a picture.

Weights, order of the steps and thresholds are MediaPipe's (mediapipe 1.2.2 is the oracle of the tests), for single
pictures: one detection, one reading, no tracking. Ours: batches, gradients, a closer look (detector.py), the pose, and
a second reading where the first was of a tilted face, in a frame that is cut by the face's own points, or of what is
hardly a face's shape, the other way up.
Lengths are picture pixels, origin at the top left corner, pixel centres at +0.5.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from ..files import all_finite
from .detector import FINE, REACH, SURE, Detections, FaceDetector, area, can_look, common_area, cut
from .exposure import brighten
from .task_file import TASK_FILE, TASK_URL, download_command
from .tflite import Graph

MEAN_FACE = Path(__file__).parents[2] / "assets" / "mean_face.safetensors"  # made by training/mean_face.py

SIDE = 256  # the mesh's own frame, pixels
ROOM = 1.5  # side of that frame / side of the detector's box
PRESENCE = 0.5  # MediaPipe's default
MOST = 100  # faces of one picture, and detections of one look at it that are read; nodes count from 0 to 99
CERTAIN = 0.95  # presence that is wanted where the detector is not SURE
TILTED, OFF = 24.0, 8.0  # degrees: a face is read again if it is tilted so far in the picture, or in its frame
# What the detector found either way up is read either way up if its eyes, brows and nose are so unlike the mean face's.
# Of 235 right readings of openpeople, masks drawn on some, one in ten is; the four upside down had .077 to .099. It is
# not done where the detector is clear: one portrait in 305, seen from below, would be turned over.
UNLIKE = 0.06
EYES, NOSE = (33, 263), 4  # the outer corners; the tip
SAME_FACE = 0.5  # common part of the smaller of two boxes
# Beside a face, others are looked for down to this part of its size, and this many pixels.
BYSTANDER, SMALLEST_FACE = 1 / 8, 40

# fmt: off
BLENDSHAPES: tuple[str, ...] = (  # MediaPipe's names and order; `_neutral`, its first, is left out
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)
# The points that the blendshape network reads: MediaPipe's kLandmarksSubsetIdxs.
BLENDSHAPE_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)
# fmt: on


@dataclass(frozen=True)
class Face:
    points: Tensor  # (478, 3) x, y in picture pixels; z in the same scale, smaller is nearer
    blendshapes: Tensor  # (51,) 0..1, in the order of BLENDSHAPES
    pose: Tensor  # (3,) yaw, pitch, roll in degrees, see FaceMesh.pose
    score: float  # landmark presence 0..1


class FaceMesh(nn.Module):
    """Detector -> square, upright crop of the face -> 478 points -> blendshapes and pose."""

    def __init__(self, detector: Graph, landmarks: Graph, blendshapes: Graph, mean_face: Tensor):
        super().__init__()
        if landmarks.input_shape != (1, SIDE, SIDE, 3) or blendshapes.input_shape != (1, len(BLENDSHAPE_POINTS), 2):
            raise ValueError(
                f"got networks for {landmarks.input_shape} and {blendshapes.input_shape}, want those of MediaPipe's "
                f"{TASK_FILE} with blendshapes, 256 x 256 pixels and 146 points. Get it anew: {TASK_URL}"
            )
        self.detector = FaceDetector(detector)
        self.landmarks = landmarks
        self.blendshape_graph = blendshapes
        self.register_buffer("mean_face", mean_face.float(), persistent=False)
        self.upper = (mean_face[:, 1] < mean_face[NOSE, 1]).nonzero()[:, 0].tolist()

    @classmethod
    def load(cls, path: Path, mean_face: Tensor | None = None, detector: nn.Module | None = None) -> "FaceMesh":
        """Read face_landmarker.task.

        mean_face: (478, 3) the frontal face that poses are measured from; left out, the one in assets/
        detector: finds faces in place of the file's own, such as insightface_pack.PackDetector
        """
        names = ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite")
        try:
            with zipfile.ZipFile(path) as archive:
                files = [archive.read(name) for name in names]
        except (zipfile.BadZipFile, zlib.error, KeyError) as error:
            raise ValueError(
                f"got {path}, want MediaPipe's {TASK_FILE}, an archive of {', '.join(names)} ({error}). "
                f"Get it anew: {download_command()}, or {TASK_URL}"
            ) from error
        if mean_face is None:
            mean_face = load_file(MEAN_FACE)["points"]
        mesh = cls(*(Graph(data) for data in files), mean_face)
        mesh.detector = detector or mesh.detector
        return mesh

    def find(self, picture: Tensor, limit: int = MOST) -> list[Face]:
        """Every face in a picture, largest first; an empty list when there is none. No gradients.

        picture: (3, H, W) or (1, 3, H, W), RGB in [-1, 1]
        """
        pictures = picture[None] if picture.ndim == 3 else picture
        if pictures.ndim != 4 or len(pictures) != 1:
            raise ValueError(f"got a picture of shape {tuple(picture.shape)}, want (3, H, W) or (1, 3, H, W)")
        return self.find_batch(pictures, limit)[0]

    @torch.no_grad()
    def find_batch(self, pictures: Tensor, limit: int = MOST) -> list[list[Face]]:
        """Every face in each picture. pictures: (B, 3, H, W), RGB in [-1, 1]"""
        if pictures.ndim != 4 or pictures.shape[1] != 3 or 0 in pictures.shape or not pictures.is_floating_point():
            raise ValueError(f"got pictures {tuple(pictures.shape)} {pictures.dtype}, want (B, 3, H, W) float")
        pictures = pictures.to(self.mean_face).contiguous()
        if not all_finite(pictures):
            raise ValueError(
                "got a picture with NaN or infinite pixels, want numbers in [-1, 1]; check where it is made"
            )
        if torch.linalg.vector_norm(pictures, 1) > 2 * pictures.numel():  # the mean, without a copy of a large picture
            raise ValueError(
                f"got pixels up to {float(pictures.max()):.0f}, want [-1, 1]; divide by 127.5, and take off 1"
            )
        faces: list[list[Face]] = [[] for _ in pictures]
        longer = max(pictures.shape[2:])
        for level in range(self.detector.levels):
            if not can_look(level, longer):
                break
            seen = longer * REACH * 2 ** (1 - level)  # pixels; what is smaller may have been missed so far
            wanted = [
                i for i, found in enumerate(faces)
                if not found or level < FINE and _smallest_wanted(found[0]) < seen
            ]  # fmt: skip
            # windows are many: one picture at a time
            groups = [slice(i, i + 1) for i in wanted] if level else [slice(0, len(pictures))]
            for group in groups:
                for i, found in enumerate(self.detector(pictures[group], level), group.start):
                    faces[i] += self._new_faces(pictures[i : i + 1], found, faces[i], level > 0)
                    faces[i].sort(key=lambda face: -float(area(_bounds(face.points)[None])))
        return [found[:limit] for found in faces]

    def _new_faces(self, picture: Tensor, found: Detections, known: list[Face], closer: bool) -> list[Face]:
        """Read the mesh where the detector found something, and keep what is a face and none of those known.

        closer  what was found is of a closer look
        """
        boxes = torch.stack([_bounds(face.points) for face in known]) if known else found.boxes[:0]
        new = list(range(len(found.scores)))
        if known or closer:
            new = [i for i in new if found.scores[i] > SURE and not _among(found.boxes[i], boxes)]
        if not new:
            return []
        frames = first = _frames(found.boxes[new[:MOST]], found.keypoints[new[:MOST]])
        points, inner, presence = self._read_at(picture, frames)
        for _ in range(2):
            own = own_frames(points)
            turned = (_angle(own) - _angle(frames) + 180) % 360 - 180
            again = (turned.abs() > OFF) | ((_angle(own).abs() > TILTED) & (frames == first).all(2).all(1))
            if not again.any():
                break
            frames = own.where(again[:, None, None], frames)
            read = self._read_at(picture, frames[again])
            points[again], inner[again], presence[again] = read
        wanted = torch.where(found.scores[new[:MOST]] > SURE, PRESENCE, CERTAIN)
        contested = presence < 0 if found.contested is None else found.contested[new[:MOST]]
        doubtful = (contested & (presence >= wanted) & (self.unlikeness(points) > UNLIKE)).nonzero()[:, 0]
        if len(doubtful):
            other = self._read_upended(picture, points[doubtful])
            likelier = (self.unlikeness(other[0]) < self.unlikeness(points[doubtful])) & (other[2] >= CERTAIN)
            for values, others in zip((points, inner, presence), other, strict=True):
                values[doubtful[likelier]] = others[likelier]
        kept: list[int] = []
        for i in (presence >= wanted).nonzero()[:, 0].tolist():  # best detections first
            box = _bounds(points[i])
            if not _among(box, boxes):
                kept.append(i)
                boxes = torch.cat([boxes, box[None]])
        if not kept:
            return []
        points, presence = points[kept], presence[kept]
        blendshapes, pose = self.blendshapes(inner[kept]), self.pose(points)
        return [Face(*values, float(score)) for *values, score in zip(points, blendshapes, pose, presence, strict=True)]

    def _read_at(self, picture: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """picture (1, 3, H, W), frames (n, 2, 3), crop to picture pixels -> points (n, 478, 3) in picture pixels, the
        same in crop pixels, in which the face is upright, and presence (n,)"""
        matrix, shift = frames[:, :, :2], frames[:, :, 2]
        size = matrix[:, :, 0].norm(dim=1)  # picture pixels per crop pixel
        samples = size.round().clamp(1, 8).int().tolist()
        crops = torch.cat([cut(picture, frame, SIDE, n) for frame, n in zip(frames, samples, strict=True)])
        inner, presence = self._points(brighten(crops))
        points = torch.cat([inner[..., :2] @ matrix.mT + shift[:, None], inner[..., 2:] * size[:, None, None]], dim=-1)
        return points, inner, presence

    def _read_upended(self, picture: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As _read_at, of faces (n, 478, 3) that are taken to be the other way up."""
        frames = own_frames(points)
        turned = torch.cat([-frames[:, :, :2], frames[:, :, 2:] + frames[:, :, :2].sum(2, keepdim=True) * SIDE], dim=2)
        return self._read_at(picture, own_frames(self._read_at(picture, turned)[0]))

    def unlikeness(self, points: Tensor) -> Tensor:
        """How far a mesh is from the mean face above the tip of the nose, as a part of its size, best aligned (ours).

        points (B, 478, 3) -> (B,); what the mouth does is left out, and a face that is read upside down has most
        """
        own, mean = (x - x.mean(dim=-2, keepdim=True) for x in (points[:, self.upper], self.mean_face[self.upper]))
        rotation, along = _rotation(own, mean)
        scale = along.sum(dim=1) / mean.square().sum()
        rest = own - scale[:, None, None] * (mean @ rotation.mT)
        return (rest.square().sum((1, 2)) / own.square().sum((1, 2))).sqrt()

    def read(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read the mesh in crops that are in its own frame already; differentiable in them.

        crops:   (B, 3, 256, 256), RGB in [-1, 1]: an upright face, its box (brows to chin) two thirds of the frame
        returns  points (B, 478, 3) in crop pixels, blendshapes (B, 51) 0..1, presence (B,) 0..1
        """
        if crops.shape[1:] != (3, SIDE, SIDE):
            raise ValueError(f"got crops of shape {tuple(crops.shape)}, want (B, 3, {SIDE}, {SIDE})")
        points, presence = self._points(crops)
        return points, self.blendshapes(points), presence

    def _points(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        raw, presence, _ = self.landmarks(crops.permute(0, 2, 3, 1) / 2 + 0.5)
        return raw.reshape(len(crops), 478, 3), presence.reshape(len(crops)).sigmoid()

    def blendshapes(self, points: Tensor) -> Tensor:
        """points: (B, 478, 2 or 3), x, y in pixels of any scale, upright.

        returns (B, 51) 0..1, in the order of BLENDSHAPES
        """
        return self.blendshape_graph(points[:, list(BLENDSHAPE_POINTS), :2])[0][:, 1:]

    def pose(self, points: Tensor) -> Tensor:
        """The head's rotation from the mean face, by the best similarity of all points; differentiable (ours).

        points: (B, 478, 3)
        returns (B, 3) degrees. yaw > 0: the face turns to the picture's right; pitch > 0: it looks up; roll > 0: it is
                tilted clockwise in the picture. Applied in the order roll, pitch, yaw. 0 is the mean of press photos.
        """
        centred = points - points.mean(dim=1, keepdim=True)
        rotation, _ = _rotation(centred, self.mean_face - self.mean_face.mean(dim=0))
        yaw = torch.atan2(-rotation[:, 0, 2], rotation[:, 2, 2])
        pitch = torch.atan2(rotation[:, 1, 2], rotation[:, 1, :2].norm(dim=1))
        roll = torch.atan2(rotation[:, 1, 0], rotation[:, 1, 1])
        return torch.stack([yaw, pitch, roll], dim=1).rad2deg()


def _rotation(points: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """The rotation (B, 3, 3) from a mean face (K, 3) to faces (B, K, 3), both centred, by least squares; x right, y
    down, z away. And the singular values (B, 3), whose sum tells the scale."""
    u, along, vh = torch.linalg.svd(points.mT @ mean)
    proper = torch.ones_like(along)
    proper[:, 2] = torch.linalg.det(u @ vh).detach()  # -1 where the fit is a mirror image, which is no rotation
    return (u * proper[:, None]) @ vh, along * proper


def _bounds(points: Tensor) -> Tensor:
    """The box (4,) around points (478, 3): left, top, right, bottom."""
    return torch.cat([points[:, :2].amin(dim=0), points[:, :2].amax(dim=0)])


def _smallest_wanted(largest: Face) -> float:
    """The size (longer side, pixels) down to which faces are looked for beside the largest one found so far."""
    size = (largest.points.amax(dim=0) - largest.points.amin(dim=0))[:2].max()
    return max(float(size) * BYSTANDER, SMALLEST_FACE)


def _among(box: Tensor, boxes: Tensor) -> bool:
    """Does a box (4,) share more than SAME_FACE of the smaller of the two with any of the boxes (n, 4)?"""
    common = common_area(box, boxes) / area(boxes).clamp(max=float(area(box[None])))
    return bool((common > SAME_FACE).any())


def _frames(boxes: Tensor, keypoints: Tensor) -> Tensor:
    """The mesh's frame for each detection: upright by the eyes, square, larger than the box.

    boxes: (n, 4), keypoints: (n, 6, 2); returns (n, 2, 3), crop pixels to picture pixels
    """
    eyes = keypoints[:, 1] - keypoints[:, 0]
    return _framed(_turned(eyes), (boxes[:, 2:] - boxes[:, :2]).amax(dim=1), (boxes[:, :2] + boxes[:, 2:]) / 2)


def own_frames(points: Tensor) -> Tensor:
    """The mesh's frame by its own points, as MediaPipe takes it from one frame of a video to the next, but upright.

    points: (n, 478, 3), picture pixels; returns as _frames
    """
    turn = _turned(points[:, EYES[1], :2] - points[:, EYES[0], :2])
    low, high = (points[..., :2] @ turn).aminmax(dim=1)  # in upright axes
    return _framed(turn, (high - low).amax(dim=1), ((turn @ (low + high)[..., None]) / 2)[..., 0])


def level_frames(points: Tensor) -> Tensor:
    """As own_frames(), but level with the picture: for faces that are upright in it."""
    low, high = points[..., :2].aminmax(dim=1)
    level = torch.eye(2, device=points.device).expand(len(points), 2, 2)
    return _framed(level, (high - low).amax(dim=1), (low + high) / 2)


def _turned(across: Tensor) -> Tensor:
    """The rotation (n, 2, 2) that takes the x axis to the direction of (n, 2)."""
    x, y = F.normalize(across, dim=1).unbind(1)
    return torch.stack([torch.stack([x, -y], dim=1), torch.stack([y, x], dim=1)], dim=1)


def _framed(turn: Tensor, side: Tensor, centre: Tensor) -> Tensor:
    """Frames (n, 2, 3) with ROOM around boxes of rotations (n, 2, 2), longer sides (n,) and centres (n, 2)."""
    matrix = turn * (side * ROOM / SIDE)[:, None, None]
    return torch.cat([matrix, centre[..., None] - matrix.sum(dim=2, keepdim=True) * SIDE / 2], dim=2)


def _angle(frames: Tensor) -> Tensor:
    """(n,) degrees, clockwise, of frames (n, 2, 3)."""
    return torch.atan2(frames[:, 1, 0], frames[:, 0, 0]).rad2deg()
