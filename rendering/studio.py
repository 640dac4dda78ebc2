"""From parameters to a picture: a person with facial actions in a scene, seen in an aligned frame."""

import numpy as np
import torch
from torch import Tensor

from ..models.frames import Frame, align, transform
from .glasses import anchors, fit
from .hair import HairDresser, grid_triangles
from .head_basis import EYE, HeadBasis
from .heads import Heads, Person
from .renderer import Renderer
from .scenes import Scene

PIVOT = np.array([0.0, 6.6, 0.35], np.float32)  # about which a head turns on its neck
CENTRE = np.array([0.0, 7.0, 1.0], np.float32)  # what the camera looks at
BALD = (9.0,) * 10  # a hairline above the head
NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT = (0.0, 6.95, 1.68), (-0.257, 6.6, 1.42), (0.257, 6.6, 1.42)  # the viewer's left


class Studio:
    """Draws pictures of `side` pixels from `samples` x `samples` samples each."""

    def __init__(self, side: int, samples: int = 2):
        self.heads = Heads(HeadBasis.load())
        self.side, self.samples = side, samples
        base = self.heads.basis.base
        self.renderer = Renderer(self.heads.basis, self.heads.facial, self.heads.normals(base), side * samples)
        self._hair_dresser = HairDresser(self.heads.basis)
        nearest = [int(np.linalg.norm(base - point, axis=1).argmin()) for point in (NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT)]
        eyes = np.where(self.heads.basis.part == EYE, base[:, 2], -9)
        pupils = [int(np.where(base[:, 0] * side > 0, eyes, -9).argmax()) for side in (-1, 1)]
        self.five = pupils + nearest
        self._anchors = anchors(base)

    def enter(self, scene: Scene, body: Person) -> None:
        """Set the scene up; `body` is whose skull, ears, neck and hair there are in all pictures of it."""
        self.scene, self.body = scene, body
        self._body_head = self.heads.neutral(body)
        hair = scene.hair
        grown = self._hair_dresser.grow(hair, self._body_head, scene.seed) if hair else None
        self.renderer.set_hair(grown, grid_triangles(hair.layers) if hair else None)
        self._hair_look = hair.look if hair else {"scalp": 0.0, "hairline": BALD}

    def geometry(self, person: Person, actions: dict[str, float]) -> np.ndarray:
        """(N, 3) the scene's body with someone's face, before it is turned"""
        head, facial = self._body_head, self.heads.facial[:, None]
        if person is not self.body:
            head = head + facial * (self.heads.neutral(person) - head)
        return self.heads.act(head, actions)

    def five_points(self, head: np.ndarray, matrix: Tensor | None = None) -> Tensor:
        """(5, 2) irises, nose tip and mouth corners in the camera's plane (decimetres at CENTRE, y down), or through
        a matrix (2, 3)"""
        distance = self.scene.distance
        points = (head[self.five] - PIVOT) @ rotation(self.scene).T + PIVOT - CENTRE
        plane = torch.from_numpy((points[:, :2] * (1, -1) * distance / (distance - points[:, 2:])).astype(np.float32))
        return plane if matrix is None else transform(plane, matrix)

    def alignment(self, head: np.ndarray, frame: Frame) -> Tensor:
        """(2, 3) from the camera's plane to a frame, by the head's own five points"""
        return align(self.five_points(head), frame)

    def draw(
        self,
        head: np.ndarray,
        person: Person,
        actions: dict[str, float],
        matrix: Tensor,
        samples: int | None = None,
    ) -> np.ndarray:
        """The picture before it is shrunk.

        head     (N, 3), see `geometry`
        matrix   (2, 3), from the camera's plane to pixels of `side`
        samples  fewer than the studio's for a quick look
        returns  (side * samples, side * samples, 3) uint8
        """
        scene, glasses = self.scene, person.glasses
        self.renderer.set_glasses(*(fit(glasses, self.heads.neutral(person)[self._anchors]) if glasses else (None,)))
        uniforms = {**person.look, **scene.look, **self._hair_look} | {
            "frame_colour": glasses.colour if glasses else (0, 0, 0),
            "frame_shine": glasses.shine if glasses else 0.0,
            "body_colour": self.body.look["skin_colour"],
            "view": self._view(scene.distance, matrix.numpy()),
            "eye_position": CENTRE + (0, 0, scene.distance),
            "rotation": rotation(scene),
            "pivot": PIVOT,
        }
        folds = fold_depths(actions, person.look["wrinkles"])
        side = self.side * (samples or self.samples)
        return self.renderer.draw(head, self.heads.normals(head), folds, uniforms, scene.backdrop, side)

    def _view(self, distance: float, matrix: np.ndarray) -> np.ndarray:
        """(4, 4) world to clip space"""
        near, far = distance - 4, distance + 4
        look = np.eye(4)
        look[:3, 3] = -CENTRE - (0, 0, distance)
        project = np.zeros((4, 4))
        project[0, 0] = project[1, 1] = distance
        project[2, 2:] = -(far + near) / (far - near), -2 * far * near / (far - near)
        project[3, 2] = -1
        flip = np.diag([1.0, -1.0])
        onto = np.eye(4)  # plane, y up -> pixels, y down -> clip, y up
        onto[:2, :2] = flip @ matrix[:, :2] @ flip * 2 / self.side
        onto[:2, 3] = flip @ (matrix[:, 2] * 2 / self.side - 1)
        return (onto @ project @ look).astype(np.float32)


def rotation(scene: Scene) -> np.ndarray:
    """(3, 3) of a head; yaw > 0 to the picture's right, pitch > 0 up, roll > 0 clockwise"""
    (cy, cp, cr), (sy, sp, sr) = (f(np.radians([scene.yaw, scene.pitch, scene.roll])) for f in (np.cos, np.sin))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    roll = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return (roll @ pitch @ yaw).astype(np.float32)


def fold_depths(actions: dict[str, float], wrinkles: float) -> np.ndarray:
    """(5,) how deep skin folds on the forehead, between the brows, on the nose, around the eyes, in the cheeks"""

    def both(name: str) -> float:
        return (actions.get(name + "Left", 0.0) + actions.get(name + "Right", 0.0)) / 2

    smile = max(both("mouthSmile"), both("cheekSquint"), both("eyeSquint"))
    raised = 0.5 * actions.get("browInnerUp", 0.0) + 0.7 * both("browOuterUp")
    acted = np.array([0.7 * raised, 0.7 * both("browDown"), both("noseSneer"), 0.4 * smile, 0.4 * smile])
    return acted + wrinkles * np.array([0.35, 0.25, 0.0, 0.6, 0.5])


def shrink(pixels: np.ndarray, samples: int) -> np.ndarray:
    """(H, W, 3) uint8 -> (H / samples, W / samples, 3) float32 0..255, means"""
    h, w = (side // samples for side in pixels.shape[:2])
    return pixels.reshape(h, samples, w, samples, 3).mean((1, 3), dtype=np.float32)
