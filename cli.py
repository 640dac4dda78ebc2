"""Command line of the pack: python cli.py {generate,evaluate,verify,labels,library,prepare,train,download,...} ..."""

import sys

if not __package__:  # run as a script: make this folder importable as the package "diffsfsr", whatever its name is
    import importlib.util
    from pathlib import Path

    _root = Path(__file__).absolute().parent  # symbolic links as they are: they say in which ComfyUI the pack is
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _root.resolve()]
    if "diffsfsr" not in sys.modules:
        _spec = importlib.util.spec_from_file_location(
            "diffsfsr", _root / "__init__.py", submodule_search_locations=[str(_root)]
        )
        sys.modules["diffsfsr"] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules["diffsfsr"])
    __package__ = "diffsfsr"

import argparse
import csv
import json
import os
import time
import zipfile
from pathlib import Path


def generate(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from .models.pictures import check_output, read_picture, to_pil, write_picture

    started = time.perf_counter()
    check_output(args.output)
    photos = [read_picture(path) for path in args.identity.split(",")]
    scene = read_picture(args.background)
    from .models import DiffSFSR  # takes seconds: not before the pictures are known to be there
    from .models.faces.choice import PASS_THROUGH, STOP, NoFace

    pack = args.insightface_pack
    packs = [pack.parent] if pack else []
    model = DiffSFSR.load(args.checkpoint, device=device_of(args), packs=packs, pack=pack and pack.name)
    identity = model.identity(photos, without_face=args.without_face)
    expression = read_expression(model, args.expression, args.intensity)
    try:
        background = model.background(scene, args.face)
    except NoFace as error:
        if args.without_face == STOP:
            raise
        print(f"nothing is drawn: {error}", file=sys.stderr)
        if args.without_face == PASS_THROUGH:
            to_pil(scene).save(args.output)
        return
    with tqdm(total=args.steps, disable=not sys.stderr.isatty()) as bar:
        pictures, _ = model.generate(
            identity, expression, background, args.steps, args.seed, args.identity_scale, args.expression_scale,
            on_step=lambda step: bar.update(),
        )  # fmt: skip
    write_picture(args.output, pictures[0], f"{model.config.name} ({Path(args.checkpoint).name})")
    if args.report:
        from .evaluation.results.report import report_one

        report = report_one(model, pictures[0], identity, expression, background)
        print(json.dumps(report | {"seconds": round(time.perf_counter() - started, 2)}))


def device_of(args: argparse.Namespace):
    """The torch.device that --device names."""
    from .models.network.device import choose_device

    return choose_device(args.device)


def read_expression(model, source: str, intensity: float):
    """A label, a picture, or a file with an expression: a .safetensors, or a .json of blendshapes by name."""
    from .models.expression.edit import scale
    from .models.expression.file import load_expression
    from .models.pictures import read_picture

    path = Path(source)
    if path.suffix.lower() not in (".json", ".safetensors"):
        return model.expression(read_picture(path) if path.suffix else source, intensity=intensity)
    if not path.is_file():
        raise FileNotFoundError(f"no expression file {path}; check the path")
    return scale(load_expression(path), intensity)


def labels(args: argparse.Namespace) -> None:
    from .models.expression.labels import read_labels
    from .models.network.checkpoint import ASSETS

    print("\n".join(read_labels(ASSETS / "expressions.json")))


def library(args: argparse.Namespace) -> None:
    from .evaluation.results import library_actions

    getattr(library_actions, args.action)(args)


def prepare(args: argparse.Namespace) -> None:
    from .models.faces.mesh import FaceMesh
    from .models.faces.task_file import find_task_file
    from .training.data.prepare import prepare
    from .training.progress import follow

    mesh = FaceMesh.load(find_task_file()).to(device_of(args))
    print(follow(prepare(args.photos, args.out, mesh, args.frame), "photos read"))


def render(args: argparse.Namespace) -> None:
    from .rendering.render import render
    from .rendering.renderer import open_context
    from .training.progress import follow

    open_context().release()  # here, where what is missing is told in one line, not in each process
    how = args.seed, args.processes, args.frame, device_of(args)
    print(follow(render(args.out, args.count, *how), "pictures drawn"))


def train(args: argparse.Namespace) -> None:
    if args.part == "shape":
        from .training.shape import shape

        return shape(args.data, args.out, device_of(args))
    from .training.run import Run

    run = Run(args.part, tuple(args.data), args.out, args.minutes, args.save_every, args.device)
    run.go(args.settings(args))


def download(args: argparse.Namespace) -> None:
    from .models.faces.task_file import download_task_file

    print(download_task_file(args.folder))


def evaluate(args: argparse.Namespace) -> None:
    from .evaluation.judges.networks import find_judges
    from .evaluation.results import evaluate as evaluation
    from .models import DiffSFSR
    from .training.progress import shown

    given = args.identities, args.expressions, args.backgrounds
    rows = evaluation.triples(*given, args.pairs, args.limit, args.seed)
    model, judges = DiffSFSR.load(args.checkpoint, device=device_of(args)), find_judges()
    items = list(shown(evaluation.evaluate(model, rows, *given, args.out, args.seed, judges), "results", len(rows)))
    settings = {key: Path(str(value)).name for key, value in vars(args).items() if key != "run"}  # without folders
    evaluation.write_reports(args.out, settings, items, judges)
    print((args.out / "report.md").read_text())


def verify(args: argparse.Namespace) -> None:
    from .evaluation.results.recognition import compare_recognisers

    chosen = args.recognisers, args.shares, args.fit, args.teacher
    found = compare_recognisers(args.data, *chosen, args.people, device_of(args))
    if args.out:
        found.write(args.out)
    print(found.markdown())


def reconstruct(args: argparse.Namespace) -> None:
    from .evaluation.judges.networks import find_judges
    from .evaluation.results.reconstruction import measure
    from .models import DiffSFSR

    model = DiffSFSR.load(args.checkpoint, device=device_of(args))
    print(measure(model, args.data, find_judges(), args.limit).markdown())


def nearest(args: argparse.Namespace) -> None:
    from .evaluation.judges.networks import Judges
    from .evaluation.results import nearest
    from .models.faces.mesh import FaceMesh
    from .models.faces.task_file import find_task_file

    judges, mesh = Judges.load(), FaceMesh.load(find_task_file()).to(device_of(args))
    trained = nearest.training_faces(args.data, judges)
    print(nearest.table(list(nearest.nearest(nearest.pictures_in(args.pictures), *trained, mesh, judges))))


def estimates(args: argparse.Namespace) -> None:
    from .training.denoiser.estimates import measure, report

    print(report(measure(args.checkpoint, args.data, args.limit, args.seed, device_of(args)), args.out))


def shapes(args: argparse.Namespace) -> None:
    from .evaluation.results.shape import table
    from .models import DiffSFSR

    for line in table(DiffSFSR.load(args.checkpoint, device=device_of(args)).encoders, args.people):
        print(line, flush=True)


def cost(args: argparse.Namespace) -> None:
    from .training.denoiser.cost import count

    print(count(args.frame, args.batch, args.lora, args.checkpointing, args.losses, args.estimate).table())


def people(args: argparse.Namespace) -> None:
    from .evaluation.people import lay_out

    print(f"{lay_out(args.folder, args.photos, device_of(args))} triples in {args.folder}")


def benchmark(args: argparse.Namespace) -> None:
    from .evaluation.host import benchmark
    from .evaluation.results import encoder_times

    if args.what == "encoders":
        encoder_times.run()
    else:
        benchmark.run_benchmark(args.comfyui, args.what, args.count, args.steps)


def demo(args: argparse.Namespace) -> None:
    from .evaluation.host.demo import run_demo

    run_demo(args.comfyui, args.output)


def parser() -> argparse.ArgumentParser:
    from .training.settings import add_parts

    top = argparse.ArgumentParser(prog="cli.py", description="DiffSFSR: identity, expression and background of a face.")
    top.add_argument("--task-file", type=Path, metavar="FILE", help="face_landmarker.task, if it lies where `download` "
                     "does not put it; DIFFSFSR_TASK_FILE says the same")  # fmt: skip
    commands = top.add_subparsers(dest="command", required=True)

    anywhere = argparse.ArgumentParser(add_help=False)  # the option may also come after a command
    anywhere.add_argument("--task-file", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    computing = argparse.ArgumentParser(add_help=False, parents=[anywhere])
    computing.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where the "
                           "networks run; auto: on a GPU where there is one")  # fmt: skip

    def command(run, help, options=computing):
        sub = commands.add_parser(run.__name__, help=help, parents=[options])
        sub.set_defaults(run=run)
        return sub

    sub = command(generate, "draw a portrait")
    sub.add_argument("--identity", required=True, help="photo of the person, or several of them, separated by commas")
    sub.add_argument("--expression", required=True, help="one of the 135 labels, a photo, or a file of blendshapes")
    sub.add_argument("--background", required=True, help="picture with a face: gives pose, hair, clothes, surroundings")
    sub.add_argument("--output", required=True, type=Path, help="picture to write")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--steps", type=int, default=20)
    sub.add_argument("--intensity", type=float, default=1.0, help="0 is exactly neutral, up to 1.5")
    sub.add_argument("--identity-scale", type=float, default=2.0, help="guidance towards the identity")
    sub.add_argument("--expression-scale", type=float, default=2.0, help="guidance towards the expression")
    sub.add_argument("--checkpoint", default="mini", help='"mini" (bundled) or a .safetensors file')
    sub.add_argument(
        "--face", default="largest", help='of the background: largest, centre, all, 0, 1, "0 by size", ...'
    )
    sub.add_argument("--without-face", default="stop", choices=("stop", "skip", "pass through"), help="identity photos "
                     "without a face: error, or left out; background: error, no file, or as it is")  # fmt: skip
    sub.add_argument("--insightface-pack", type=Path, help="folder of a pack whose detector is to find the faces, or "
                     "whose recogniser the checkpoint was trained with")  # fmt: skip
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

    sub = command(verify, "tell test people apart: verification, retrieval, drift with expression, by recogniser")
    sub.add_argument("--data", type=Path, required=True, nargs="+", help="all prepared folders that were trained on")
    sub.add_argument("--recognisers", type=Path, nargs="+", help="files, or insightface packs; left out, the bundled")
    sub.add_argument("--shares", type=float, nargs="+", help="of each in the compound's cosine; left out, equal ones")
    sub.add_argument("--fit", action="store_true", help="choose the shares on the training people")
    sub.add_argument("--teacher", type=Path, nargs="+", default=[], help="more to show, .tflite or other")
    sub.add_argument("--people", type=Path, help="openpeople's data/curated; left out, the installed one's")
    sub.add_argument("--out", type=Path, help="folder for verification.json and verification.md")

    command(labels, "print the 135 labels", anywhere)

    actions = command(
        library, "expressions: look words up, read an own library from photos, check the 135", anywhere
    ).add_subparsers(dest="action", required=True)

    def action(name, help, options=computing):
        return actions.add_parser(name, help=help, parents=[options])

    sub = action("build", help="read a folder label/photo.jpg; run it again to go on, or to add photos")
    sub.add_argument("folder", type=Path)
    sub.add_argument("--out", type=Path, required=True, help="library to write, a .safetensors; a .json lies beside it")
    sub = action("find", "the labels nearest to a word or phrase, such as: a bit smug", anywhere)
    sub.add_argument("phrase", nargs="+")
    sub = action("check", help="are the 135 distinct, and do they show what they mean?")
    sub.add_argument("--people", type=Path, help="openpeople's data/curated; left out, the installed one's")
    sub = action("render", help="act the 135 on rendered heads and read them back; goes on from --out")
    sub.add_argument("--out", type=Path, default=Path(__file__).parent / "assets" / "references.safetensors")
    sub.add_argument("--rounds", type=int, default=3, help="of correcting what the heads do by what is read")
    sub = action("sheet", "draw the rendered references of the 135 on one sheet", anywhere)
    sub.add_argument("--output", type=Path, default=Path("output/expressions.jpg"))
    sub.add_argument("--variant", type=int, default=0)

    sub = command(prepare, "read photos into shards for training")
    sub.add_argument("photos", type=Path, help="folder or .zip, one folder a person")
    sub.add_argument("--out", type=Path, required=True)
    sub.add_argument("--frame", default="mini-128", help="mini-128, ffhq-256 or ffhq-512: what is to be trained for")

    sub = command(render, "draw synthetic heads with true answers into shards for training; run it again to go on")
    sub.add_argument("--out", type=Path, required=True)
    sub.add_argument("--count", type=int, required=True, help="pictures, rounded up to whole groups of 12")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--processes", type=int, default=1, help="that draw at the same time, one a core")
    sub.add_argument("--frame", default="mini-128", help="mini-128, ffhq-256 or ffhq-512, as the photos have it")

    sub = command(train, "train a part; run the same command again to go on where it stopped", anywhere)
    add_parts(sub.add_subparsers(dest="part", required=True), [computing])

    sub = command(reconstruct, "what the autoencoder alone loses, on test people's photos")
    sub.add_argument("--checkpoint", default="mini")
    sub.add_argument("--data", type=Path, required=True, nargs="+", help="all prepared folders that were trained on")
    sub.add_argument("--limit", type=int, default=256, help="photos, about")

    sub = command(nearest, "the nearest training photo to each face in pictures, by the judge")
    sub.add_argument("pictures", type=Path, nargs="+", help="pictures, or folders of them")
    sub.add_argument("--data", type=Path, required=True, nargs="+", help="all prepared folders that were trained on")

    sub = command(estimates, "error of the estimates of z_0 on test people, by range of t")
    sub.add_argument("--checkpoint", type=Path, required=True, help="with a run's state.pt beside it, raw weights too")
    sub.add_argument("--data", type=Path, required=True, nargs="+", help="all prepared folders that were trained on")
    sub.add_argument("--limit", type=int, default=256, help="photos")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--out", type=Path, help="CSV to which rows are added")

    sub = command(shapes, "do moved meshes lie, read and hold as they should? on synthetic people, without a picture")
    sub.add_argument("--checkpoint", default="mini", help="whose neutral the labels' codes are added to")
    sub.add_argument("--people", type=Path, help="openpeople's data/curated; left out, the installed one's")

    sub = command(cost, "count what a step of training the sd15 size takes, without taking it", anywhere)
    sub.add_argument("--frame", default="ffhq-512", choices=("ffhq-256", "ffhq-512"))
    sub.add_argument("--batch", type=int, default=8)
    sub.add_argument("--lora", type=int, default=0, metavar="RANK")
    sub.add_argument("--checkpointing", action="store_true")
    sub.add_argument("--losses", default="none", choices=("none", "latent", "decoded"))
    sub.add_argument("--estimate", default="improved", choices=("improved", "midpoint", "one-step"))

    sub = command(download, "fetch face_landmarker.task (3.8 MB) from MediaPipe's servers")
    sub.add_argument("folder", type=Path, nargs="?", help="where to put it; left out, models/mediapipe of the ComfyUI "
                     "that the pack is in, else a cache folder of yours")  # fmt: skip

    sub = command(people, "lay out openpeople's synthetic people, or the test people of photos, for `evaluate`")
    sub.add_argument("folder", type=Path)
    sub.add_argument("--photos", type=Path, nargs="+", help="the folders or .zip files that were prepared for training")

    sub = command(benchmark, "memory and time of the pack on a real ComfyUI, or of its encoders alone")
    sub.add_argument("what", choices=("memory", "video", "sampler", "encoders"))
    sub.add_argument("--comfyui", type=Path, help="folder of ComfyUI (COMFYUI, else .comfyui/ComfyUI)")
    sub.add_argument("--count", type=int, help="runs (200), frames (300) or rounds (7)")
    sub.add_argument("--steps", type=int, default=4)

    sub = command(demo, "run the portrait workflow on a real ComfyUI and draw a contact sheet")
    sub.add_argument("--comfyui", type=Path, required=True, help="folder of ComfyUI")
    sub.add_argument("--output", type=Path, default=Path("output/demo.png"))
    return top


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0; 2 with one line on stderr where input or machine is at fault; 130 if stopped."""
    args, unknown = parser().parse_known_args(arguments)
    if unknown:
        what = " ".join(filter(None, (args.command, getattr(args, "action", ""), getattr(args, "part", ""))))
        print(f"error: `{what}` takes no {unknown[0]}; see `python cli.py {what} --help`", file=sys.stderr)
        return 2
    if args.task_file:
        from .models.faces.task_file import VARIABLE

        os.environ[VARIABLE] = str(args.task_file)  # which the processes that a command starts see as well
    try:
        args.run(args)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception as error:
        if not at_fault(error):
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def at_fault(error: Exception) -> bool:
    """Whether the input or the machine is, and a line says all there is to say; else it is this program."""
    lazy = type(error).__name__ in ("OutOfMemoryError", "SafetensorError")  # torch's, safetensors': maybe not imported
    return lazy or isinstance(error, ValueError | OSError | ImportError | MemoryError | zipfile.BadZipFile | csv.Error)


if __name__ == "__main__":
    sys.exit(main())
