"""What Save and Load Identity share with Save and Load Expression: a code on the wire, a small file on the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from comfy_api.latest import io, ui

from ..models.codes import Expression, Identity
from ..models.expression.file import load_expression, save_expression
from ..models.identity.file import load_identity, save_identity
from .folders import (
    EXPRESSIONS,
    IDENTITIES,
    expression_output,
    identity_output,
    kept_file,
    kept_files,
    kept_state,
    new_file,
)


@dataclass(frozen=True)
class Kind:
    """Of codes that users keep."""

    what: str
    folders: str  # the host's name for the folders that they are looked for in
    folder: Callable[[], str]  # where they are saved
    save: Callable[[Path, Identity | Expression], None]
    load: Callable[[Path], Identity | Expression]


IDENTITY = Kind("identity", IDENTITIES, identity_output, save_identity, load_identity)
EXPRESSION = Kind("expression", EXPRESSIONS, expression_output, save_expression, load_expression)


def prefix_input(default: str, example: str) -> io.String.Input:
    return io.String.Input(
        "filename_prefix",
        default=default,
        tooltip="The file's name; a number is added, and nothing is overwritten. A folder may come first, as in "
        f"{example}.",
    )


def file_input(kind: Kind) -> io.Combo.Input:
    name = Path(kind.folder()).name
    return io.Combo.Input(
        "file",
        options=kept_files(kind.folders),
        tooltip=f"A file in output/{name} or models/diffsfsr/{name}. Refresh the list (R) if it was saved just now.",
    )


class SaveCode(io.ComfyNode):
    """Its only input besides the name is called as `kind` is."""

    kind: ClassVar[Kind]

    @classmethod
    def execute(cls, filename_prefix: str, **code: Identity | Expression) -> io.NodeOutput:
        path = new_file(filename_prefix, cls.kind.folder())
        cls.kind.save(path, code[cls.kind.what])
        return io.NodeOutput(ui=ui.PreviewText(f"saved as {path.relative_to(cls.kind.folder()).as_posix()}"))


class LoadCode(io.ComfyNode):
    kind: ClassVar[Kind]

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None) -> str:
        return kept_state(cls.kind.folders, file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        what = cls.kind.what
        code = cls.kind.load(kept_file(cls.kind.folders, file, what, f"Save {what.capitalize()}"))
        return told(code)


def told(code: Identity | Expression) -> io.NodeOutput:
    """A code on its wire; on the node, what its file has besides that means nothing here."""
    unknown = getattr(code, "unknown", ())
    if not unknown:
        return io.NodeOutput(code)
    return io.NodeOutput(code, ui=ui.PreviewText(f"left out, since they mean nothing here: {', '.join(unknown)}"))
