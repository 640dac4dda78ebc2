"""A few people with a wish each, for curves: drawn in many ways, each measured as evaluations are (ours)."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.appearance.finish import Wish
from ...models.codes import Background, Expression, Identity
from ...models.compositing import paste_faces
from ...models.pictures import read_picture
from ...models.pipeline import DiffSFSR, Painting
from ..judges.networks import Judges, Verdict
from ..people import people_in
from .measures import Look, measure

LABELS = ("joy", "anger")
SCENE = 768  # longer side of the scenes, pixels
# of each result; judge_likeness is 1 less dlib's distance
MEASURED = ("judge_likeness", "judge2_cosine", "expression_correlation", "pose_error_deg", "detail", "seams", "seconds")

COMPARED = {  # those that tell what a part is for, in words
    "judge_likeness": "likeness to dlib (1 less its distance)",
    "judge2_cosine": "second recogniser's cosine",
    "expression_correlation": "correlation of the expression read with the one wanted",
    "pose_error_deg": "head pose, degrees off",
}


@dataclass(frozen=True)
class Case:
    """One person, one expression, one scene."""

    person: str
    label: str
    photo: Tensor  # (3, H, W) in [-1, 1], the selfie
    who: Identity
    what: Expression
    background: Background
    before: Look  # at the scene as it is
    likeness: Verdict  # what the judges see in a photo of the person

    @property
    def name(self) -> str:
        return f"{self.person} {self.label}"


@dataclass(frozen=True)
class Drawn:
    """One way to draw a case."""

    setting: str  # such as "ddim, 8 steps"
    crops: Tensor  # (1, 3, kS, kS) in [-1, 1]
    seconds: float  # of the processor
    likeness: Verdict | None = None  # else the case's


class Clock:
    """Processor seconds since it was made, or since it was last asked."""

    def __init__(self):
        self._began = time.process_time()

    def __call__(self) -> float:
        now = time.process_time()
        self._began, passed = now, now - self._began
        return passed


class Cast:
    """openpeople's people, read once each. Every selfie goes into the next person's portrait."""

    def __init__(self, model: DiffSFSR, judges: Judges):
        self.model, self.judges = model, judges

    @cached_property
    def folders(self) -> list:
        return people_in()

    def cases(self, people: int, labels: tuple[str, ...] = LABELS) -> Iterator[Case]:
        """One after the other, the labels of one person together."""
        for number in range(min(people, len(self.folders))):
            person, other = self.folders[number], self.folders[(number + 1) % len(self.folders)]
            photo = read_picture(person / "assets" / "amateur_selfie.jpg")
            scene = shrink(read_picture(other / "assets" / "studio_portrait.jpg"), SCENE)
            yield from self.between(person.name, photo, scene, labels)

    def between(
        self, person: str, photo: Tensor, scene: Tensor, labels: tuple[str, ...], face: str = "largest"
    ) -> Iterator[Case]:
        """photo, scene: (3, H, W) in [-1, 1]; face: which one of the scene's, as in choice.py"""
        who, background = self.model.identity([photo]), self.model.background(scene, face)
        before, likeness = Look.at(self.model, scene, background), self.read(photo)
        for label in labels:
            what = self.model.expression(label)
            yield Case(person, label, photo, who, what, background, before, likeness)

    def read(self, picture: Tensor) -> Verdict:
        """What the judges see in a picture's largest face."""
        return self.judges.read(picture, self.model.encoders.faces(picture, "largest", "photo")[0])

    def measure(self, case: Case, drawn: Drawn) -> dict[str, float | None]:
        """MEASURED, None where the result shows no face."""
        picture = paste_faces(drawn.crops.cpu(), case.background)[0]
        look = Look.at(self.model, picture, case.background)
        values = measure(self.model, look, case.before, case.who, case.what, case.background, case.who.code, 0)
        values["seconds"] = round(drawn.seconds, 3)
        if look.face is not None:
            found, wanted = self.judges.read(*look.face_in), drawn.likeness or case.likeness
            values["judge_likeness"] = round(1 - float((found.identity - wanted.identity).norm()), 4)
            if wanted.second is not None:
                values["judge2_cosine"] = round(float(found.second @ wanted.second), 4)
        return {name: values.get(name) for name in MEASURED}


def shrink(picture: Tensor, longest: float) -> Tensor:
    """(3, H, W) with the longer side of at most so many pixels."""
    scale = longest / max(picture.shape[1:])
    if scale >= 1:
        return picture
    return F.interpolate(picture[None], scale_factor=scale, mode="bicubic", antialias=True)[0].clamp(-1, 1)


@torch.inference_mode()
def painted(model: DiffSFSR, case: Case, **settings) -> tuple[Tensor, float]:
    """The painter's crop of a case, the photo shown to painters that look at it, and seconds; settings: of Painting"""
    clock = Clock()
    return model.paint(case.who, case.what, case.background, Painting(**settings), wish=Wish()), clock()
