"""Recognisers side by side, on prepared photos and on synthetic people: `python cli.py verify` (ours).

Each recogniser, the compound of all of them, teachers and the judge beside them. K faces, D length of a code.
"""

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.faces.insightface_pack import PackRecogniser
from ...models.faces.mesh import Face, FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.faces.tflite import Graph
from ...models.frames import FRAMES, align, crop, five_points
from ...models.identity.recogniser import Recogniser
from ...models.network.checkpoint import ASSETS, read_config, resolve_checkpoint
from ...models.pictures import read_picture
from ...models.pixels import from_bytes, to_bytes
from ...training.data.shards import Shards
from ...training.data.split import is_test_person, test_people
from ...training.progress import shown
from ..acted import CELLS, acted_faces
from ..judges.networks import Judges, find_judges
from ..people import find_people
from .tables import grid
from .verification import Drift, Retrieval, Verification, combine, drift, fit_shares, retrieve, verify

COMPOUND, JUDGE = "compound", "dlib (judge)"


@dataclass(frozen=True)
class Faces:
    people: list[str]  # who they are, K names
    pixels: Tensor  # (K, 3, 112, 112) uint8, frame arcface-112
    judged: Tensor | None = None  # (K, 128) the judge's codes, as unit vectors
    kinds: tuple[str, ...] = ()  # of synthetic people: "portrait", "selfie", or one of CELLS


@dataclass(frozen=True)
class Readers:
    recognisers: dict[str, nn.Module]
    shares: list[float]  # of each in the compound
    teachers: dict[str, nn.Module]

    def codes(self, faces: Faces) -> dict[str, Tensor]:
        """(K, D) by reader."""
        codes = {name: encode(reader, faces.pixels) for name, reader in self.recognisers.items()}
        if len(codes) > 1:
            codes[COMPOUND] = combine(list(codes.values()), self.shares)
        codes |= {name: encode(reader, faces.pixels) for name, reader in self.teachers.items()}
        return codes if faces.judged is None else codes | {JUDGE: faces.judged}


def load_readers(paths: Sequence[Path], device: torch.device | str = "cpu") -> dict[str, nn.Module]:
    """By name: what `train recogniser` wrote (.safetensors), teachers (.tflite), folders with an insightface pack."""
    readers: dict[str, nn.Module] = {}
    for path in paths:
        if path.is_dir():
            readers[path.name] = PackRecogniser.load(path)
        elif path.is_file():
            readers[path.stem] = Graph(path.read_bytes()) if path.suffix == ".tflite" else Recogniser.load(path)
        else:
            raise FileNotFoundError(f"no recogniser {path}; want a .safetensors, a .tflite or an insightface pack")
    if len(readers) < len(paths):
        raise ValueError(f"got two recognisers of one name among {', '.join(map(str, paths))}; rename a file")
    return {name: reader.to(device) for name, reader in readers.items()}


@torch.inference_mode()
def encode(reader: nn.Module, pixels: Tensor, batch: int = 32) -> Tensor:
    """(K, 3, 112, 112) uint8 -> (K, D), unit vectors."""
    device = next(itertools.chain(reader.parameters(), reader.buffers(), [pixels])).device
    parts = (part.to(device) for part in pixels.split(batch))
    if isinstance(reader, Graph):  # a teacher, such as MobileFaceNet
        codes = torch.cat([reader((part.permute(0, 2, 3, 1).float() - 127.5) / 128)[0] for part in parts])
        return F.normalize(codes, dim=-1).cpu()
    return torch.cat([reader(from_bytes(part)) for part in parts]).cpu()


def choose_shares(recognisers: dict[str, nn.Module], folders: Sequence[Path], people: set[str]) -> list[float]:
    """The compound's shares that tell most of some training people apart, the mean over prepared folders."""
    found = []
    for folder in folders:
        faces = read_shards(folder, people)
        several = {person for person, count in Counter(faces.people).items() if count > 1}
        rows = [i for i, person in enumerate(faces.people) if person in several]
        codes = [encode(reader, faces.pixels[rows]) for reader in recognisers.values()]
        found.append(fit_shares(codes, [faces.people[i] for i in rows]))
    return [sum(column) / len(found) for column in zip(*found, strict=True)]


def read_shards(folder: Path, people: set[str], judges: Judges | None = None) -> Faces:
    """The photos of some people out of a prepared folder (training/data/prepare.py)."""
    shards = Shards(folder)
    rows = [row for row, person in enumerate(shards.people) if person in people]
    if not rows:
        raise ValueError(f"{folder} holds no photos of the people wanted; run `python cli.py prepare` first")
    judged = None
    if judges is not None:
        judged = F.normalize(judge_rows(judges, shards, rows), dim=-1)
    return Faces([shards.people[row] for row in rows], shards.rows("face", rows), judged)


def read_people(folder: Path, mesh: FaceMesh, judges: Judges | None = None) -> Faces:
    """openpeople's people: portrait, selfie and the 16 cells of the sheet of each. folder: its data/curated"""
    frame, names, kinds, pixels, judged = FRAMES["arcface-112"], [], [], [], []
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        pictures = {
            kind: read_picture(person / "assets" / f"{name}.jpg")
            for kind, name in (("portrait", "studio_portrait"), ("selfie", "amateur_selfie"))
        }
        for kind, picture in (pictures | acted_faces(person)).items():
            faces = mesh.find(picture, limit=1)
            if not faces:
                raise ValueError(f"found no face in {kind} of {person.name}, want openpeople's pictures as they are")
            points = faces[0].points[:, :2].cpu()
            face = crop(picture[None], align(five_points(points[None]), frame), frame.size)
            pixels.append(to_bytes(face))
            names.append(person.name)
            kinds.append(kind)
            if judges is not None:
                judged.append(judge(judges, picture, points))
    return Faces(names, torch.cat(pixels), torch.stack(judged) if judged else None, tuple(kinds))


