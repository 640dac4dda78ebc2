"""Faces that show the labels, and what the face mesh reads on them (ours).

Rendered heads, whose readings are the codes: assets/references.safetensors, by `python cli.py library render`. A person
who does not exist, painted by the model: assets/people.safetensors, by `library reenact`.
V variants of all labels, in the table's order; H heads, each another person.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..faces.mesh import BLENDSHAPES
from ..files import is_names, is_number, opened, parse_json, read_tensors, write_tensors
from ..pictures import decode_picture, to_pil

FORMAT = "diffsfsr-references-1"
ROWS = ("float16", "v", len(BLENDSHAPES))
LAYOUT = {
    "meant": ROWS, "acted": ("float16", "v", "a"), "read": ("float16", "v", "h", len(BLENDSHAPES)),
    "codes": ("float32", *ROWS[1:]), "ends": ("int64", "v", "h"), "pictures": ("uint8", "bytes"),
}  # fmt: skip
AGAIN = "get the pack anew, or run `python cli.py library render` (the heads) or `reenact` (the person)"
FILE, PEOPLE = "references.safetensors", "people.safetensors"  # beside expressions.json
LARGEST = 2.0  # number that a reading, its difference or an action can have
SIDE, QUALITY = 160, 80  # of a picture, WebP


@dataclass(frozen=True)
class References:
    path: Path
    heads: tuple[str, ...]  # names of the people, H
    variants: dict[str, int]  # label -> how many
    actions: tuple[str, ...]  # names of what a head can do, A
    meant: Tensor  # (V, 51) as the table says; what the heads were to be read as
    acted: Tensor  # (V, A) what they do
    read: Tensor  # (V, H, 51) what is read, minus each head's own neutral face
    codes: Tensor  # (V, 51) the expression codes made of it
    ends: Tensor  # (V, H) int64, where each picture ends in the file's "pictures"

    @classmethod
    def load(cls, path: Path) -> "References":
        """All but the pictures, which are read one by one. ValueError for a file that is broken or of another kind."""
        path = Path(path)
        tensors, said = read_tensors(path, "reference pictures", {FORMAT: LAYOUT}, AGAIN, unread=["pictures"])
        names = ("heads", "variants", "actions", "blendshapes")
        told = {name: parse_json(said.get(name, ""), f"the {name} of {path.name}") for name in names}
        rows, heads = tensors["ends"].shape
        fits = (
            told["blendshapes"] == list(BLENDSHAPES)
            and is_names(told["heads"], heads) and len(told["heads"]) == heads > 0
            and is_names(told["actions"]) and len(told["actions"]) == tensors["acted"].shape[1]
            and isinstance(told["variants"], dict)
            and all(isinstance(n, int) and is_number(n, 1, rows) for n in told["variants"].values())
            and sum(told["variants"].values()) == rows
            and bool((tensors["ends"].flatten().diff(prepend=torch.zeros(1, dtype=torch.int64)) > 0).all())
            and max(float(tensors[name].abs().max()) for name in ("meant", "acted", "read", "codes")) <= LARGEST
        )  # fmt: skip
        if not fits:
            raise ValueError(f"{path.name} does not say what its pictures show, or in another way; {AGAIN}")
        ends = tensors.pop("ends")
        return cls(
            path, tuple(told["heads"]), told["variants"], tuple(told["actions"]), ends=ends,
            **{name: value.float() for name, value in tensors.items()},
        )  # fmt: skip

    def rows(self, label: str) -> slice:
        """Where the variants of a label stand among the V; nowhere, if there is no such label."""
        labels = list(self.variants)
        first = sum(self.variants[each] for each in labels[: labels.index(label)]) if label in labels else 0
        return slice(first, first + self.variants.get(label, 0))

    def actions_of(self, label: str, variant: int = 0) -> dict[str, float]:
        """What the heads do, by ARKit's names; what they leave is left out."""
        acted = self.acted[self.rows(label).start + variant].tolist()
        return {name: round(value, 4) for name, value in zip(self.actions, acted, strict=True) if value > 0}

    def pictures(self, label: str, variant: int = 0) -> Tensor:
        """The heads that show a label at intensity 1, (H, 3, 160, 160) RGB in [-1, 1]."""
        heads = range(len(self.heads))
        shown = [decode_picture(self.encoded(label, variant, head), f"the picture of {label}") for head in heads]
        if any(picture.shape != (3, SIDE, SIDE) for picture in shown):
            raise ValueError(f"got pictures of {label} in another size than {SIDE} px in {self.path.name}; {AGAIN}")
        return torch.stack(shown)

    def encoded(self, label: str, variant: int = 0, head: int = 0) -> bytes:
        """One of these pictures as it is stored, WebP."""
        rows = self.rows(label)
        if not 0 <= variant < rows.stop - rows.start or not 0 <= head < len(self.heads):
            raise ValueError(f'got variant {variant} of "{label}", want 0 to {rows.stop - rows.start - 1}')
        ends = [0, *self.ends.flatten().tolist()]
        place = (rows.start + variant) * len(self.heads) + head
        with opened(self.path, "reference pictures", {FORMAT}, AGAIN) as (file, _):
            return file.get_slice("pictures")[ends[place] : ends[place + 1]].numpy().tobytes()


def save_references(
    path: Path,
    pictures: Sequence[Sequence[Tensor]],
    heads: Sequence[str],
    variants: dict[str, int],
    actions: Sequence[str],
    tensors: dict[str, Tensor],
) -> None:
    """Write what References.load reads.

    pictures  V rows of H, (3, S, S) RGB in [-1, 1]
    tensors   meant, acted, read and codes
    """
    parts = [_encode(picture) for row in pictures for picture in row]
    ends = torch.tensor([len(part) for part in parts]).cumsum(0).view(len(pictures), len(heads))
    content = torch.frombuffer(bytearray(b"".join(parts)), dtype=torch.uint8)
    said = {"heads": heads, "variants": variants, "actions": actions, "blendshapes": BLENDSHAPES}
    halves = {name: value.half().contiguous() for name, value in tensors.items() if name != "codes"}
    write_tensors(
        path,
        halves | {"codes": tensors["codes"].float().contiguous(), "ends": ends, "pictures": content},
        {"format": FORMAT, **{name: json.dumps(value) for name, value in said.items()}},
    )


def _encode(picture: Tensor) -> bytes:
    stream = io.BytesIO()
    to_pil(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(stream, "WEBP", quality=QUALITY, method=6)
    return stream.getvalue()
