"""What `python cli.py library ...` does, a function for each action. Checking and rendering need more packages."""

import argparse

from ..models.checkpoint import ASSETS
from ..models.face_mesh import FaceMesh, find_task_file
from ..models.labels import read_labels
from ..models.library import ExpressionLibrary
from ..models.pictures import check_output
from ..models.references import FILE, References
from ..models.user_library import UserLibrary
from ..models.user_library import build as read_folder
from ..models.words import Words

LABELS = ASSETS / "expressions.json"


def build(args: argparse.Namespace) -> None:
    for progress in read_folder(args.folder, args.out, face_mesh()):
        print(f"{progress.done} of {progress.of} photos read, {progress.kept} kept", flush=True)
    for photo, reason in progress.rejected.items():
        print(f"left out: {photo}: {reason}")
    built = UserLibrary.load(args.out)
    print(", ".join(f"{label} {built.count(label)}" for label in built.labels))


def find(args: argparse.Namespace) -> None:
    words = Words.load(ASSETS / "synonyms.json", read_labels(LABELS))
    for match in words.find(" ".join(args.phrase)):
        print(f"{match.label}  score {match.score:.2f}  intensity {match.intensity:.2f}")


def check(args: argparse.Namespace) -> None:
    from . import references as rendered
    from .expressions import report
    from .judges import find_judges
    from .people import find_people

    table, mesh = ExpressionLibrary.load(LABELS), face_mesh()
    for line in (*report(table, mesh, args.people or find_people()), *rendered.report(table, mesh, find_judges())):
        print(line, flush=True)


def render(args: argparse.Namespace) -> None:
    from ..training.references import render as act

    for line in act(ExpressionLibrary.authored(LABELS), face_mesh(), args.out, args.rounds):
        print(line, flush=True)


def sheet(args: argparse.Namespace) -> None:
    from .references import contact_sheet

    drawn = contact_sheet(ExpressionLibrary.authored(LABELS), References.load(ASSETS / FILE), args.variant)
    drawn.save(check_output(args.output), quality=82)


def face_mesh() -> FaceMesh:
    return FaceMesh.load(find_task_file([]))
