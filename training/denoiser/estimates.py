"""Error of the estimates of z_0 on test people, by range of t: one-step, midpoint, improved midpoint.

The paper's figure has these errors over training; here they are measured for what lies in a run's folder, on raw and on
averaged weights. Each picture is reconstructed from its own codes.
"""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from ...models.network.sampling import ESTIMATES, estimate
from ...models.network.schedule import STEPS, Schedule
from ..data.dataset import Dataset, join
from ..data.encode import encode_shards
from ..data.shards import Shards, frame_of
from ..data.split import test_people
from ..decoder.softened import reconstruction
from .batches import Batch
from .start import Start, read_start, trained_model
from .train import Model

RANGES = ((0, 200), (200, 400), (400, 600), (600, 800), (800, STEPS))


@dataclass(frozen=True)
class Row:
    checkpoint: str
    pictures: int  # seen in training
    weights: str  # "raw" or "averaged"
    t_from: int
    t_to: int  # not included
    one_step: float  # mean squared error of a latent number inside the mask; latents have unit variance
    midpoint: float
    improved: float
    measured: int  # pictures


def measure(
    checkpoint: Path, folders: list[Path], limit: int, seed: int = 0, device: torch.device | str = "cpu"
) -> list[Row]:
    """checkpoint: a file of this pack; with state.pt beside it, as in a run's folder, raw weights are measured, too."""
    start = read_start(checkpoint, None, None, frame_of(folders), renew=False).to(device)
    data, model, seen = test_data(folders, start, limit), trained_model(start).to(device), start.pictures
    rows = measure_weights(model, data, start.sizes, seed, checkpoint.name, seen, "averaged")
    state = checkpoint.parent / "state.pt"
    if state.is_file():
        saved = torch.load(state, weights_only=True, map_location="cpu", mmap=True)
        model.load_state_dict(saved["model"])
        rows += measure_weights(model, data, start.sizes, seed, checkpoint.name, seen, "raw")
    return rows


def test_data(folders: list[Path], start: Start, limit: int) -> Dataset:
    """About `limit` photos, all those of as many test people as that takes."""
    photos = {place: Shards(folder).people for place, folder in enumerate(folders) if not Shards(folder).rendered}
    people = [person for each in photos.values() for person in each]
    tested = test_people(people)
    count = sum(person in tested for person in people)
    chosen = set(sorted(tested)[:: max(1, count // limit)])
    if not chosen:
        raise ValueError("got no photos of test people, about every tenth person; want photos of more people")
    encoding = start.encoding(mirror=False)
    parts = [encode_shards(folders[place], encoding, place, chosen.__contains__) for place in photos]
    return join([part for each in parts for part in each])


@torch.inference_mode()
def measure_weights(
    model: Model, data: Dataset, sizes: tuple[int, ...], seed: int, checkpoint: str, pictures: int, weights: str
) -> list[Row]:
    """A row for each range of t; noise and t are the same for all weights."""
    rows = []
    for t_from, t_to in RANGES:
        generator = torch.Generator().manual_seed(seed * STEPS + t_from)
        errors, count = torch.zeros(len(ESTIMATES), dtype=torch.float64), 0.0
        for part in torch.arange(len(data)).split(32):
            t = torch.randint(t_from, t_to, (len(part),), generator=generator)
            batch = reconstruction(data.subset(part), t, model, sizes, generator).to(model.conditioner.neutral.device)
            found, cells = squared_errors(model, batch)
            errors, count = errors + found, count + cells
        one_step, midpoint, improved = (errors / count).tolist()
        rows.append(Row(checkpoint, pictures, weights, t_from, t_to, one_step, midpoint, improved, len(data)))
    return rows


def squared_errors(model: Model, batch: Batch) -> tuple[Tensor, float]:
    """Sums over what has weight, one for each of ESTIMATES, and how many numbers that are."""
    schedule = Schedule()
    z = schedule.noisy(batch.z0, batch.noise, batch.t)

    def predict(z: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        return schedule.clean_and_noise(model(z, t, batch), z, t, model.config.prediction)

    found = [estimate(predict, z, batch.t, schedule, method) for method in ESTIMATES]
    errors = [((z0 - batch.z0).square() * batch.weight).sum().cpu().double() for z0 in found]
    return torch.stack(errors), batch.weight.sum().item() * z.shape[1]


def report(rows: list[Row], out: Path | None = None) -> str:
    """A Markdown table; with `out`, the rows are added to that CSV."""
    if out is not None:
        new = not out.is_file()
        with open(out, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            if new:
                writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
    lines = [
        "| weights | t | one-step | midpoint | improved | against one-step | against midpoint |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        gains = " | ".join(f"{100 * (row.improved / other - 1):+.1f} %" for other in (row.one_step, row.midpoint))
        values = " | ".join(f"{value:.4f}" for value in (row.one_step, row.midpoint, row.improved))
        lines.append(f"| {row.weights} | {row.t_from} to {row.t_to - 1} | {values} | {gains} |")
    return "\n".join(lines)
