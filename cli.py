"""Command line of the pack: python cli.py {generate,evaluate,labels,library,prepare,train,download,people,demo} ..."""

import sys

if not __package__:  # run as a script: make this folder importable as the package "diffsfsr", whatever its name is
    import importlib.util
    from pathlib import Path

    _root = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _root]
    if "diffsfsr" not in sys.modules:
        _spec = importlib.util.spec_from_file_location(
            "diffsfsr", _root / "__init__.py", submodule_search_locations=[str(_root)]
        )
        sys.modules["diffsfsr"] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules["diffsfsr"])
    __package__ = "diffsfsr"

import argparse
import json
import time
from pathlib import Path


def generate(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from .models.pictures import check_output, read_picture, write_picture

    started = time.perf_counter()
    check_output(args.output)
    photos = [read_picture(path) for path in args.identity.split(",")]
    scene = read_picture(args.background)
    from .models import DiffSFSR  # takes seconds: not before the pictures are known to be there

    model = DiffSFSR.load(args.checkpoint)
    identity = model.identity(photos)
    expression = read_expression(model, args.expression, args.intensity)
    background = model.background(scene)
    with tqdm(total=args.steps, disable=not sys.stderr.isatty()) as bar:
        pictures, _ = model.generate(
            identity, expression, background, args.steps, args.seed, args.identity_scale, args.expression_scale,
            on_step=lambda step: bar.update(),
        )  # fmt: skip
    write_picture(args.output, pictures[0], f"{model.config.name} ({args.checkpoint})")
    if args.report:
        from .evaluation.report import report_one

        report = report_one(model, pictures[0], identity, expression, background)
        print(json.dumps(report | {"seconds": round(time.perf_counter() - started, 2)}))


def read_expression(model, source: str, intensity: float):
    """A label, a picture, or a .json with blendshape names and values (differences from neutral)."""
    import torch

    from .models.codes import Expression
    from .models.face_mesh import BLENDSHAPES
    from .models.pictures import read_picture

    path = Path(source)
    if path.suffix.lower() != ".json":
        return model.expression(read_picture(path) if path.suffix else source, intensity=intensity)
    if not path.is_file():
        raise FileNotFoundError(f"no expression file {path}; check the path")
    wanted = 'want an object of blendshapes and their differences from neutral, -1 to 1, such as {"jawOpen": 0.4}'
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        wrong = [name for name, value in values.items() if name not in BLENDSHAPES or not -1 <= value <= 1]
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"cannot use {path.name}: {error}; {wanted}") from error
    if wrong:
        raise ValueError(f"{path.name} has {', '.join(wrong)}; {wanted}")
    code = torch.tensor([[float(values.get(name, 0)) for name in BLENDSHAPES]])
    return Expression(code * intensity, path.stem)


def labels(args: argparse.Namespace) -> None:
    from .models.checkpoint import ASSETS
    from .models.labels import read_labels

    print("\n".join(read_labels(ASSETS / "expressions.json")))


def library(args: argparse.Namespace) -> None:
    {"build": _library_build, "find": _library_find, "check": _library_check}[args.action](args)


def _library_build(args: argparse.Namespace) -> None:
    from .models.face_mesh import FaceMesh, find_task_file
    from .models.user_library import UserLibrary, build

    for progress in build(args.folder, args.out, FaceMesh.load(find_task_file([]))):
        print(f"{progress.done} of {progress.of} photos read, {progress.kept} kept", flush=True)
    for photo, reason in progress.rejected.items():
        print(f"left out: {photo}: {reason}")
    built = UserLibrary.load(args.out)
    print(", ".join(f"{label} {built.count(label)}" for label in built.labels))


def _library_find(args: argparse.Namespace) -> None:
    from .models.checkpoint import ASSETS
    from .models.labels import read_labels
    from .models.words import Words

    words = Words.load(ASSETS / "synonyms.json", read_labels(ASSETS / "expressions.json"))
    for match in words.find(" ".join(args.phrase)):
        print(f"{match.label}  score {match.score:.2f}  intensity {match.intensity:.2f}")


def _library_check(args: argparse.Namespace) -> None:
    from .evaluation.expressions import report
    from .evaluation.people import find_people
    from .models.checkpoint import ASSETS
    from .models.face_mesh import FaceMesh, find_task_file
    from .models.library import ExpressionLibrary

    table = ExpressionLibrary.load(ASSETS / "expressions.json")
    for line in report(table, FaceMesh.load(find_task_file([])), args.people or find_people()):
        print(line, flush=True)


def prepare(args: argparse.Namespace) -> None:
    from .models.face_mesh import FaceMesh, find_task_file
    from .training.prepare import prepare

    for progress in prepare(args.photos, args.out, FaceMesh.load(find_task_file([])), args.frame):
        print(f"{progress.done} photos read, {progress.kept} kept, {progress.rejected} rejected", flush=True)


def train(args: argparse.Namespace) -> None:
    from .training import runs

    {
        "recogniser": runs.recogniser,
        "autoencoder": runs.autoencoder,
        "decoder": runs.decoder,
        "denoiser": runs.denoiser,
    }[args.part](args)


def download(args: argparse.Namespace) -> None:
    from .models.face_mesh import download_task_file

    print(download_task_file(args.folder))


