import json
from dataclasses import fields
from types import SimpleNamespace

import pytest
import torch
from diffsfsr.models.faces.mesh import BLENDSHAPES
from diffsfsr.models.masks import face_mask
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.denoiser import shrink_mask
from diffsfsr.training.data.dataset import Dataset, backgrounds_of, encode_shards, join, mirror_order
from diffsfsr.training.data.prepare import load_shards, prepare
from safetensors.torch import save_file
from torch import nn


@pytest.fixture(scope="module")
def prepared(photos, face_mesh, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    list(prepare(photos, out, face_mesh))
    return out


@pytest.fixture(scope="module")
def autoencoder(tiny):
    torch.manual_seed(0)
    return build_autoencoder(tiny.autoencoder_widths, 1, tiny.latent_channels, 1.0).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encode(prepared, autoencoder, small):
    def run(**changes) -> Dataset:
        values = {"autoencoder": autoencoder, "leave_out": {"P002"}, "people": {"P001": 0, "P002": 1, "P003": 2}}
        values |= {"folder": prepared, "recognisers": nn.ModuleDict({"small": small})}
        return encode_shards(**values | changes)

    return run


@pytest.fixture(scope="module")
def data(encode):
    return encode()


def same(a: Dataset, b: Dataset) -> bool:
    return all(torch.equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(Dataset))


def test_light_is_all_that_differs_and_its_tone_is_drawn_from_the_seed(data, encode):
    lit = encode(light=True)
    changed = {
        field.name for field in fields(Dataset) if not torch.equal(getattr(data, field.name), getattr(lit, field.name))
    }
    assert changed == {"background"} and same(lit, encode(light=True)) and not same(lit, encode(light=True, seed=1))


def test_mirrored_twice_is_the_same_face():
    order = mirror_order()
    assert sorted(order) == list(range(51)) and [order[i] for i in order] == list(range(51))


def test_mirroring_swaps_sides_and_nothing_else():
    mirrored = {name: BLENDSHAPES[i] for name, i in zip(BLENDSHAPES, mirror_order(), strict=True)}
    assert mirrored["eyeBlinkLeft"] == "eyeBlinkRight" and mirrored["jawRight"] == "jawLeft"
    assert mirrored["eyeLookInLeft"] == "eyeLookInRight" and mirrored["jawOpen"] == "jawOpen"
    assert sum(name == other for name, other in mirrored.items()) == sum(
        not name.endswith(("Left", "Right")) for name in BLENDSHAPES
    )


def test_every_photo_of_a_training_person_is_there_twice(data):
    assert data.person.tolist() == [0, 0, 2, 2] * 2 and data.copy.tolist() == [False] * 4 + [True] * 4
    assert data.latents.shape == data.background.shape == (8, 4, 16, 16) and data.latents.dtype == torch.float16
    assert data.mask.shape == data.inside.shape == (8, 1, 16, 16)
    assert data.identity.shape == (8, 16) and data.blendshapes.shape == (8, 51) and data.pose.shape == (8, 3)


def test_varied_pictures_differ_in_colours_and_masks_alone(data, encode):
    varied = encode(variations=2)
    assert same(varied.subset(torch.arange(8)), data)
    again = varied.subset(torch.arange(8, 16))
    assert again.copy.all()
    names = [field.name for field in fields(Dataset)]
    changed = {name for name in names if not torch.equal(getattr(data, name), getattr(again, name))}
    assert changed == {"latents", "background", "mask", "copy"}


def test_a_varied_scene_changes_as_its_answer_does(encode):
    data = encode(autoencoder=Average(), variations=2)
    around = (nn.functional.max_pool2d(data.mask, 3, 1, 1) == 0).expand_as(data.latents)
    assert torch.equal(data.background[around], data.latents[around])


def test_mirrored_codes_are_those_of_the_mirrored_photo(data):
    photo, mirrored = data.subset(torch.arange(4)), data.subset(torch.arange(4, 8))
    assert torch.equal(mirrored.blendshapes, photo.blendshapes[:, mirror_order()])
    assert torch.equal(mirrored.pose, photo.pose * torch.tensor([-1.0, 1.0, -1.0]))
    assert torch.equal(mirrored.inside, photo.inside.flip(-1))
    overlap = (mirrored.mask * photo.mask.flip(-1)).sum((1, 2, 3)) / mirrored.mask.sum((1, 2, 3))
    assert overlap.min() > 0.6  # each has an outline of its own
    assert not torch.equal(mirrored.identity, photo.identity)


class Average(nn.Module):
    """An autoencoder whose latents are the means of 8x8 pixels."""

    def encode(self, x):
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: nn.functional.avg_pool2d(x, 8)))


