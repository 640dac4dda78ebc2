"""A grid of pictures every few minutes: identity, background, result, for people who take no part in training."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import ImageDraw
from torch import Tensor, nn

from ...models.appearance.finish import Wish
from ...models.codes import Background, Expression, Identity
from ...models.encoders import Encoders
from ...models.expression.library import ExpressionLibrary
from ...models.faces.mesh import FaceMesh
from ...models.faces.task_file import find_task_file
from ...models.network.checkpoint import ASSETS
from ...models.network.config import Config
from ...models.pictures import read_picture, save_generated, to_pil
from ...models.pipeline import DiffSFSR, Painting
from .train import Model

STEPS = 10  # of sampling: enough to see what is wrong


@dataclass(frozen=True)
class Triple:
    selfie: Tensor  # (3, 112, 112) the aligned face
    identity: Identity
    expression: Expression
    background: Background


class Grid:
    """The same triples each time, so that grids can be compared."""

    def __init__(self, encoders: Encoders, triples: list[Triple]):
        self.encoders, self.triples = encoders, triples

    @classmethod
    def read(
        cls, folder: Path, config: Config, recognisers: nn.ModuleDict, device: torch.device | str, count: int = 6
    ) -> "Grid":
        """Some of what `python cli.py people` writes: identities/, backgrounds/, pairs.csv with one of the 135 words.

        device: where the recognisers are, and everything else will be
        """
        library = ExpressionLibrary.load(ASSETS / "expressions.json")
        encoders = Encoders(config, FaceMesh.load(find_task_file()), dict(recognisers), library)
        encoders.eval().requires_grad_(False).to(device)
        if not (folder / "pairs.csv").is_file():
            raise FileNotFoundError(
                f"no pairs.csv in {folder}; run `python cli.py people {folder}`, or write one like it"
            )
        with open(folder / "pairs.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        triples = []
        for row in rows[:: max(1, len(rows) // count)][:count]:
            identity, faces = encoders.identity([read_picture(folder / "identities" / row["identity"])])
            picture = read_picture(folder / "backgrounds" / row["background"])
            background = encoders.background(picture[None])
            triples.append(Triple(faces[0], identity, encoders.label(row["expression"]), background))
        return cls(encoders, triples)

    @torch.inference_mode()
    def draw(self, model: Model, autoencoder: nn.Module, path: Path) -> None:
        """A column for each triple: the aligned selfie, the crop of the background, the crop drawn."""
        self.encoders.conditioner = model.conditioner
        whole = DiffSFSR(self.encoders, model.denoiser, autoencoder)
        columns = []
        for seed, triple in enumerate(self.triples):
            given = triple.identity, triple.expression, triple.background
            crops = whole.paint(*given, Painting(STEPS, seed), wish=Wish())
            size = crops.shape[-1]
            selfie = F.interpolate(triple.selfie[None], size=(size, size), mode="bilinear", align_corners=False)
            columns.append(torch.cat([selfie[0].cpu(), triple.background.crop[0].cpu(), crops[0].cpu()], dim=1))
        grid = to_pil(torch.cat(columns, dim=2))
        pen = ImageDraw.Draw(grid)
        for i, triple in enumerate(self.triples):
            pen.text(
                (i * size + 3, 2 * size + 3), triple.expression.name, fill="white", stroke_fill="black", stroke_width=1
            )
        path.parent.mkdir(exist_ok=True)
        save_generated(path, grid, model.config.name)