def evaluate(args: argparse.Namespace) -> None:
    from .evaluation import evaluate as evaluation
    from .evaluation.judges import find_judges
    from .models import DiffSFSR

    rows = evaluation.triples(args.identities, args.expressions, args.backgrounds, args.pairs, args.limit, args.seed)
    model, judges = DiffSFSR.load(args.checkpoint), find_judges()
    items = []
    for item in evaluation.evaluate(
        model, rows, args.identities, args.expressions, args.backgrounds, args.out, args.seed, judges
    ):
        items.append(item)
        print(f"{len(items)} of {len(rows)}", end="\r", file=sys.stderr, flush=True)
    settings = {key: str(value) for key, value in vars(args).items() if key != "run"}
    evaluation.write_reports(args.out, settings, items, judges)
    print((args.out / "report.md").read_text())


def people(args: argparse.Namespace) -> None:
    from .evaluation.people import lay_out

    print(f"{lay_out(args.folder)} pairs of synthetic people in {args.folder}")


def demo(args: argparse.Namespace) -> None:
    from .evaluation.demo import run_demo

    run_demo(args.comfyui, args.output)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="cli.py", description="DiffSFSR: identity, expression and background of a face.")
    commands = top.add_subparsers(dest="command", required=True)

    def command(run, help):
        sub = commands.add_parser(run.__name__, help=help)
        sub.set_defaults(run=run)
        return sub

    sub = command(generate, "draw a portrait")
    sub.add_argument("--identity", required=True, help="photo of the person, or several of them, separated by commas")
    sub.add_argument("--expression", required=True, help="one of the 135 labels, a photo, or a .json of blendshapes")
    sub.add_argument("--background", required=True, help="picture with a face: gives pose, hair, clothes, surroundings")
    sub.add_argument("--output", required=True, type=Path, help="picture to write")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--steps", type=int, default=20)
    sub.add_argument("--intensity", type=float, default=1.0, help="0 is exactly neutral, up to 1.5")
    sub.add_argument("--identity-scale", type=float, default=2.0, help="guidance towards the identity")
    sub.add_argument("--expression-scale", type=float, default=2.0, help="guidance towards the expression")
    sub.add_argument("--checkpoint", default="mini", help='"mini" (bundled) or a .safetensors file')
    sub.add_argument("--report", action="store_true", help="print one line of JSON with how well it went")

    sub = command(evaluate, "draw and measure many portraits")
    sub.add_argument("--identities", type=Path, required=True, help="folder of photos, one a person")
    sub.add_argument("--expressions", required=True, help='folder of photos, or "labels"')
    sub.add_argument("--backgrounds", type=Path, required=True, help="folder of pictures with a face")
    sub.add_argument("--out", type=Path, required=True)
    sub.add_argument("--pairs", type=Path, help="CSV with the columns identity, expression, background")
    sub.add_argument("--limit", type=int, help="at most so many results")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--checkpoint", default="mini")

    command(labels, "print the 135 labels")

    actions = command(
        library, "expressions: look words up, read an own library from photos, check the 135"
    ).add_subparsers(dest="action", required=True)
    sub = actions.add_parser("build", help="read a folder label/photo.jpg; run it again to go on, or to add photos")
    sub.add_argument("folder", type=Path)
    sub.add_argument("--out", type=Path, required=True, help="library to write, a .safetensors; a .json lies beside it")
    sub = actions.add_parser("find", help="the labels nearest to a word or phrase, such as: a bit smug")
    sub.add_argument("phrase", nargs="+")
    sub = actions.add_parser("check", help="distances between the labels, and how acted faces are named by them")
    sub.add_argument("--people", type=Path, help="openpeople's data/curated; left out, the installed one's")

    sub = command(prepare, "read photos into shards for training")
    sub.add_argument("photos", type=Path, help="folder or .zip, one folder a person")
    sub.add_argument("--out", type=Path, required=True)
    sub.add_argument("--frame", default="mini-128")

    sub = command(train, "train a part; run the same command again to go on where it stopped")
    sub.add_argument("part", choices=("recogniser", "autoencoder", "decoder", "denoiser"))
    sub.add_argument("--data", type=Path, required=True, nargs="+", help="prepared folders")
    sub.add_argument("--out", type=Path, required=True, help="folder for the state, the curve and the weights")
    sub.add_argument("--steps", type=int, help="steps in all")
    sub.add_argument("--batch", type=int)
    sub.add_argument("--rate", type=float, help="peak learning rate")
    sub.add_argument("--minutes", type=float, default=float("inf"), help="stop, with the state saved, after this time")
    sub.add_argument("--teacher", type=Path, help="recogniser: a .tflite face recogniser, 112 px in")
    sub.add_argument("--autoencoder", type=Path, help="decoder, denoiser: what `train autoencoder` wrote")
    sub.add_argument("--recogniser", type=Path, nargs="+", help="decoder, denoiser: what `train recogniser` wrote")
    sub.add_argument("--losses", action="store_true", help="denoiser: identity and expression losses as well")
    sub.add_argument("--compile", action="store_true", help="faster steps after minutes of compilation")

    sub = command(download, "fetch face_landmarker.task (3.8 MB) from MediaPipe's servers")
    sub.add_argument("folder", type=Path, help="where to put it, such as ComfyUI/models/mediapipe")

    sub = command(people, "lay out openpeople's synthetic people for `evaluate`")
    sub.add_argument("folder", type=Path)

    sub = command(demo, "run the portrait workflow on a real ComfyUI and draw a contact sheet")
    sub.add_argument("--comfyui", type=Path, required=True, help="folder of ComfyUI")
    sub.add_argument("--output", type=Path, default=Path("output/demo.png"))
    return top


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 with one line on stderr where the input is at fault."""
    args = parser().parse_args(arguments)
    try:
        args.run(args)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
