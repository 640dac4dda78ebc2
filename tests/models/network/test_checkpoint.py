import json

import pytest
import torch
from diffsfsr.models.conditions import Conditioner
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.checkpoint import (
    PARTS,
    fill,
    read_checkpoint,
    read_config,
    resolve_checkpoint,
    save_checkpoint,
)
from diffsfsr.models.network.denoiser import Denoiser
from safetensors import safe_open
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def parts(tiny):
    torch.manual_seed(0)
    vae = build_autoencoder(tiny.autoencoder_widths, tiny.autoencoder_layers, tiny.latent_channels, tiny.latent_scale)
    return {"unet": Denoiser(tiny).unet, "vae": vae, "conditioner": Conditioner(tiny)}


@pytest.fixture(scope="module")
def checkpoint(tiny, parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, tiny, parts, step=1234)
    return path


@pytest.fixture
def changed(checkpoint, tmp_path):
    """changed(tensors=, metadata=): the checkpoint with its tensors and metadata put through a function."""

    def write(tensors=lambda tensors: tensors, metadata=lambda metadata: metadata):
        path = tmp_path / "changed.safetensors"
        with safe_open(checkpoint, framework="pt") as file:
            said = file.metadata()
        save_file(tensors(load_file(checkpoint)), path, metadata=metadata(said))
        return path

    return write


def with_config(**changes):
    def change(metadata):
        return metadata | {"config": json.dumps(json.loads(metadata["config"]) | changes)}

    return change


def test_round_trip_to_half_precision(checkpoint, parts, tiny):
    config, weights = read_checkpoint(checkpoint)
    assert config == tiny == read_config(checkpoint)
    assert set(weights) == set(PARTS)
    for name, part in parts.items():
        own = part.state_dict()
        assert weights[name].keys() == own.keys()
        for key, value in own.items():
            assert weights[name][key].dtype == torch.float32
            torch.testing.assert_close(
                weights[name][key], value, atol=1e-3, rtol=1e-3, msg=lambda m, k=key: f"{k}: {m}"
            )


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float32])
def test_weights_may_be_had_as_the_file_has_them(parts, tiny, tmp_path, stored):
    save_checkpoint(tmp_path / "x.safetensors", tiny, parts, 0, dtype=stored)
    _, weights = read_checkpoint(tmp_path / "x.safetensors", dtype=None)
    assert {value.dtype for part in weights.values() for value in part.values()} == {stored}
    filled = fill(Denoiser(tiny).unet, weights["unet"], "denoiser").state_dict()
    for key, value in weights["unet"].items():
        assert filled[key].dtype == torch.float32 and torch.equal(filled[key], value.float()), key


def test_filled_networks_are_ready_to_use(checkpoint, tiny):
    _, weights = read_checkpoint(checkpoint, parts=("conditioner",))
    assert set(weights) == {"conditioner"}
    conditioner = fill(Conditioner(tiny), weights["conditioner"], "conditioner")
    assert torch.equal(conditioner.no_pose, weights["conditioner"]["no_pose"])
    assert not conditioner.training and not any(p.requires_grad for p in conditioner.parameters())


