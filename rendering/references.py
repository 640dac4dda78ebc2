"""Labels acted by rendered heads: what a head has to do to be read as the author meant it (ours).

An action is what the rig does, by ARKit's names, 0..1 and a little beyond. A reading is what the face mesh sees of it
minus the same head's neutral face. The two have the same names but are not the same: docs/expressions.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..models.comparison import correlation
from ..models.expression.library import MOVING, ExpressionLibrary
from ..models.expression.references import References, save_references
from ..models.faces.mesh import BLENDSHAPES, FaceMesh
from ..models.frames import FRAMES
from ..models.pixels import from_bytes
from .hair import Hair
from .heads import Person
from .portraits import PORTRAITS
from .scenes import studio
from .studio import Studio, shrink

HEADS = ("ines", "anders")  # of different sex, age and origin
SIDE = 256
MEANT = 0.05  # readings below this are by the way: no action is raised for them
# What an action of 1 is about read as on a rendered head; the inverse is the first guess.
GAIN = {
    "browDown": 0.5, "browInnerUp": 0.5, "browOuterUp": 0.5, "eyeBlink": 0.6, "eyeLookDown": 0.5, "eyeLookIn": 0.5,
    "eyeLookOut": 0.5, "eyeLookUp": 0.5, "eyeSquint": 0.4, "jawOpen": 0.75, "mouthDimple": 0.4, "mouthFrown": 0.4,
    "mouthLeft": 0.4, "mouthLowerDown": 0.6, "mouthPress": 0.6, "mouthPucker": 0.7, "mouthRollLower": 0.5,
    "mouthRollUpper": 0.5, "mouthShrugLower": 0.6, "mouthShrugUpper": 0.5, "mouthSmile": 0.8, "mouthStretch": 0.5,
    "mouthUpperUp": 0.6,
}  # fmt: skip
MOST = {"jawOpen": 1.0, "eyeBlink": 1.0, "eyeSquint": 0.8, "mouthPucker": 0.9}  # of an action; 1.3 for all others
SMILING = 0.25  # mouthSmile from which on a face is meant to smile; then at most, on the same side:
GRIN = {"mouthUpperUp": 0.65, "mouthLowerDown": 0.35, "mouthStretch": 0.15, "eyeSquint": 0.5, "noseSneer": 0.0}
FROWNING = 0.25  # browDown from which on, without raised inner brows, a face is meant to be angry
SHUT = 0.42  # what eyeBlink is read as, minus neutral, when the eyes are shut
CAREFUL = 0.1  # how much a change of an action costs, against what is gained in the reading
APART, APART_VARIANTS = 0.424, 0.26  # of codes: first variants, and any; as far as the nearest were meant to be
FAINT = 0.5  # length of a code; what is read as less is as meant
CROOKED = 0.12  # sides that differ by less are meant alike
WIDE = 2.5  # eyes are opened by this times what eyeSquint is to be read below neutral


class Head:
    """One person in the studio's light; pictures are (3, 256, 256) RGB in [-1, 1], in FFHQ's frame."""

    def __init__(self, person: Person, hair: Hair | None, mesh: FaceMesh):
        self.person, self.mesh, self.place = person, mesh, Studio(SIDE, samples=1)
        self.place.enter(studio(hair), person)
        self.matrix = self.place.alignment(self.place.geometry(person, {}), FRAMES["ffhq-256"])
        self.rest = self._read(self.picture({}))

    def picture(self, actions: dict[str, float]) -> Tensor:
        pixels = self.place.draw(self.place.geometry(self.person, actions), self.person, actions, self.matrix)
        return from_bytes(torch.from_numpy(shrink(pixels, self.place.samples)).round().byte().permute(2, 0, 1))

    def act(self, actions: dict[str, float]) -> tuple[Tensor, Tensor]:
        """The picture, and its reading (51,) minus the person's own neutral face's."""
        picture = self.picture(actions)
        return picture, self._read(picture) - self.rest

    def _read(self, picture: Tensor) -> Tensor:
        faces = self.mesh.find(picture, limit=1)
        if not faces:
            raise ValueError("the mesh finds no face in the picture of a rendered head; weaken what it does")
        return faces[0].blendshapes.cpu()


def first_actions(meant: Tensor) -> dict[str, float]:
    """A guess at what a head has to do so that `meant` (51,) is read."""
    wanted = even(meant)
    actions = {
        name: min(value / gain(name), most(name)) for name, value in wanted.items() if value > MEANT and gain(name)
    }
    return bounded(actions | unseen(wanted), wanted)


def bounded(actions: dict[str, float], wanted: dict[str, float]) -> dict[str, float]:
    """Smiles that look like smiles, frowns like frowns: where the mesh can be content with less than people are.

    It reads a raised lip as a smile, and more of a smile's teeth and lids than are there; lowered brows it reads from
    their height alone, not from the nose that wrinkles with them.
    """
    found = dict(actions)
    for side in ("Left", "Right"):
        smile = wanted["mouthSmile" + side]
        if smile > SMILING:
            found["mouthSmile" + side] = max(found.get("mouthSmile" + side, 0.0), min(1.8 * smile, 1.15))
            for name, limit in GRIN.items():
                found[name + side] = min(found.get(name + side, 0.0), limit)
            if "browInnerUp" in found:  # higher, with a smile, they look pained
                found["browInnerUp"] = min(found["browInnerUp"], 0.45)
            if wanted["browDown" + side] < 0.2:  # cheeks push them down
                found["browDown" + side] = 0.0
        elif wanted["browDown" + side] > FROWNING and wanted["browInnerUp"] < 0.1:
            strong = min(2.5 * wanted["browDown" + side], 1.3)
            found["browDown" + side] = max(found.get("browDown" + side, 0.0), strong)
            found["noseSneer" + side] = max(found.get("noseSneer" + side, 0.0), strong / 2)
    return {name: value for name, value in found.items() if value > 0.02}


def unseen(wanted: dict[str, float]) -> dict[str, float]:
    """What belongs to an expression and is read by another name: raised cheeks, a wrinkled nose, wide or shut eyes."""
    actions = {}
    for side in ("Left", "Right"):
        smile, squint = wanted["mouthSmile" + side], wanted["eyeSquint" + side]
        lip, brow = wanted["mouthUpperUp" + side], wanted["browDown" + side]
        actions["cheekSquint" + side] = min(max(smile * (squint > 0), 0.0), 1.0)
        actions["noseSneer" + side] = min(max(3 * min(lip, brow), 0.0), 1.0)
        actions["eyeWide" + side] = min(max(-WIDE * squint, 0.0), 1.2)
        actions["eyeBlink" + side] = float(wanted["eyeBlink" + side] > SHUT)
    return {name: value for name, value in actions.items() if value > MEANT}


def even(code: Tensor) -> dict[str, float]:
    """By name; what differs little between the sides is made equal, so that no face is crooked by chance."""
    values = dict(zip(BLENDSHAPES, code.tolist(), strict=True))
    for name in {name.removesuffix("Left") for name in values if name.endswith("Left")}:
        left, right = values[name + "Left"], values[name + "Right"]
        if abs(left - right) < CROOKED and name not in ("eyeLookIn", "eyeLookOut", "mouth", "jaw"):
            values[name + "Left"] = values[name + "Right"] = (left + right) / 2
    return values


def responses(acted: Tensor, read: Tensor) -> Tensor:
    """(A, 51) what each action adds to the reading: ridge regression over all that was acted, (n, A) and (n, 51)."""
    penalty = 3.0 * torch.eye(acted.shape[1])
    return torch.linalg.solve(acted.T @ acted + penalty, acted.T @ read)


def corrected(actions: dict[str, float], meant: Tensor, read: Tensor, response: dict[str, Tensor]) -> dict[str, float]:
    """Actions changed so that what is read should come nearer to what was meant, (51,) each.

    Only what was meant is raised; raised cheeks, a wrinkled nose and shut eyes stay, since the mesh does not tell them.
    """
    wanted = even(meant)
    shut = {name for name in actions if name.startswith("eyeBlink") and wanted[name] > SHUT}
    free = [
        name
        for name in response
        if name not in shut and (name in actions or wanted.get(name, 0) > MEANT) and (gain(name) or "eyeWide" in name)
    ]
    slopes = torch.stack([response[name][MOVING] for name in free])  # (F, 39)
    missing = (meant - read)[MOVING]
    before = torch.tensor([actions.get(name, 0.0) for name in free])
    limit = torch.tensor([most(name) for name in free])
    values = before.clone()
    for _ in range(300):  # projected gradient descent on |missing - change @ slopes|^2 + CAREFUL |change|^2
        change = values - before
        values = values + 0.1 * ((missing - change @ slopes) @ slopes.T - CAREFUL * change)
        values = values.clamp(torch.zeros(len(free)), limit)
    changed = actions | dict(zip(free, values.tolist(), strict=True))
    for name in free:
        other = name.removesuffix("Left") + "Right"
        if name.endswith("Left") and name in wanted and other in free and wanted[name] == wanted.get(other):
            changed[name] = changed[other] = (changed[name] + changed[other]) / 2
    return bounded(changed, wanted)


def gain(name: str) -> float:
    return GAIN.get(side_less(name), 0.0)


def most(name: str) -> float:
    return MOST.get(side_less(name), 1.3)


def side_less(name: str) -> str:
    return name if name == "mouthLeft" else name.removesuffix("Left").removesuffix("Right")


@dataclass(frozen=True)
class Take:
    """A variant of a label, acted."""

    actions: dict[str, float]
    pictures: tuple[Tensor, ...]  # one for each head
    read: Tensor  # (heads, 51) minus each head's neutral face
    distance: float  # of the mean reading from what was meant, over the channels that move


def render(library: ExpressionLibrary, mesh: FaceMesh, path: Path, rounds: int) -> Iterator[str]:
    """Act every variant of every label on HEADS, keep the takes that came nearest, and write the references.

    library   as authored
    path      the file to write; the heads go on from what they do in it, if it is there already
    yields    a line for each round
    """
    heads = [Head(*PORTRAITS[name], mesh) for name in HEADS]
    keys = [(label, variant) for label in library.labels for variant in range(len(library.variants(label)))]
    meant = {key: library.code(*key) for key in keys}
    before = actions_before(path)
    actions = {
        key: bounded(before[key], even(meant[key])) if key in before else first_actions(meant[key]) for key in keys
    }
    best: dict[tuple[str, int], Take] = {}
    acted: list[dict[str, float]] = []
    read: list[Tensor] = []
    for number in range(rounds):
        takes = {key: act(heads, actions[key], meant[key]) for key in keys}
        acted += [take.actions for take in takes.values()]
        read += [take.read.mean(0) for take in takes.values()]
        best |= {key: take for key, take in takes.items() if key not in best or take.distance < best[key].distance}
        names = sorted({name for each in acted for name in each})
        response = responses(as_rows(acted, names), torch.stack(read))
        response = dict(zip(names, response, strict=True))
        actions = {key: corrected(best[key].actions, meant[key], best[key].read.mean(0), response) for key in keys}
        far = [sum(take.distance for take in each.values()) / len(keys) for each in (takes, best)]
        yield f"round {number + 1}: {far[0]:.3f} from what was meant, the best of all rounds {far[1]:.3f}"
    names = sorted({name for take in best.values() for name in take.actions})
    wanted, readings = (
        torch.stack([each[key] for key in keys]) for each in (meant, {k: t.read for k, t in best.items()})
    )
    numbers = torch.tensor([library.labels.index(label) for label, _ in keys])
    tensors = {
        "meant": wanted, "read": readings, "codes": codes(wanted, readings.mean(1), numbers, library.neutral),
        "acted": as_rows([best[key].actions for key in keys], names),
    }  # fmt: skip
    variants = {label: len(library.variants(label)) for label in library.labels}
    save_references(path, [best[key].pictures for key in keys], HEADS, variants, names, tensors)


def act(heads: Sequence[Head], actions: dict[str, float], meant: Tensor) -> Take:
    pictures, read = zip(*(head.act(actions) for head in heads), strict=True)
    return Take(actions, pictures, torch.stack(read), distance(torch.stack(read).mean(0), meant))


def as_rows(actions: Sequence[dict[str, float]], names: Sequence[str]) -> Tensor:
    return torch.tensor([[float(each.get(name, 0)) for name in names] for each in actions])


def actions_before(path: Path) -> dict[tuple[str, int], dict[str, float]]:
    """What the heads do in a file of references, by label and variant; nothing, if there is no file."""
    if not path.is_file():
        return {}
    references = References.load(path)
    return {
        (label, variant): references.actions_of(label, variant)
        for label, count in references.variants.items()
        for variant in range(count)
    }


def codes(meant: Tensor, read: Tensor, labels: Tensor, neutral: Tensor) -> Tensor:
    """Readings as codes (V, 51), as far as the renderer shows what was meant and the labels stay apart.

    What is read in all labels alike is the renderer's and taken off. A channel is taken from the reading by the square
    of its correlation with what was meant over all V, for the rest from what was meant; channels that hardly move on
    photos are as meant. Where two labels come nearer to each other than APART (or than they were meant to be), the one
    that is read worse goes back towards what was meant, by quarters; what is read as hardly anything goes all the way.

    meant, read   (V, 51)
    labels        (V,) number of each variant's label
    """
    read = read - (read - meant).mean(0)
    channels = correlation(meant.T, read.T).clamp(0, 1) ** 2
    changes = torch.zeros_like(meant)
    changes[:, MOVING] = (channels * (read - meant))[:, MOVING]
    apart = torch.cdist(meant[:, MOVING], meant[:, MOVING]).clamp(max=APART)
    first = labels != labels.roll(1)  # variant 0
    apart = torch.where(first[:, None] & first, apart, apart.clamp(max=APART_VARIANTS)).fill_diagonal_(-1)
    shares = ((meant + changes)[:, MOVING].norm(dim=1) > FAINT).float()
    while True:
        found = (meant + shares[:, None] * changes).clamp(-neutral, 1 - neutral)
        lacking = apart - torch.cdist(found[:, MOVING], found[:, MOVING])
        lacking[shares[:, None] + shares == 0] = -1
        if lacking.max() < 1e-4:
            return found
        pair = list(divmod(int(lacking.argmax()), len(meant)))
        worse = max(pair, key=lambda row: float(shares[row] * changes[row].norm()))
        shares[worse] = (shares[worse] - 0.25).clamp(min=0)


def distance(read: Tensor, meant: Tensor) -> float:
    return float((read - meant)[MOVING].norm())
