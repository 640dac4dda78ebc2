"""What `python cli.py library ...` does, a function for each action. Checking and rendering need more packages."""

import argparse

from ...models.expression.labels import read_labels
from ...models.expression.library import ExpressionLibrary
from ...models.expression.references import FILE, PEOPLE, References
from ...models.expression.user_library import UserLibrary
from ...models.expression.user_library import build as read_folder
from ...models.expression.words import Words
from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.files import check_output
from ...models.network.checkpoint import ASSETS
from ...models.network.device import choose_device
from ...models.pictures import WRITABLE

LABELS = ASSETS / "expressions.json"
FILES = {"people": PEOPLE, "references": FILE}
EXAMPLES = ASSETS.parent / "web" / "examples"
SITTING = "calm", "selfie", "portrait"  # two photos of one person, who shows teeth in the second, and a scene


def build(args: argparse.Namespace) -> None:
    for progress in read_folder(args.folder, args.out, face_mesh(args)):
        print(f"{progress.done} of {progress.of} photos read, {progress.kept} kept", flush=True)
    for photo, reason in progress.rejected.items():
        print(f"left out: {photo}: {reason}")
    built = UserLibrary.load(args.out)
    print(", ".join(f"{label} {built.count(label)}" for label in built.labels))


def find(args: argparse.Namespace) -> None:
    words = Words.load(ASSETS / "synonyms.json", read_labels(LABELS))
    phrase = " ".join(args.phrase)
    read = words.read(phrase)
    for each in read:
        if each.action is not None:
            print(f"{each.what}  an action, intensity {each.degree:.2f} {each.action.note}".rstrip())
    for match in words.find(phrase) if any(each.action is None for each in read) else ():
        print(f"{match.label}  score {match.score:.2f}  intensity {match.degree:.2f}")


def check(args: argparse.Namespace) -> None:
    from ..judges.networks import find_judges
    from ..people import find_people
    from . import references as rendered
    from .expressions import report

    table, mesh = ExpressionLibrary.load(LABELS), face_mesh(args)
    for line in (*report(table, mesh, args.people or find_people()), *rendered.report(table, mesh, find_judges())):
        print(line, flush=True)


def render(args: argparse.Namespace) -> None:
    from ...rendering.references import render as act

    for line in act(ExpressionLibrary.authored(LABELS), face_mesh(args), args.out, args.rounds):
        print(line, flush=True)


def reenact(args: argparse.Namespace) -> None:
    from ...models import DiffSFSR
    from ...models.pictures import read_picture
    from ...rendering.reenacted import reenact as paint

    model = DiffSFSR.load(device=str(choose_device(args.device)))
    *photos, scene = (read_picture(EXAMPLES / f"example_{name}.jpg") for name in SITTING)
    for line in paint(model, "amara", photos, scene, args.out):
        print(line, flush=True)


def sheet(args: argparse.Namespace) -> None:
    from .references import contact_sheet

    drawn = contact_sheet(
        ExpressionLibrary.authored(LABELS), References.load(ASSETS / FILES[args.pictures]), args.variant
    )
    drawn.save(check_output(args.output, WRITABLE), quality=82)


def face_mesh(args: argparse.Namespace) -> FaceMesh:
    return FaceMesh.load(find_task_file()).to(choose_device(args.device))