def test_background_hides_the_face_and_nothing_else(encode):
    data = encode(autoencoder=Average())
    face = -nn.functional.max_pool2d(-nn.functional.pad(data.mask, (1, 1, 1, 1)), 3, 1) > 0  # well inside the mask
    around = nn.functional.max_pool2d(data.mask, 3, 1, 1) == 0
    face, around = face.expand_as(data.latents), around.expand_as(data.latents)
    assert face.any() and around.any()
    assert not data.background[face].any() and (data.latents[face] != 0).float().mean() > 0.9
    assert torch.equal(data.background[around], data.latents[around])


def test_latents_are_those_of_the_crop(encode, prepared):
    data = encode(autoencoder=Average(), mirror=False)
    names, shards = load_shards(prepared)
    crops = shards["crop"][[i for i, name in enumerate(names) if not name.startswith("P002")]]
    torch.testing.assert_close(
        data.latents.float(), nn.functional.avg_pool2d(crops.float() / 127.5 - 1, 8), atol=1e-2, rtol=0
    )


def test_the_seed_alone_decides(data, encode):
    assert same(encode(), data) and not torch.equal(encode(seed=1).mask, data.mask)


def test_saved_and_loaded_it_is_the_same(data, tmp_path):
    data.save(tmp_path / "dataset.safetensors")
    assert same(Dataset.load(tmp_path / "dataset.safetensors"), data)


@pytest.fixture(scope="module")
def scenes(prepared, tmp_path_factory):
    """Two scenes with three pictures each: photos whose faces have other colours; in one, a corner, too."""
    _, photos = load_shards(prepared)
    rows, tensors = [0, 0, 0, 2, 2, 2], {}
    for key, value in photos.items():
        tensors[key] = value[rows].clone()
    face = face_mask(tensors["points"], 128, 0.0, 0.0) > 0
    colours = torch.arange(1, 7, dtype=torch.uint8).view(6, 1, 1, 1) * 40
    tensors["crop"] = torch.where(face, colours, tensors["crop"])
    tensors["crop"][4, :, :16, :16] = 255 - tensors["crop"][4, :, :16, :16]
    tensors["pose"] = torch.arange(18.0).view(6, 3)
    tensors["blendshapes"] = torch.rand(6, 51, generator=torch.Generator().manual_seed(0))
    tensors |= {"identity": torch.tensor([0, 1, 2, 2, 1, 0]), "expression": torch.arange(6)}
    tensors["scene"] = torch.tensor([7, 7, 7, 9, 9, 9])
    tensors["owner"] = torch.tensor([0, 1, 0, 1, 0, 0], dtype=torch.uint8)
    folder = tmp_path_factory.mktemp("rendered")
    names = json.dumps([f"render/{i}" for i in range(6)])
    save_file(tensors, folder / "00000.safetensors", metadata={"names": names})
    return folder, tensors


@pytest.fixture(scope="module")
def rendered(encode, scenes):
    return encode(autoencoder=Average(), mirror=False, folder=scenes[0], rendered_people=100)


def test_a_rendered_picture_is_the_answer_to_another_face_in_its_scene(rendered, scenes):
    tensors = scenes[1]
    given = (rendered.pose[:, 0] / 3).long()  # whose head pose it is
    assert given.tolist() == [1, 1, 1, 3, 3, 3]
    latents = nn.functional.avg_pool2d(tensors["crop"].float() / 127.5 - 1, 8)
    torch.testing.assert_close(rendered.latents.float(), latents, atol=1e-2, rtol=0)
    around = (nn.functional.max_pool2d(rendered.mask, 3, 1, 1) == 0).expand_as(latents)
    torch.testing.assert_close(rendered.background.float()[around], latents[given][around], atol=1e-2, rtol=0)
    assert torch.equal(rendered.blendshapes, tensors["blendshapes"])  # the answer's own
    assert rendered.person.tolist() == [100, 101, 102, 102, 101, 100] and (rendered.style == 1).all()


def test_both_faces_fit_into_the_mask_and_only_what_disagrees_outside_counts_nothing(rendered, scenes):
    tight = shrink_mask(face_mask(scenes[1]["points"], 128, 0.0, 0.0))
    assert (rendered.mask >= tight).all()
    odd = torch.arange(6) == 4
    assert (rendered.agrees[odd][..., :2, :2] == 0).all() and rendered.agrees[odd].sum() == odd.sum() * (256 - 4)
    assert (rendered.agrees[~odd] == 1).all()


def test_scenes_without_a_background_are_left_out():
    owner = torch.tensor([0, 1, 0, 1, 0], dtype=torch.uint8)
    assert backgrounds_of(torch.tensor([5, 5, 7, 6, 6]), owner).tolist() == [1, 1, -1, 3, 3]


def test_joined_they_follow_each_other(data):
    both = join([data.subset(torch.tensor([0, 1])), data.subset(torch.tensor([5]))])
    assert len(both) == 3 and same(both, data.subset(torch.tensor([0, 1, 5])))
