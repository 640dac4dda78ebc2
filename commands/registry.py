"""The commands of a program: functions by their names, with the options that all of them share."""

import argparse
from collections.abc import Callable
from pathlib import Path

Run = Callable[[argparse.Namespace], None]


class Commands:
    def __init__(self, top: argparse.ArgumentParser):
        self._subparsers = top.add_subparsers(dest="command", required=True)
        self.anywhere = argparse.ArgumentParser(add_help=False)  # the option may also come after a command
        self.anywhere.add_argument("--task-file", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        self.computing = argparse.ArgumentParser(add_help=False, parents=[self.anywhere])
        self.computing.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where "
                                    "the networks run; auto: on a GPU where there is one")  # fmt: skip

    def add(self, run: Run, help: str, computes: bool = True) -> argparse.ArgumentParser:
        """run: what the command does, under whose name it is called; computes: it may be told a device"""
        parents = [self.computing if computes else self.anywhere]
        sub = self._subparsers.add_parser(run.__name__, help=help, parents=parents)
        sub.set_defaults(run=run)
        return sub


def device_of(args: argparse.Namespace):
    """The torch.device that --device names."""
    from ..models.network.device import choose_device

    return choose_device(args.device)
