"""Options of the commands that draw: how faces are finished, and whether they are painted at all."""

import argparse


def add_finishing(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--appearance", type=float, default=1.0, help="how much of a face comes from the photo's own "
                     "pixels; 0 leaves it as painted")  # fmt: skip
    sub.add_argument("--shape", type=float, default=1.0, help="whose outline: 0 the background's face, 1 the person's")
    sub.add_argument("--detail", type=int, default=0, help="pixels of the finished face for each that is "
                     "painted; 0: as many as the picture has, 4 or 8")  # fmt: skip
    sub.add_argument("--retouch", type=float, default=1.0, help="how far a network goes over it at the end, 0 to 1")
    sub.add_argument("--painter", choices=("model", "none"), default="model", help="none: a preview of the photos "
                     "alone, at once")  # fmt: skip


def wish_of(args: argparse.Namespace):
    """The Wish that the options make."""
    from ..models.appearance.finish import Wish

    return Wish(args.appearance, args.shape, args.detail, args.retouch)
