"""Expressions by name, and files to be fetched."""

import argparse
from pathlib import Path

from .registry import Commands

ASSETS = Path(__file__).parents[1] / "assets"


def add(commands: Commands) -> None:
    sub = commands.add(
        library, "expressions: look words up, read an own library from photos, check the 135", computes=False
    )
    actions = sub.add_subparsers(dest="action", required=True)

    def action(name: str, help: str, computes: bool = True) -> argparse.ArgumentParser:
        parents = [commands.computing if computes else commands.anywhere]
        return actions.add_parser(name, help=help, parents=parents)

    sub = action("build", help="read a folder label/photo.jpg; run it again to go on, or to add photos")
    sub.add_argument("folder", type=Path)
    sub.add_argument("--out", type=Path, required=True, help="library to write, a .safetensors; a .json lies beside it")
    sub = action("find", "the labels nearest to a word or phrase, such as: a bit smug", computes=False)
    sub.add_argument("phrase", nargs="+")
    sub = action("check", help="are the 135 distinct, and do they show what they mean?")
    sub.add_argument("--people", type=Path, help="openpeople's data/curated; left out, the installed one's")
    sub = action("render", help="act the 135 on rendered heads and read them back; goes on from --out")
    sub.add_argument("--out", type=Path, default=ASSETS / "references.safetensors")
    sub.add_argument("--rounds", type=int, default=3, help="of correcting what the heads do by what is read")
    sub = action("reenact", help="paint the 135 on a person of the example pictures, by the bundled model")
    sub.add_argument("--out", type=Path, default=ASSETS / "people.safetensors")
    sub = action("sheet", "draw the pictures of the 135 on one sheet", computes=False)
    sub.add_argument(
        "--pictures", choices=("people", "references"), default="people", help="rendered heads: references"
    )
    sub.add_argument("--output", type=Path, default=Path("output/expressions.jpg"))
    sub.add_argument("--variant", type=int, default=0)

    sub = commands.add(download, "fetch face_landmarker.task (3.8 MB) from MediaPipe's servers")
    sub.add_argument("folder", type=Path, nargs="?", help="where to put it; left out, models/mediapipe of the ComfyUI "
                     "that the pack is in, else a cache folder of yours")  # fmt: skip


def library(args: argparse.Namespace) -> None:
    from ..evaluation.results import library_actions

    getattr(library_actions, args.action)(args)


def download(args: argparse.Namespace) -> None:
    from ..models.faces.task_file import download_task_file

    print(download_task_file(args.folder))
