"""Runs of the denoiser's training side by side: each paints what it was trained to be given."""

import dataclasses
from pathlib import Path

import pytest
import torch
from diffsfsr.evaluation.results.ablations import sampled
from diffsfsr.evaluation.results.cases import MEASURED, Cast
from diffsfsr.evaluation.results.trainings import LABELS, draw, measure, summarise, table
from diffsfsr.models.conditions import Conditioner
from diffsfsr.models.network.checkpoint import ASSETS, save_checkpoint
from diffsfsr.models.network.denoiser import Denoiser
from diffsfsr.models.pipeline import DiffSFSR


@pytest.fixture(scope="module")
def runs(model, tmp_path_factory) -> list[Path]:
    """Two checkpoints as `train denoiser` leaves them; the second network is not given the background."""
    folder = tmp_path_factory.mktemp("runs")
    for name, planes in (("given", ("mask", "background")), ("blended", ("mask",))):
        (folder / name).mkdir()
        config = dataclasses.replace(model.config, planes=planes, recognisers=("resnet-face",), identity_size=192)
        parts = {"unet": Denoiser(config).unet, "vae": model.autoencoder, "conditioner": Conditioner(config)}
        save_checkpoint(folder / name / "tiny.safetensors", config, parts, 0)
    return [folder / name / "tiny.safetensors" for name in ("given", "blended")]


def test_a_scene_that_is_not_given_is_blended_in(runs, judges):
    for run in runs:
        model = DiffSFSR.load(run)
        case, planes = next(Cast(model, judges).cases(1, ("joy",))), model.config.planes
        ways = {blend: sampled(model, case, model.planes(case.background), blend)[0] for blend in (False, True)}
        drawn = draw(model, case, "it").crops
        assert torch.equal(drawn, ways["background" not in planes]) and not torch.equal(
            drawn, ways["background" in planes]
        )


def test_all_runs_draw_the_same_cases_once(runs, judges, tmp_path):
    items = measure(runs, judges, tmp_path, 1)
    written = [(tmp_path / run.parts[-3] / f"{run.parent.name}.jsonl").read_text() for run in runs]
    assert measure(runs, judges, tmp_path, 1) == items
    assert [(tmp_path / run.parts[-3] / f"{run.parent.name}.jsonl").read_text() for run in runs] == written
    assert [(item["case"], item["settings"][0]["setting"]) for item in items] == [
        (f"P001 {label}", run.parent.name) for run in runs for label in LABELS
    ]
    assert all(item["settings"][0].keys() == {"setting", *MEASURED} for item in items)


def test_what_cannot_be_compared_is_refused_before_anything_is_drawn(runs, judges, tmp_path):
    with pytest.raises(ValueError, match="mouth.safetensors"):
        measure([runs[0], ASSETS / "mouth.safetensors"], judges, tmp_path, 1)
    with pytest.raises(ValueError, match="got 0 people"):
        measure(runs, judges, tmp_path, 0)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="two runs of one name"):
        measure([runs[0], runs[0]], judges, tmp_path, 1)


def drawn(run: str, value: float) -> dict:
    return {"setting": run} | dict.fromkeys(MEASURED, value)


def test_runs_are_compared_case_by_case():
    """However much cases differ, what a run differs by is seen; a case that only one has drawn is left out."""
    items = [
        {"case": f"{who} {word}", "person": who, "seed": "0", "settings": [drawn(run, base + apart)]}
        for run, apart in (("first", 0.0), ("other", -0.01))
        for who, base in (("anna", 0.2), ("ben", 0.9))
        for word in ("joy", "anger")
        if (run, who, word) != ("other", "ben", "anger")
    ]
    means = {(mean.column, mean.metric): mean for mean in summarise(items)}
    apart = means["other less first", "judge2_cosine"]
    assert apart.results == 3 and apart.mean == apart.low == apart.high == -0.01
    assert means["other", "judge2_cosine"].mean == pytest.approx((0.19 + 0.19 + 0.89) / 3, abs=1e-4)
    assert "| other | 3 | 0.423, -0.010 (-0.010 to -0.010) |" in list(table(list(means.values())))[-1]


def test_runs_are_compared_seed_by_seed():
    """A seed that one of two trainings alone has been through says nothing of what they differ by."""
    values = {("first", "0"): 0.2, ("first", "1"): 0.6, ("first", "2"): 0.9, ("other", "0"): 0.3, ("other", "1"): 0.7}
    items = [
        {"case": "anna joy", "person": "anna", "seed": seed, "settings": [drawn(run, value)]}
        for (run, seed), value in values.items()
    ]
    means = {(mean.column, mean.metric): mean for mean in summarise(items)}
    apart = means["other less first", "judge_likeness"]
    assert apart.results == 2 and apart.mean == apart.low == apart.high == pytest.approx(0.1)
    assert means["first", "judge_likeness"].mean == pytest.approx(1.7 / 3, abs=1e-4)
