"""From photos to weights."""

import argparse
from pathlib import Path

from .registry import Commands, device_of


def add(commands: Commands) -> None:
    from ..training.settings import add_parts

    sub = commands.add(prepare, "read photos into shards for training")
    sub.add_argument("photos", type=Path, help="folder or .zip, one folder a person")
    sub.add_argument("--out", type=Path, required=True)
    sub.add_argument("--frame", default="mini-128", help="mini-128, ffhq-256 or ffhq-512: what is to be trained for")

    sub = commands.add(render, "draw synthetic heads with true answers into shards for training; run it again to go on")
    sub.add_argument("--out", type=Path, required=True)
    sub.add_argument("--count", type=int, required=True, help="pictures, rounded up to whole groups of 12")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--processes", type=int, default=1, help="that draw at the same time, one a core")
    sub.add_argument("--frame", default="mini-128", help="mini-128, ffhq-256 or ffhq-512, as the photos have it")

    sub = commands.add(train, "train a part; run the same command again to go on where it stopped", computes=False)
    add_parts(sub.add_subparsers(dest="part", required=True), [commands.computing])

    sub = commands.add(estimates, "error of the estimates of z_0 on test people, by range of t")
    sub.add_argument("--checkpoint", type=Path, required=True, help="with a run's state.pt beside it, raw weights too")
    sub.add_argument("--data", type=Path, required=True, nargs="+", help="prepared folders, for their test people")
    sub.add_argument("--limit", type=int, default=256, help="photos")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--out", type=Path, help="CSV to which rows are added")

    sub = commands.add(cost, "count what a step of training the sd15 size takes, without taking it", computes=False)
    sub.add_argument("--frame", default="ffhq-512", choices=("ffhq-256", "ffhq-512"))
    sub.add_argument("--batch", type=int, default=8)
    sub.add_argument("--lora", type=int, default=0, metavar="RANK")
    sub.add_argument("--checkpointing", action="store_true")
    sub.add_argument("--losses", default="none", choices=("none", "latent", "decoded"))
    sub.add_argument("--estimate", default="improved", choices=("improved", "midpoint", "one-step"))


def prepare(args: argparse.Namespace) -> None:
    from ..models.faces.mesh import FaceMesh
    from ..models.faces.task_file import find_task_file
    from ..training.data.prepare import prepare
    from ..training.progress import follow

    mesh = FaceMesh.load(find_task_file()).to(device_of(args))
    print(follow(prepare(args.photos, args.out, mesh, args.frame), "photos read"))


def render(args: argparse.Namespace) -> None:
    from ..rendering.render import render
    from ..rendering.renderer import open_context
    from ..training.progress import follow

    open_context().release()  # here, where what is missing is told in one line, not in each process
    how = args.seed, args.processes, args.frame, device_of(args)
    print(follow(render(args.out, args.count, *how), "pictures drawn"))


def train(args: argparse.Namespace) -> None:
    if args.part == "shape":
        from ..training.shape import shape

        return shape(args.data, args.out, device_of(args))
    from ..training.run import Run

    run = Run(args.part, tuple(args.data), args.out, args.minutes, args.save_every, args.device)
    run.go(args.settings(args))


def estimates(args: argparse.Namespace) -> None:
    from ..training.denoiser.estimates import measure, report

    print(report(measure(args.checkpoint, args.data, args.limit, args.seed, device_of(args)), args.out))


def cost(args: argparse.Namespace) -> None:
    from ..training.denoiser.cost import count

    print(count(args.frame, args.batch, args.lora, args.checkpointing, args.losses, args.estimate).table())
