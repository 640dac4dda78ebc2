"""What the judges say of a result, as numbers: JUDGED for each, correlations over all (ours)."""

from pathlib import Path

import torch
from torch import Tensor

from ...models.codes import Expression
from ...models.comparison import correlation, turn
from ...models.encoders import Encoders
from ...models.faces.mesh import BLENDSHAPES, Face
from ...models.pictures import read_picture
from ...training.progress import shown
from .networks import RATIOS, SAME_COSINE, SAME_PERSON, Judges, Verdict

SECOND = ("judge2_cosine", "judge2_same", "judge2_top1", "judge2_nearer_than_background")  # by the second recogniser
JUDGED = ("judge_distance", "judge_same", "judge_top1", "judge_nearer_than_background", "judge_ratio_error",
          "judge_emotion_same", "judge_pose_error_deg", *SECOND)  # fmt: skip
# which blendshapes of the wanted code should move a ratio, and which way
ACTIONS = {
    "mouth_open": {"jawOpen": 1},
    "mouth_width": {"mouthSmileLeft": 1, "mouthSmileRight": 1, "mouthPucker": -2},
    "mouth_corners_up": {"mouthSmileLeft": 1, "mouthSmileRight": 1, "mouthFrownLeft": -1, "mouthFrownRight": -1},
    "eye_open": {"eyeBlinkLeft": -1, "eyeBlinkRight": -1},
    "brow_height": {"browInnerUp": 2, "browDownLeft": -1, "browDownRight": -1},
}


class Panel:
    """The judges, with what they think of the wanted people and expressions."""

    def __init__(self, judges: Judges, encoders: Encoders, people: list[Path], expressions: list[Path]):
        """people, expressions: pictures, one a person or expression; labels have none. Known by their file names."""
        self.judges = judges
        self.people = {path.name: self._open(encoders, path) for path in shown(people, "identities judged")}
        self.expressions = {path.name: self._open(encoders, path) for path in shown(expressions, "expressions judged")}
        self.gallery = torch.stack([verdict.identity for verdict in self.people.values()])  # (K, 128)

    def read(self, picture: Tensor, face: Face | None) -> Verdict | None:
        """picture (3, H, W) in [-1, 1], face: where it is, if it is there"""
        return None if face is None else self.judges.read(picture, face)

    def _open(self, encoders: Encoders, path: Path) -> Verdict:
        picture = read_picture(path)
        return self.judges.read(picture, encoders.faces(picture, "largest", path.name)[0])

    def measure(self, found: Verdict, before: Verdict, who: str, what: str) -> dict[str, float]:
        """Compare a result's face with what was wanted; distances are dlib's, below SAME_PERSON is the same person.

        found   the face in the result; before: the same place in the background picture
        who     the identity's file name; what: the expression's, or a label
        returns JUDGED, less the two on expression if the expression is a label, which no judge has seen, and those of
                SECOND, by its cosine, where the second recogniser is missing;
                judge_ratio_error: mean absolute difference of RATIOS; judge_pose_error_deg: of yaw, pitch and roll
        """
        distances = (self.gallery - found.identity).norm(dim=-1)
        place = list(self.people).index(who)
        wanted = float(distances[place])
        values = {
            "judge_distance": round(wanted, 4),
            "judge_same": float(wanted < SAME_PERSON),
            "judge_top1": float(int(distances.argmin()) == place),
            "judge_nearer_than_background": float(wanted < (before.identity - found.identity).norm()),
            "judge_pose_error_deg": round(float(turn(before.pose, found.pose).abs().mean()), 3),
        }
        if found.second is not None:
            cosines = torch.stack([person.second for person in self.people.values()]) @ found.second
            own = float(cosines[place])
            nearer = own > float(before.second @ found.second)
            by_second = own, own > SAME_COSINE, int(cosines.argmax()) == place, nearer
            values |= {name: round(float(value), 4) for name, value in zip(SECOND, by_second, strict=True)}
        if what in self.expressions:
            example = self.expressions[what]
            values["judge_ratio_error"] = round(float((found.ratios - example.ratios).abs().mean()), 4)
            values["judge_emotion_same"] = float(found.emotion == example.emotion)
        return values


def judged(panel: Panel, found: Verdict | None, before: Verdict, who: str, what: str) -> dict:
    """JUDGED of a result, None where it shows no face; and the ratios themselves."""
    if found is None:
        return dict.fromkeys(JUDGED) | {"judge_ratios": None}
    return dict.fromkeys(JUDGED) | panel.measure(found, before, who, what) | {"judge_ratios": named_ratios(found)}


def named_ratios(found: Verdict) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(RATIOS, found.ratios, strict=True)}


def wanted_actions(expression: Expression) -> dict[str, float]:
    """How far each ratio should move for an expression (its first row), in units of blendshapes."""
    code = dict(zip(BLENDSHAPES, expression.code[0].tolist(), strict=True))
    return {
        ratio: round(sum(weight * code[name] for name, weight in actions.items()), 4)
        for ratio, actions in ACTIONS.items()
    }


def correlations(items: list[dict], which: str) -> dict[str, float]:
    """Over all items with a face: Pearson correlation of the action wanted and the ratio that the judges measured.

    Works for labels, too. Ratios of which either side is the same in all items are left out.
    """
    measured = [item[which] for item in items if which in item and item[which].get("judge_ratios")]
    rows = [(each["wanted"], each["judge_ratios"]) for each in measured]
    found = {}
    for ratio in RATIOS:
        pair = torch.tensor([[wanted[ratio] for wanted, _ in rows], [measured[ratio] for _, measured in rows]])
        if len(rows) > 2 and (pair.std(1) > 0).all():
            found[ratio] = round(float(correlation(*pair)), 3)
    return found