def judge(judges: Judges, picture: Tensor, points: Tensor) -> Tensor:
    """picture (3, H, W) in [-1, 1], the mesh's points (478, 2) in it -> (128,), a unit vector."""
    return F.normalize(judge_code(judges, picture, points), dim=-1)


def judge_rows(judges: Judges, shards: Shards, rows: list[int], batch: int = 256) -> Tensor:
    """(K, 128) of some rows of a prepared folder, as judge_code gives them."""
    codes = []
    for start in shown(range(0, len(rows), batch), f"parts of {shards.folder.name} judged"):
        part = rows[start : start + batch]
        pictures = zip(shards.rows("crop", part), shards.rows("points", part), strict=True)
        codes += [judge_code(judges, from_bytes(x), points) for x, points in pictures]
    return torch.stack(codes) if codes else torch.empty(0, 128)


def judge_code(judges: Judges, picture: Tensor, points: Tensor) -> Tensor:
    """The same as the judge gives it: distances of two below SAME_PERSON are one person's."""
    face = Face(points, torch.zeros(51), torch.zeros(3), 1.0)  # the judge looks at the points alone
    return judges.read(picture, face).identity


@dataclass(frozen=True)
class Report:
    shares: dict[str, float]  # of each recogniser in the compound
    verification: dict[str, dict[str, Verification]]  # by prepared folder, by reader
    retrieval: dict[str, Retrieval]  # by reader
    drift: dict[str, Drift]

    def markdown(self) -> str:
        lines = ["Shares of the compound: " + ", ".join(f"{k} {v:.2f}" for k, v in self.shares.items()), ""]
        for folder, table in self.verification.items():
            counts = next(iter(table.values()))
            lines += [f"{folder}: {counts.same} pairs of photos of one person, {counts.different} of two.", ""]
            lines += ["| reader | accuracy | TAR at FAR 1e-3 |", "|---|---|---|"]
            lines += [f"| {name} | {v.accuracy:.4f} | {v.true_accepts:.4f} |" for name, v in table.items()] + [""]
        lines += ["| reader | top-1 | of selfies | of expressions |", "|---|---|---|---|"]
        lines += [f"| {k} | {v.top1:.3f} | {v.selfies:.3f} | {v.cells:.3f} |" for k, v in self.retrieval.items()] + [""]
        rows = {word: [found.words[word] for found in self.drift.values()] for word in CELLS[1:]}
        rows["mean of the 15"] = [found.mean for found in self.drift.values()]
        rows["another person's neutral"] = [found.other for found in self.drift.values()]
        rows["share of the way to another person"] = [found.share for found in self.drift.values()]
        values = ((name, *(f"{value:.3f}" for value in row)) for name, row in rows.items())
        lines += grid(("cosine to neutral", *self.drift), values)
        return "\n".join(lines) + "\n"

    def write(self, out: Path) -> None:
        """verification.json and, as tables, verification.md."""
        out.mkdir(parents=True, exist_ok=True)
        (out / "verification.json").write_text(json.dumps(asdict(self), indent=1))
        (out / "verification.md").write_text(self.markdown())


def compare_recognisers(
    folders: Sequence[Path],
    recognisers: Sequence[Path] | None = None,
    shares: list[float] | None = None,
    fit: bool = False,
    teachers: Sequence[Path] = (),
    people: Path | None = None,
    device: torch.device | str = "cpu",
) -> "Report":
    """What `python cli.py verify` does.

    folders      prepared folders; measured is on their test people
    recognisers  what load_readers() takes; None: those of the bundled checkpoint
    shares       of each in the compound, any scale; None: the same for all, or, with `fit`, the best on training people
    people       openpeople's data/curated; None: the installed one's
    """
    bundled = [ASSETS / f"{name}.safetensors" for name in read_config(resolve_checkpoint("mini")).recognisers]
    parts, judges = load_readers(recognisers or bundled, device), find_judges()
    everyone = {person for shards in map(Shards, folders) if not shards.rendered for person in shards.people}
    tested = test_people(everyone)
    if fit:
        shares = choose_shares(parts, folders, {person for person in everyone if not is_test_person(person)})
    shares = shares or [1.0] * len(parts)
    if len(shares) != len(parts) or min(shares) < 0 or sum(shares) == 0:
        raise ValueError(f"got shares {shares}, want one for each of {', '.join(parts)}, none below 0")
    readers = Readers(parts, [share / sum(shares) for share in shares], load_readers(teachers, device))
    photos = {folder.name: read_shards(folder, tested, judges) for folder in folders}
    mesh = FaceMesh.load(find_task_file()).to(device)
    return report(readers, photos, read_people(people or find_people(), mesh, judges))


def report(readers: Readers, photos: dict[str, Faces], people: Faces) -> Report:
    """photos: of test people, by the name of their folder; people: from read_people."""
    verification = {
        folder: {name: verify(code, faces.people) for name, code in readers.codes(faces).items()}
        for folder, faces in photos.items()
    }
    codes = readers.codes(people)
    return Report(
        dict(zip(readers.recognisers, readers.shares, strict=True)),
        verification,
        {name: retrieve(code, people.people, people.kinds) for name, code in codes.items()},
        {name: drift(code, people.people, people.kinds) for name, code in codes.items()},
    )
