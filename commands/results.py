"""What comes out: portraits by the hundred, measured; recognisers, meshes, memory and time."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from .finishing import add_finishing, wish_of
from .registry import Commands, device_of

if TYPE_CHECKING:
    from ..evaluation.results.cases import Cast


def add(commands: Commands) -> None:
    sub = commands.add(evaluate, "draw and measure many portraits; run it again to go on where it stopped")
    sub.add_argument("--identities", type=Path, required=True, help="folder of photos, one a person")
    sub.add_argument("--expressions", required=True, help='folder of photos, or "labels"')
    sub.add_argument("--backgrounds", type=Path, required=True, help="folder of pictures with a face")
    sub.add_argument("--out", type=Path, required=True)
    sub.add_argument("--pairs", type=Path, help="CSV with the columns identity, expression, background")
    sub.add_argument("--limit", type=int, help="at most so many results")
    sub.add_argument("--part", type=part_of, default=(1, 1), metavar="I/N", help="only the I-th of N parts, to "
                     "share the work; a run without it on the same folder writes the tables")  # fmt: skip
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--beside", nargs="*", choices=("painter", "warp", "classical"), default=["painter"], help="what "
                     "draws every row as well: the painter alone, the photo's pixels without it, a classical swap "
                     "(OpenCV); more can be added to results that are there")  # fmt: skip
    sub.add_argument("--results", type=Path, nargs="+", default=[], metavar="DIR", help="folders of pictures that "
                     "something else made of the rows, named as those in OUT/results: a column each")  # fmt: skip
    add_finishing(sub)
    sub.add_argument("--checkpoint", default="mini")

    sub = commands.add(curves, "how results follow settings, and what parts are for; run it again to go on")
    sub.add_argument("names", nargs="*", metavar="NAME", help="steps, scales, finishing, photos, sizes, angles, or, "
                     "with a part left out, identities, expressions, backgrounds; all where none is named")  # fmt: skip
    sub.add_argument("--out", type=Path, default=Path("output/curves"))
    sub.add_argument("--people", type=int, default=5, help="of openpeople, two results each in every setting")
    sub.add_argument("--part", type=part_of, default=(1, 1), metavar="I/N", help="of N parts of the cases the I-th")

    sub = commands.add(trainings, "what networks paint that were trained in different ways; run it again to go on")
    sub.add_argument("checkpoints", type=Path, nargs="+", metavar="RUN/mini.safetensors", help="what `train denoiser` "
                     "wrote; the table has the names of the folders")  # fmt: skip
    sub.add_argument("--out", type=Path, default=Path("output/curves"), help="folder for what is measured")
    sub.add_argument("--name", default="trainings", help="of the table, NAME.csv there (trainings)")
    sub.add_argument("--people", type=int, default=10, help="of openpeople, four results each of every run")

    sub = commands.add(hard, "twelve pairs that are hard on purpose, of synthetic people: a sheet, and what judges say")
    sub.add_argument("--out", type=Path, default=Path("output/hard"))

    sub = commands.add(sheets, "what people really bring, kind by kind: sheets, and what judges say")
    sub.add_argument("kinds", nargs="*", metavar="KIND", help="turned, cut, covered, dark, grey, coloured, poor; all "
                     "where none is named")  # fmt: skip
    sub.add_argument("--out", type=Path, default=Path("output/sheets"))

    sub = commands.add(page, "write docs/results.md and the pages beside it anew", computes=False)
    sub.add_argument("--openpeople", type=Path, metavar="DIR", help="what `evaluate` wrote of openpeople: take its "
                     "numbers, and draw the pictures")  # fmt: skip
    sub.add_argument("--take", nargs="+", default=[], metavar="NAME=DIR", help="likewise, without pictures: "
                     "kept=output/evaluation_kept")  # fmt: skip
    sub.add_argument("--curves", type=Path, metavar="DIR", help="what `curves` wrote")
    sub.add_argument("--hard", type=Path, metavar="DIR", help="what `hard` wrote")

    sub = commands.add(verify, "tell test people apart: verification, retrieval, drift with expression, by recogniser")
    sub.add_argument("--data", type=Path, required=True, nargs="+", help="prepared folders, for their test people")
    sub.add_argument("--recognisers", type=Path, nargs="+", help="files, or insightface packs; left out, the bundled")
    sub.add_argument("--shares", type=float, nargs="+", help="of each in the compound's cosine; left out, equal ones")
    sub.add_argument("--fit", action="store_true", help="choose the shares on the training people")
    sub.add_argument("--teacher", type=Path, nargs="+", default=[], help="more to show, .tflite or other")
    sub.add_argument("--people", type=Path, help="openpeople's data/curated; left out, the installed one's")
    sub.add_argument("--out", type=Path, help="folder for verification.json and verification.md")

    sub = commands.add(reconstruct, "what the autoencoder alone loses, on test people's photos")
    sub.add_argument("--checkpoint", default="mini")
    sub.add_argument("--data", type=Path, required=True, nargs="+", help="prepared folders, for their test people")
    sub.add_argument("--limit", type=int, default=256, help="photos, about")

    sub = commands.add(realism, "how far pictures are from photographs, by CLIP's features", computes=False)
    sub.add_argument("results", type=Path, nargs="+", help="folders of pictures with a face")
    sub.add_argument("--real", type=Path, required=True, help="folder of photographs to compare with")

    sub = commands.add(limits, "what photos of the same people reach, and what is read of heads that do not move")
    sub.add_argument("--people", type=int, default=10, help="of openpeople, and as many heads drawn by chance")

    sub = commands.add(truth, "two photos of each test person, one given the other's expression, against the other")
    sub.add_argument("--portraits", type=Path, required=True, help="a folder or .zip of photos, one folder a person")
    sub.add_argument("--checkpoint", default="mini")

    sub = commands.add(nearest, "the nearest training photo to each face in pictures, by the judge")
    sub.add_argument("pictures", type=Path, nargs="+", help="pictures, or folders of them")
    sub.add_argument("--data", type=Path, required=True, nargs="+", help="all prepared folders that were trained on")

    sub = commands.add(
        shapes, "do moved meshes lie, read and hold as they should? on synthetic people, without a picture"
    )
    sub.add_argument("--checkpoint", default="mini", help="whose neutral the labels' codes are added to")
    sub.add_argument("--people", type=Path, help="openpeople's data/curated; left out, the installed one's")

    sub = commands.add(people, "lay out openpeople's synthetic people, or the test people of photos, for `evaluate`")
    sub.add_argument("folder", type=Path)
    source = sub.add_mutually_exclusive_group()
    source.add_argument(
        "--photos", type=Path, nargs="+", help="the folders or .zip files that were prepared for training"
    )
    source.add_argument("--portraits", type=Path, help="a folder or .zip of portraits: thirty of those kept back")

    sub = commands.add(
        benchmark,
        "memory and time of the pack on a real ComfyUI; alone: time of its encoders, or of a portrait; "
        "people who cross in a video; heads turned to the side",
    )
    sub.add_argument("what", choices=("memory", "video", "sampler", "encoders", "portrait", "crossing", "profiles"))
    sub.add_argument("--comfyui", type=Path, help="folder of ComfyUI (COMFYUI, else .comfyui/ComfyUI)")
    sub.add_argument("--count", type=int, help="runs (200), frames (300) or rounds (7; of a portrait 3)")
    sub.add_argument("--steps", type=int, default=4)

    sub = commands.add(demo, "run the portrait workflow on a real ComfyUI and draw a contact sheet")
    sub.add_argument("--comfyui", type=Path, required=True, help="folder of ComfyUI")
    sub.add_argument("--output", type=Path, default=Path("output/demo.png"))


def part_of(text: str) -> tuple[int, int]:
    """ "2/4" -> (2, 4)"""
    try:
        i, n = map(int, text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, want I/N, such as 2/4") from None
    return i, n


def evaluate(args: argparse.Namespace) -> None:
    from ..evaluation.judges.clip import find_clip
    from ..evaluation.judges.networks import find_judges
    from ..evaluation.results import evaluate as evaluation
    from ..evaluation.results.fingerprint import fingerprint
    from ..evaluation.results.tables import write_reports
    from ..models import DiffSFSR
    from ..training.progress import shown

    given, wish = (args.identities, args.expressions, args.backgrounds), wish_of(args)
    rows = evaluation.triples(*given, args.pairs, args.limit, args.seed)
    model, judges = DiffSFSR.load(args.checkpoint, device=device_of(args)), find_judges()
    others = {folder.name: folder for folder in args.results}
    evaluation.check_given(others, rows)
    how = args.seed, judges, wish, args.painter == "model", args.part, args.beside, others, find_clip()
    count = len(evaluation.in_part(rows, args.part))
    items = list(shown(evaluation.evaluate(model, rows, *given, args.out, *how), "results", count))
    if args.part[1] > 1:
        print(f"{count} of {len(rows)} rows are in {args.out}; run it without --part for the tables")
        return
    settings = {key: Path(str(value)).name for key, value in vars(args).items() if key not in ("run", "part")}
    write_reports(args.out, settings, items, judges, fingerprint(args.checkpoint))
    print((args.out / "report.md").read_text())


def curves(args: argparse.Namespace) -> None:
    from ..evaluation.results import curves
    from ..evaluation.results.ablations import ABLATIONS
    from ..evaluation.results.fingerprint import fingerprint

    known = curves.WAYS | ABLATIONS
    names, cast = _some_of(known, args.names), _cast(args)
    for name in names:
        items = curves.measure(cast, name, known[name], args.out, args.people, args.part)
        curves.write(args.out, name, items, fingerprint(retouched=name in curves.WAYS))
        means = curves.summarise(items)
        print("\n".join(["", f"{name}: {known[name].title}", *curves.table(means), curves.choice(known[name], means)]))


def trainings(args: argparse.Namespace) -> None:
    from ..evaluation.judges.networks import Judges
    from ..evaluation.results import trainings
    from ..evaluation.results.fingerprint import fingerprint
    from ..evaluation.results.tables import write_means

    items = trainings.measure(args.checkpoints, Judges.load(), args.out, args.people)
    means = trainings.summarise(items)
    runs = len(args.checkpoints)
    note = f"{fingerprint(retouched=False)}; {len(items) // runs} cases a run"
    write_means(args.out / f"{args.name}.csv", means, note)
    print("\n".join(trainings.table(means)))


def hard(args: argparse.Namespace) -> None:
    from ..evaluation.results.fingerprint import fingerprint
    from ..evaluation.results.hard import draw

    for line in draw(_cast(args), args.out, fingerprint(retouched=True)):
        print(line)
    print(f"the sheet and each whole picture are in {args.out}")


def sheets(args: argparse.Namespace) -> None:
    from ..evaluation.results.brought import KINDS
    from ..evaluation.results.fingerprint import fingerprint
    from ..evaluation.results.hard import draw

    kinds, cast = _some_of(KINDS, args.kinds), _cast(args)
    for kind in kinds:
        print(f"\n{kind}: {args.out / kind / 'sheet.jpg'}")
        for line in draw(cast, args.out / kind, fingerprint(retouched=True), KINDS[kind]):
            print(line, flush=True)


def _cast(args: argparse.Namespace) -> Cast:
    """The bundled model and all judges, on the device that is asked for."""
    from ..evaluation.judges.networks import Judges
    from ..evaluation.results.cases import Cast
    from ..models import DiffSFSR

    return Cast(DiffSFSR.load("mini", device=device_of(args)), Judges.load())


def _some_of(known: Collection[str], names: list[str]) -> Collection[str]:
    """Those that are named, all where none is; ValueError for others."""
    if unknown := set(names) - set(known):
        raise ValueError(f"got {', '.join(sorted(unknown))}, want some of {', '.join(known)}")
    return names or known


def page(args: argparse.Namespace) -> None:
    from ..evaluation.results import page as pages

    sources = [name.partition("=") for name in args.take]
    if wrong := ["".join(parts) for parts in sources if not (parts[0] and parts[2])]:
        raise ValueError(f"got --take {wrong[0]}, want NAME=DIR, such as kept=output/evaluation_kept")
    sources = {name: Path(folder) / "report.csv" for name, _, folder in sources}
    if args.openpeople:
        sources["openpeople"] = args.openpeople / "report.csv"
    if args.hard:
        sources["hard"] = args.hard / "report.csv"
        pages.take_sheet(args.hard / "sheet.jpg", "hard")
    if args.curves:
        sources |= {f"curves/{path.stem}": path for path in sorted(args.curves.glob("*.csv"))}
    for name, source in sources.items():
        pages.take(source, name)
    if args.openpeople:
        from ..evaluation.results.pictures import draw

        draw(args.openpeople)
    print("changed: " + (", ".join(pages.renew()) or "nothing"))


def verify(args: argparse.Namespace) -> None:
    from ..evaluation.results.recognition import compare_recognisers

    chosen = args.recognisers, args.shares, args.fit, args.teacher
    found = compare_recognisers(args.data, *chosen, args.people, device_of(args))
    if args.out:
        found.write(args.out)
    print(found.markdown())


def reconstruct(args: argparse.Namespace) -> None:
    from ..evaluation.judges.networks import find_judges
    from ..evaluation.results.reconstruction import measure
    from ..models import DiffSFSR

    model = DiffSFSR.load(args.checkpoint, device=device_of(args))
    print(measure(model, args.data, find_judges(), args.limit).markdown())


def realism(args: argparse.Namespace) -> None:
    from ..evaluation.results.realism import run

    run(args.results, args.real)


def limits(args: argparse.Namespace) -> None:
    from ..evaluation.results import unmoved  # which needs what renders heads
    from ..evaluation.results.limits import Eyes, lines

    eyes = Eyes.load(device_of(args))
    for line in chain(lines(eyes, args.people), [""], unmoved.table(eyes.judges, eyes.mesh, args.people)):
        print(line, flush=True)


def truth(args: argparse.Namespace) -> None:
    from ..evaluation.judges.networks import find_judges
    from ..evaluation.results.truth import run

    run(args.portraits, args.checkpoint, device_of(args), find_judges())


def nearest(args: argparse.Namespace) -> None:
    from ..evaluation.judges.networks import Judges
    from ..evaluation.results import nearest
    from ..models.faces.mesh import FaceMesh
    from ..models.faces.task_file import find_task_file

    judges, mesh = Judges.load(), FaceMesh.load(find_task_file()).to(device_of(args))
    trained = nearest.training_faces(args.data, judges)
    print(nearest.table(list(nearest.nearest(nearest.pictures_in(args.pictures), *trained, mesh, judges))))


def shapes(args: argparse.Namespace) -> None:
    from ..evaluation.results.shape import table
    from ..models import DiffSFSR

    for line in table(DiffSFSR.load(args.checkpoint, device=device_of(args)).encoders, args.people):
        print(line, flush=True)


def people(args: argparse.Namespace) -> None:
    from ..evaluation.people import lay_out, lay_out_portraits

    device = device_of(args)
    if args.portraits:
        count = lay_out_portraits(args.folder, args.portraits, device=device)
    else:
        count = lay_out(args.folder, args.photos, device)
    print(f"{count} triples in {args.folder}")


def benchmark(args: argparse.Namespace) -> None:
    from ..evaluation.host import benchmark
    from ..evaluation.results import crossing, encoder_times, portrait_times

    if args.what == "encoders":
        encoder_times.run()
    elif args.what == "portrait":
        portrait_times.run(args.count, args.steps)
    elif args.what == "crossing":
        crossing.run(args.count)
    elif args.what == "profiles":
        from ..evaluation.results import profiles  # which needs what renders heads

        profiles.run()
    else:
        benchmark.run_benchmark(args.comfyui, args.what, args.count, args.steps)


def demo(args: argparse.Namespace) -> None:
    from ..evaluation.host.demo import run_demo

    run_demo(args.comfyui, args.output)
