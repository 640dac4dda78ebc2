"""Settings of a training: dataclasses whose fields are the options of `python cli.py train PART`. Without torch."""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def option(default: Any, help: str, **how: Any) -> Any:
    """A field of settings that the command line has an option for.

    how  what argparse's add_argument takes; `name`: of the option, where it is not the field's
    """
    if isinstance(default, bool):
        how.setdefault("action", argparse.BooleanOptionalAction)
    elif default is not None:
        how.setdefault("type", type(default))
    return field(default=default, metadata={"help": help.replace("%", "%%")} | how)


def add_options(parser: argparse.ArgumentParser, settings: type) -> None:
    for each in dataclasses.fields(settings):
        how = dict(each.metadata)
        name = how.pop("name", f"--{each.name.replace('_', '-')}")
        shown = "" if each.default is None or isinstance(each.default, bool) else f" ({each.default})"
        parser.add_argument(name, dest=each.name, default=each.default, **how | {"help": how["help"] + shown})


def from_options(settings: type[T], args: argparse.Namespace) -> T:
    """The settings that add_options() had the command line ask for."""
    values = {each.name: getattr(args, each.name) for each in dataclasses.fields(settings)}
    return settings(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def add_parts(parts: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """A command for each part that can be trained. parts: what argparse's add_subparsers() gave"""
    for part, settings in settings_of_parts().items():
        parser = parts.add_parser(part, parents=parents)
        parser.set_defaults(settings=partial(from_options, settings))
        parser.add_argument("--data", type=Path, required=True, nargs="+", help="prepared folders")
        parser.add_argument("--out", type=Path, required=True, help="folder for the state, the curve and the weights")
        parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after them, with the state saved")
        parser.add_argument("--save-every", type=float, default=3, metavar="MINUTES", help="(3)")
        add_options(parser, settings)
    parser = parts.add_parser("shape", parents=parents)  # a fit, without steps
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="folders or .zip files of photos, all that "
                        "the others are trained on")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder for meshes.safetensors and shape.safetensors")


def settings_of_parts() -> dict[str, type]:
    """In the order in which they are trained."""
    from .autoencoder.settings import AutoencoderTraining
    from .decoder.settings import DecoderTraining
    from .denoiser.settings import Training
    from .mouth.settings import MouthTraining
    from .recogniser.settings import RecogniserTraining
    from .retoucher.settings import RetoucherTraining

    names = "recogniser", "autoencoder", "denoiser", "decoder", "mouth", "retoucher"  # folders here
    settings = RecogniserTraining, AutoencoderTraining, Training, DecoderTraining, MouthTraining, RetoucherTraining
    return dict(zip(names, settings, strict=True))


@dataclass(frozen=True)
class Settings:
    """What every part of the training has; its own defaults are in its settings.py."""

    steps: int = option(3000, "steps in all")
    batch: int = option(32, "pictures a step")
    rate: float | None = option(1e-3, "peak learning rate")
    begin: Path | None = option(None, "weights to start from: what this part wrote, or a checkpoint of this pack",
                                name="--from", type=Path, metavar="FILE")  # fmt: skip
    seed: int = option(0, "all draws follow from it")
    compile: bool = option(False, "faster steps after minutes of compilation")
    bfloat16: bool | None = option(None, "compute in it, or in float32 (left out: in bfloat16 where the machine has "
                                   "instructions for it); weights, losses and optimiser are float32",
                                   action=argparse.BooleanOptionalAction)  # fmt: skip

    @property
    def pictures(self) -> int:
        """Pictures in all."""
        return self.steps * self.batch

    def positions(self, begun: int) -> Sequence[int]:
        """Pictures seen before each step that is still to be done, where `begun` have been seen."""
        return range(begun, self.pictures, self.batch)


def recorded(settings: Settings) -> dict[str, str]:
    """By the names of the fields, as a run keeps them beside its weights."""
    return {key: str(value) for key, value in dataclasses.asdict(settings).items()}
