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
from diffsfsr.models.network.checkpoint import fill, read_checkpoint, save_checkpoint
from diffsfsr.models.network.denoiser import Denoiser
from diffsfsr.training.data.prepare import prepare
from diffsfsr.training.data.shards import Shards, training_pictures, write_shard
from diffsfsr.training.denoiser.part import fit_preview
from PIL import Image
from torch import nn

CLI = Path(__file__).parents[2] / "cli.py"
NARROW = ("--widths", "32", "32", "32", "32", "--latent-channels=4", "--patch=32")  # of an autoencoder


@pytest.fixture(scope="module")
def prepared(photos, face_mesh, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    list(prepare(photos, out, face_mesh, shard=4))
    return out


@pytest.fixture(scope="module")
def twelve_people(prepared, tmp_path_factory):
    """The six photos, each of them as two people, tighter from one to the next; one of them, "07", is a test person."""
    shards, folder = Shards(prepared), tmp_path_factory.mktemp("twelve")
    rows = [{key: shards.rows(key, [i % 6])[0] for key in shards.keys} for i in range(12)]
    for i, row in enumerate(rows):
        row["inside"] = row["inside"].clone()
        row["inside"][:, : 8 * i] = 0
    write_shard(folder / "00000.safetensors", rows, [f"{i:02d}/a.jpg" for i in (*range(10), 11, 12)])
    return folder


@pytest.fixture(scope="module")
def start(tiny, small, tmp_path_factory):
    """An untrained checkpoint that saw 7 pictures, with its recogniser beside it."""
    folder = tmp_path_factory.mktemp("start")
    small.save(folder / "small.safetensors")
    torch.manual_seed(0)
    vae = build_autoencoder(tiny.autoencoder_widths, 1, tiny.latent_channels, tiny.latent_scale)
    parts = {"unet": Denoiser(tiny).unet, "vae": vae, "conditioner": Conditioner(tiny)}
    save_checkpoint(folder / "tiny.safetensors", tiny, parts, 7)
    return folder / "tiny.safetensors"


@pytest.fixture(scope="module")
def train_autoencoder(prepared):
    def run(out, *options):
        command = ["train", "autoencoder", "--data", str(prepared), "--out", str(out), "--batch=2", *NARROW, *options]
        assert main(command) == 0
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
    assert state["pictures"] == 2
    again = train_autoencoder(tmp_path, "--steps=3")
    for key, value in trained[1]["weights"].items():
        assert torch.equal(again["weights"][key], value), key
    assert any(not torch.equal(half["weights"][key], value) for key, value in again["weights"].items())


def test_settings_are_recorded_and_changes_are_told(train_autoencoder, tmp_path, capsys):
    train_autoencoder(tmp_path, "--steps=2", "--minutes=0")
    train_autoencoder(tmp_path, "--steps=2", "--minutes=0", "--kl=0.5")
    assert "kl was 1e-05, from here on it is 0.5" in capsys.readouterr().out
    first, second = json.loads((tmp_path / "settings.json").read_text())
    assert (first["from_picture"], second["from_picture"]) == (0, 2)
    assert {key for key in first["settings"] if first["settings"][key] != second["settings"][key]} == {"kl"}
    assert first["settings"]["patch"] == "32" and first["settings"]["batch"] == "2"


def test_latents_have_unit_variance_at_the_scale_saved(trained):
    saved = trained[1]
    model = build_autoencoder(saved["widths"], saved["layers"], saved["latent_channels"], saved["scale"])
    fill(model, saved["weights"], "autoencoder")
    assert saved["scale"] > 0 and saved["latent_channels"] == 4


def test_the_curve_counts_pictures(trained):
    with open(trained[0] / "curve.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 and rows[0][0] == "6" and float(rows[0][1]) > 0


def test_what_an_older_version_left_is_refused_in_words(prepared, tmp_path, capsys):
    torch.save({"index": 5}, tmp_path / "state.pt")
    assert main(["train", "autoencoder", "--data", str(prepared), "--out", str(tmp_path), *NARROW]) == 2
    assert "left by an older version; change --out" in capsys.readouterr().err


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
def first_run(twelve_people, start, drawn_people, tmp_path_factory):
    """A run of one step, with the losses on decoded pixels and a grid of pictures; and its command."""
    out = tmp_path_factory.mktemp("denoiser")
    shutil.copyfile(start.parent / "small.safetensors", out / "small.safetensors")
    command = ["train", "denoiser", "--data", str(twelve_people), "--out", str(out), "--steps=1", "--batch=2",
               "--from", str(start), "--losses=decoded", "--estimate=one-step",
               "--pictures", str(drawn_people)]  # fmt: skip
    assert main(command) == 0
    return out, command


def test_photos_become_a_checkpoint(first_run, start):
    out, command = first_run
    (config, weights), (before, old) = (read_checkpoint(path) for path in (out / "tiny.safetensors", start))
    assert config == dataclasses.replace(before, latent_rgb=config.latent_rgb, latent_rgb_bias=config.latent_rgb_bias)
    assert len(config.latent_rgb) == config.latent_channels == 4
    fill(Denoiser(config).unet, weights["unet"], "denoiser")
    fill(Conditioner(config), weights["conditioner"], "conditioner")
    assert all(torch.equal(weights["vae"][key], value) for key, value in old["vae"].items())
    assert any(not torch.equal(weights["unet"][key], value) for key, value in old["unet"].items())
    with Image.open(out / "pictures" / "000000002.jpg") as grid:
        assert grid.size == (128, 3 * 128) and np.asarray(grid).std() > 10
    before = (out / "tiny.safetensors").read_bytes()
    assert main(command) == 0 and (out / "tiny.safetensors").read_bytes() == before  # it was at its end


def test_a_checkpoints_decoder_is_refined_and_nothing_else(first_run, twelve_people, tmp_path):
    source = first_run[0] / "tiny.safetensors"
    assert main(["train", "decoder", "--data", str(twelve_people), "--out", str(tmp_path), "--steps=1", "--batch=2",
                 "--from", str(source)]) == 0  # fmt: skip
    (config, weights), (before, old) = (read_checkpoint(path) for path in (tmp_path / "tiny.safetensors", source))
    assert config == before
    changed = {
        key for part in weights for key, value in weights[part].items() if not torch.equal(value, old[part][key])
    }
    assert changed and all(key.startswith(("decoder.", "post_quant_conv.")) for key in changed)
    saved = torch.load(tmp_path / "autoencoder.pt", weights_only=True)
    for key, value in saved["weights"].items():
        torch.testing.assert_close(weights["vae"][key], value.float(), atol=1e-3, rtol=1e-3)


def test_two_processes_are_one_with_the_joint_batch_and_write_once(start, twelve_people, tmp_path):
    """Identities are swapped across the whole batch, and pictures differ in what of them counts."""
    command = ["train", "denoiser", "--data", str(twelve_people), "--from", str(start), "--steps=3", "--rate=0.05",
               "--swap=0.5", "--losses=decoded", "--estimate=one-step", "--no-bfloat16", "--variations=1"]  # fmt: skip
    for name, batch in (("alone", 4), ("half", 2)):
        assert main([*command, f"--batch={batch}", "--out", str(tmp_path / name)]) == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = ["--master_addr=127.0.0.1", f"--master_port={probe.getsockname()[1]}", "--nproc_per_node=2"]
    together = [sys.executable, "-m", "torch.distributed.run", *place, str(CLI), *command, "--batch=4"]
    subprocess.run(
        [*together, "--out", str(tmp_path / "together")],
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}, check=True, timeout=300,
    )  # fmt: skip
    alone, half, joint = (
        torch.load(tmp_path / name / "state.pt", weights_only=True)["model"] for name in ("alone", "half", "together")
    )

    def apart(a: dict, b: dict) -> float:
        return sum((a[key] - b[key]).abs().sum().item() for key in a)

    # Adam's first steps have the size of the rate whatever the gradient, so that single weights differ by its sign
    assert apart(joint, alone) < 0.01 * apart(half, alone)
    curves = [(tmp_path / name / "curve.csv").read_text().split() for name in ("alone", "together")]
    (alone,), (joint,) = curves  # a row each
    assert float(joint.split(",")[1]) == pytest.approx(float(alone.split(",")[1]), rel=1e-3)


def test_a_decoder_needs_something_to_start_from(twelve_people, tmp_path, capsys):
    assert main(["train", "decoder", "--data", str(twelve_people), "--out", str(tmp_path)]) == 2
    assert "want --from with a checkpoint of this pack" in capsys.readouterr().err


@pytest.mark.parametrize("part, option", [
    ("autoencoder", "--teacher"), ("recogniser", "--losses"), ("decoder", "--rendered"), ("denoiser", "--kl"),
])  # fmt: skip
def test_options_of_another_part_are_refused(part, option, tmp_path, capsys):
    assert main(["train", part, "--data", str(tmp_path), "--out", str(tmp_path), option, "1"]) == 2
    said = capsys.readouterr().err
    assert f"`train {part}` takes no {option}" in said and said.count("\n") == 1


def test_errors_of_the_estimates_are_tabled_for_raw_and_averaged_weights(first_run, twelve_people, tmp_path, capsys):
    command = ["estimates", "--checkpoint", str(first_run[0] / "tiny.safetensors"), "--data", str(twelve_people)]
    assert main([*command, "--out", str(tmp_path / "table.csv")]) == 0
    assert capsys.readouterr().out.count("\n") == 2 + 10
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["weights"] for row in rows] == ["averaged"] * 5 + ["raw"] * 5
    assert {row["measured"] for row in rows} == {"1"} and {row["pictures"] for row in rows} == {"9"}
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
