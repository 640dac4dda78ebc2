"""Portraits, and what may be asked of them."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from .finishing import add_finishing, wish_of
from .registry import Commands, device_of


def add(commands: Commands) -> None:
    sub = commands.add(generate, "draw a portrait")
    sub.add_argument("--identity", required=True, help="photo of the person, or several of them, separated by commas")
    sub.add_argument("--expression", required=True, help="one of the 135 labels, a photo, or a file of blendshapes")
    sub.add_argument("--background", required=True, help="picture with a face: gives pose, hair, clothes, surroundings")
    sub.add_argument("--output", required=True, type=Path, help="picture to write")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--steps", type=int, default=4)
    sub.add_argument("--intensity", type=float, default=1.0, help="0 is exactly neutral, up to 1.5")
    sub.add_argument("--identity-scale", type=float, default=2.0, help="guidance towards the identity")
    sub.add_argument("--expression-scale", type=float, default=2.0, help="guidance towards the expression")
    add_finishing(sub)
    sub.add_argument("--checkpoint", default="mini", help='"mini" (bundled) or a .safetensors file')
    sub.add_argument(
        "--face", default="largest", help='of the background: largest, centre, all, 0, 1, "0 by size", ...'
    )
    sub.add_argument("--without-face", default="stop", choices=("stop", "skip", "pass through"), help="identity photos "
                     "without a face: error, or left out; background: error, no file, or as it is")  # fmt: skip
    sub.add_argument("--insightface-pack", type=Path, help="folder of a pack whose detector is to find the faces, or "
                     "whose recogniser the checkpoint was trained with")  # fmt: skip
    sub.add_argument("--report", action="store_true", help="print one line of JSON with how well it went")

    commands.add(labels, "print the 135 labels", computes=False)


def generate(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..models.files import check_output
    from ..models.network.unused import left_out
    from ..models.pictures import WRITABLE, read_picture, write_copy, write_picture

    started = time.perf_counter()
    wish = wish_of(args)
    # a name may have a comma in it, too
    paths = [args.identity] if os.path.isfile(args.identity) else args.identity.split(",")
    check_output(args.output, WRITABLE, [*paths, args.expression, args.background])
    photos = [read_picture(path) for path in paths]
    scene = read_picture(args.background)
    with left_out(alone=Path(sys.argv[0]).name == "cli.py"):
        from ..models import DiffSFSR  # takes seconds: not before the pictures are known to be there
    from ..models.compositing import paste_faces
    from ..models.faces.choice import PASS_THROUGH, STOP, NoFace
    from ..models.pipeline import Painting

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
            write_copy(args.output, scene)
        return
    given = identity, expression, background
    if args.painter == "none":
        crops = model.preview(*given, wish)
    else:
        with tqdm(total=args.steps, disable=not sys.stderr.isatty()) as bar:
            painting = Painting(args.steps, args.seed, args.identity_scale, args.expression_scale)
            painted = model.paint(*given, painting, lambda step: bar.update(), wish)
        crops = model.finish(painted, *given, wish)
    pictures = paste_faces(crops.cpu(), background)
    write_picture(args.output, pictures[0], f"{model.config.name} ({Path(args.checkpoint).name})")
    if args.report:
        from ..evaluation.results.report import report_one

        report = report_one(model, pictures[0], identity, expression, background)
        print(json.dumps(report | {"seconds": round(time.perf_counter() - started, 2)}))


def labels(args: argparse.Namespace) -> None:
    from ..models.expression.labels import read_labels
    from ..models.network.checkpoint import ASSETS

    print("\n".join(read_labels(ASSETS / "expressions.json")))


def read_expression(model, source: str, intensity: float):
    """A label, a picture, or a file with an expression: a .safetensors, or a .json of blendshapes by name."""
    from ..models.expression.edit import scale
    from ..models.expression.file import load_expression
    from ..models.pictures import read_picture

    path = Path(source)
    if path.suffix.lower() not in (".json", ".safetensors"):
        return model.expression(read_picture(path) if path.suffix else source, intensity=intensity)
    loaded = load_expression(path)
    if loaded.unknown:
        print(f"left out of {path.name}, since they mean nothing here: {', '.join(loaded.unknown)}", file=sys.stderr)
    return scale(loaded, intensity)
