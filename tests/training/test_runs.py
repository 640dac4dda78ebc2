import csv

import pytest
import torch
from diffsfsr.cli import main
from diffsfsr.models.autoencoder import build_autoencoder
from diffsfsr.models.checkpoint import fill, read_checkpoint
from diffsfsr.models.conditioner import Conditioner
from diffsfsr.models.denoiser import Denoiser
from diffsfsr.training.prepare import prepare
from diffsfsr.training.runs import everyone, fit_preview, training_rows
from torch import nn


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


def test_photos_become_a_checkpoint(prepared, trained, small, tmp_path):
    small.save(tmp_path / "small.safetensors")
    inputs = ["--autoencoder", str(trained[0] / "autoencoder.pt"), "--recogniser", str(tmp_path / "small.safetensors")]
    command = ["train", "denoiser", "--data", str(prepared), "--out", str(tmp_path), "--steps=1", "--batch=2", *inputs]
    assert main(command) == 0
    config, weights = read_checkpoint(tmp_path / "mini.safetensors")
    assert config.recognisers == ("small",) and config.identity_size == 16
    assert config.latent_scale == trained[1]["scale"] and len(config.latent_rgb) == config.latent_channels == 16
    fill(Denoiser(config).unet, weights["unet"], "denoiser")
    conditioner = fill(Conditioner(config), weights["conditioner"], "conditioner")
    assert 0 < conditioner.neutral.max() <= 1 and conditioner.spread.min() > 0.02
    for key, value in trained[1]["weights"].items():
        torch.testing.assert_close(weights["vae"][key], value, atol=1e-3, rtol=1e-3)
    before = (tmp_path / "mini.safetensors").read_bytes()
    assert main(command) == 0 and (tmp_path / "mini.safetensors").read_bytes() == before  # it was at its end


def test_test_people_are_those_of_all_folders_together(prepared):
    assert len(everyone([prepared, prepared])) == 12
    names = [f"{i:02d}/a.jpg" for i in range(10)]
    assert training_rows(names) == list(range(9))
    assert training_rows(names, [f"{i:02d}{k}/a.jpg" for i in range(10) for k in "ab"]) == list(range(10))


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