def test_file_says_what_it_is_to_anyone(checkpoint):
    with safe_open(checkpoint, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "diffsfsr-1" and metadata["step"] == "1234"
    assert json.loads(metadata["config"])["name"] == "tiny"


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_saved_or_none(part, parts, tiny, tmp_path):
    with pytest.raises(ValueError, match="got the parts .* want .*conditioner.*unet.*vae"):
        save_checkpoint(tmp_path / "x.safetensors", tiny, {k: v for k, v in parts.items() if k != part}, 0)


def test_unknown_key_is_named(changed):
    path = changed(tensors=lambda tensors: tensors | {"lora.up": torch.zeros(1)})
    with pytest.raises(ValueError, match='changed.safetensors has the unknown key "lora.up"'):
        read_checkpoint(path)


@pytest.mark.parametrize("change, words", [
    (lambda w: {k: v for k, v in w.items() if k != "no_pose"}, r"1 missing \['no_pose'\], 0 unexpected"),
    (lambda w: w | {"extra": torch.zeros(1)}, r"0 missing \[\], 1 unexpected \['extra'\]"),
    (lambda w: w | {"no_pose": torch.zeros(2, 32)}, r"1 of another shape \['no_pose'\]"),
])  # fmt: skip
def test_weights_must_fit_exactly(checkpoint, tiny, change, words):
    weights = read_checkpoint(checkpoint)[1]["conditioner"]
    with pytest.raises(ValueError, match="weights of the conditioner do not fit.*" + words):
        fill(Conditioner(tiny), change(weights), "conditioner")


def test_unknown_config_key_is_named(changed):
    with pytest.raises(ValueError, match=r"unknown keys \['depth'\] and lacks \[\].*update the pack"):
        read_config(changed(metadata=with_config(depth=3)))


def test_missing_config_key_is_named(changed):
    def without_frame(metadata):
        config = json.loads(metadata["config"])
        del config["frame"]
        return metadata | {"config": json.dumps(config)}

    with pytest.raises(ValueError, match=r"lacks \['frame'\]"):
        read_config(changed(metadata=without_frame))


@pytest.mark.parametrize("config", [None, "{widths: 3"])
def test_unreadable_config_is_refused(changed, config):
    def spoil(metadata):
        return {"format": metadata["format"]} | ({"config": config} if config else {})

    with pytest.raises(ValueError, match="cannot read the config in changed.safetensors as JSON"):
        read_config(changed(metadata=spoil))


@pytest.mark.parametrize("kept", [0, 5, 100, 0.5, 0.999])
def test_incomplete_file_is_refused(checkpoint, tmp_path, kept):
    content, path = checkpoint.read_bytes(), tmp_path / "half.safetensors"
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(ValueError, match="cannot read the checkpoint half.safetensors.*get it again"):
        read_checkpoint(path)


def test_text_file_is_refused(tmp_path):
    path = tmp_path / "notes.safetensors"
    path.write_text("<!DOCTYPE html><title>Not found</title>" * 20)
    with pytest.raises(ValueError, match="cannot read the checkpoint notes.safetensors"):
        read_config(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_foreign_safetensors_is_refused(tmp_path, metadata):
    path = tmp_path / "sd15.safetensors"
    save_file({"model.diffusion_model.x": torch.zeros(1)}, path, metadata=metadata)
    with pytest.raises(ValueError, match='sd15.safetensors is no checkpoint of this pack.*want "diffsfsr-1"'):
        read_checkpoint(path)


@pytest.mark.parametrize("change", [
    {"context": 64}, {"widths": [64, 64]}, {"widths": [32, 64, 64], "attention": [True] * 3}, {"layers": 2},
    {"identity_tokens": 3}, {"autoencoder_widths": [32, 32, 32, 4096]},
])  # fmt: skip
def test_config_of_other_networks_is_refused_before_they_are_built(changed, change):
    with pytest.raises(ValueError, match="the weights of changed.safetensors do not fit its config"):
        read_checkpoint(changed(metadata=with_config(**change)))


def test_weights_that_are_no_numbers_are_refused(changed):
    def spoil(tensors):
        return tensors | {"conditioner.no_pose": torch.full_like(tensors["conditioner.no_pose"], torch.nan)}

    with pytest.raises(ValueError, match='NaN or infinite numbers in "conditioner.no_pose"'):
        read_checkpoint(changed(tensors=spoil))


def test_names_resolve_to_files(checkpoint):
    assert resolve_checkpoint(checkpoint) == checkpoint
    with pytest.raises(FileNotFoundError, match='no checkpoint "giant"; give the path'):
        resolve_checkpoint("giant")
