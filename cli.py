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
import os
import zipfile
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    from .commands import assets, portrait, results, training
    from .commands.registry import Commands

    top = argparse.ArgumentParser(prog="cli.py", description="DiffSFSR: identity, expression and background of a face.")
    top.add_argument("--task-file", type=Path, metavar="FILE", help="face_landmarker.task, if it lies where `download` "
                     "does not put it; DIFFSFSR_TASK_FILE says the same")  # fmt: skip
    commands = Commands(top)
    for group in (portrait, results, assets, training):
        group.add(commands)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0; 2 with one line on stderr where input or machine is at fault; 130 if stopped."""
    args, unknown = parser().parse_known_args(arguments)
    if unknown:
        words = args.command, getattr(args, "action", ""), getattr(args, "part", "")
        what = " ".join(word for word in words if word and isinstance(word, str))  # --part I/N is no part of a command
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
