import csv
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffsfsr.cli import main
from diffsfsr.models.conditions import Conditioner
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.checkpoint import fill, read_checkpoint
from diffsfsr.models.network.denoiser import Denoiser
from diffsfsr.training.data.prepare import prepare
from diffsfsr.training.data.shards import Shards, training_pictures
from diffsfsr.training.denoiser.run import fit_preview
from PIL import Image
from safetensors.torch import save_file
from torch import nn

CLI = Path(__file__).parents[2] / "cli.py"


@pytest.fixture(scope="module")
def prepared(photos, face_mesh, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    list(prepare(photos, out, face_mesh, shard=4))
    return out


@pytest.fixture(scope="module")
def train_autoencoder(prepared):
    def run(out, *options):
        assert main(["train", "autoencoder", "--data", str(prepared), "--out", str(out), "--batch=2", *options]) == 0
        return torch.load(out / "autoencoder.pt", weights_only=True)

    return run


@pytest.fixture(scope="module")
def trained(train_autoencoder, tmp_path_factory):
    """A folder with an autoencoder after three steps."""
    out = tmp_path_factory.mktemp("trained")
    return out, train_autoencoder(out, "--steps=3")


def test_the_same_command_again_goes_on_where_it_was_stopped(trained, train_autoencoder, tmp_path):
    half = train_autoencoder(tmp_path, "--steps=3", "--minutes=0")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["index"] == 1
    again = train_autoencoder(tmp_path, "--steps=3")
    for key, value in trained[1]["weights"].items():
        assert torch.equal(again["weights"][key], value), key
    assert any(not torch.equal(half["weights"][key], value) for key, value in again["weights"].items())


def test_latents_have_unit_variance_at_the_scale_saved(trained):
    saved = trained[1]
    model = build_autoencoder(saved["widths"], saved["layers"], saved["latent_channels"], saved["scale"])
    fill(model, saved["weights"], "autoencoder")
    assert saved["scale"] > 0 and saved["latent_channels"] == 16


def test_the_curve_is_written(trained):
    with open(trained[0] / "curve.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 and rows[0][0] == "3" and float(rows[0][1]) > 0


@pytest.fixture(scope="module")
def drawn_people(photos, tmp_path_factory):
    """What `people` writes, with one pair."""
    folder = tmp_path_factory.mktemp("people")
    for kind, person in (("identities", "P001"), ("backgrounds", "P003")):
        (folder / kind).mkdir()
        shutil.copyfile(photos / person / "0.jpg", folder / kind / f"{person}.jpg")
    (folder / "pairs.csv").write_text("identity,expression,background\nP001.jpg,joy,P003.jpg\n")
    return folder


@pytest.fixture(scope="module")
def twelve_people(prepared, tmp_path_factory):
    """The six photos, each of them as two people; one of the twelve, "07", is a test person."""
    shards = Shards(prepared)
    data = {key: shards.all(key) for key in shards.keys}
    folder = tmp_path_factory.mktemp("twelve")
    data = {key: torch.cat([value, value]) for key, value in data.items()}
    save_file(
        data,
        folder / "00000.safetensors",
        metadata={"names": json.dumps([f"{i:02d}/a.jpg" for i in (*range(10), 11, 12)])},
    )
    return folder


@pytest.fixture(scope="module")
def first_run(twelve_people, trained, small, tmp_path_factory):
    """A run of one step from nothing, and its command."""
    out = tmp_path_factory.mktemp("denoiser")
    small.save(out / "small.safetensors")
    inputs = ["--autoencoder", str(trained[0] / "autoencoder.pt"), "--recogniser", str(out / "small.safetensors")]
    command = ["train", "denoiser", "--data", str(twelve_people), "--out", str(out), "--steps=1", "--batch=2", *inputs]
    assert main(command) == 0
    return out, command


def test_photos_become_a_checkpoint(first_run, trained):
    out, command = first_run
    config, weights = read_checkpoint(out / "mini.safetensors")
    assert config.recognisers == ("small",) and config.identity_size == 16 and config.frame == "mini-128"
    assert config.latent_scale == trained[1]["scale"] and len(config.latent_rgb) == config.latent_channels == 16
    fill(Denoiser(config).unet, weights["unet"], "denoiser")
    conditioner = fill(Conditioner(config), weights["conditioner"], "conditioner")
    assert 0 < conditioner.neutral.max() <= 1 and conditioner.spread.min() > 0.02
    for key, value in trained[1]["weights"].items():
        torch.testing.assert_close(weights["vae"][key], value, atol=1e-3, rtol=1e-3)
    before = (out / "mini.safetensors").read_bytes()
    assert main(command) == 0 and (out / "mini.safetensors").read_bytes() == before  # it was at its end


def test_a_checkpoint_alone_is_enough_to_go_on(first_run, twelve_people, drawn_people, tmp_path):
    """With the losses on decoded pixels, and a grid of pictures."""
    source = first_run[0] / "mini.safetensors"
    assert main(["train", "denoiser", "--data", str(twelve_people), "--out", str(tmp_path), "--steps=1", "--batch=2",
                 "--from", str(source), "--losses=decoded", "--estimate=one-step", "--rate=0",
                 "--pictures", str(drawn_people)]) == 0  # fmt: skip
    (config, weights), (before, wanted) = (read_checkpoint(path) for path in (tmp_path / "mini.safetensors", source))
    assert config == dataclasses.replace(before, latent_rgb=config.latent_rgb, latent_rgb_bias=config.latent_rgb_bias)
    for part in weights:
        for key, value in wanted[part].items():
            torch.testing.assert_close(weights[part][key], value, msg=key)
    with Image.open(tmp_path / "pictures" / "0000001.jpg") as grid:
        assert grid.size == (128, 3 * 128) and np.asarray(grid).std() > 10


def test_a_checkpoints_decoder_is_refined_and_nothing_else(first_run, twelve_people, tmp_path):
    source = first_run[0] / "mini.safetensors"
    assert main(["train", "decoder", "--data", str(twelve_people), "--out", str(tmp_path), "--steps=1", "--batch=2",
                 "--from", str(source)]) == 0  # fmt: skip
    (config, weights), (before, old) = (read_checkpoint(path) for path in (tmp_path / "mini.safetensors", source))
    assert config == before
    changed = {
        key for part in weights for key, value in weights[part].items() if not torch.equal(value, old[part][key])
    }
    assert changed and all(key.startswith(("decoder.", "post_quant_conv.")) for key in changed)
    saved = torch.load(tmp_path / "autoencoder.pt", weights_only=True)
    for key, value in saved["weights"].items():
        torch.testing.assert_close(weights["vae"][key], value.float(), atol=1e-3, rtol=1e-3)


def test_two_processes_on_a_cpu_share_a_run_and_write_it_once(first_run, twelve_people, tmp_path):
    command = ["train", "denoiser", "--data", str(twelve_people), "--steps=1", "--batch=4", "--losses=none"]
    source = ["--from", str(first_run[0] / "mini.safetensors")]
    assert main([*command, *source, "--out", str(tmp_path / "alone")]) == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = ["--master_addr=127.0.0.1", f"--master_port={probe.getsockname()[1]}", "--nproc_per_node=2"]
    together = [sys.executable, "-m", "torch.distributed.run", *place, str(CLI)]
    subprocess.run(
        [*together, *command, *source, "--out", str(tmp_path / "together")],
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}, check=True, timeout=300,
    )  # fmt: skip
    curves = [(tmp_path / name / "curve.csv").read_text().split() for name in ("alone", "together")]
    (alone,), (joint,) = curves  # a row each
    assert float(joint.split(",")[1]) == pytest.approx(float(alone.split(",")[1]), rel=0.02)


def test_a_decoder_needs_something_to_start_from(twelve_people, tmp_path, capsys):
    assert main(["train", "decoder", "--data", str(twelve_people), "--out", str(tmp_path)]) == 2
    assert "want --from with a checkpoint of this pack" in capsys.readouterr().err


def test_errors_of_the_estimates_are_tabled_for_raw_and_averaged_weights(first_run, twelve_people, tmp_path, capsys):
    command = ["estimates", "--checkpoint", str(first_run[0] / "mini.safetensors"), "--data", str(twelve_people)]
    assert main([*command, "--out", str(tmp_path / "table.csv")]) == 0
    assert capsys.readouterr().out.count("\n") == 2 + 10
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["weights"] for row in rows] == ["averaged"] * 5 + ["raw"] * 5
    assert {row["measured"] for row in rows} == {"1"} and {row["pictures"] for row in rows} == {"2"}
    assert all(float(row[name]) > 0 for row in rows for name in ("one_step", "midpoint", "improved"))


def test_test_people_take_no_part(prepared, twelve_people):
    assert [len(part) for part in training_pictures([prepared, twelve_people], "face")] == [6, 11]


class Linear(nn.Module):
    """An autoencoder that decodes by a known linear map."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = weight, bias

    def decode(self, z):
        pixels = torch.einsum("bchw,cd->bdhw", z, self.weight) + self.bias.view(1, 3, 1, 1)
        return type("Decoded", (), {"sample": nn.functional.interpolate(pixels, scale_factor=8)})


def test_previews_are_the_linear_map_nearest_to_the_decoder():
    weight, bias = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0.1, -0.2, 0.3])
    z = torch.randn(6, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    rgb, offset = fit_preview(z, Linear(weight, bias), scale=0.5)
    torch.testing.assert_close(torch.tensor(rgb), weight / 0.5, atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.tensor(offset), bias, atol=1e-3, rtol=0)
