import copy
import json
from types import SimpleNamespace

import pytest
import torch
from diffsfsr.models.faces.mesh import BLENDSHAPES
from diffsfsr.models.masks import face_mask
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.denoiser import shrink_mask
from diffsfsr.training.data.dataset import Dataset, join
from diffsfsr.training.data.encode import Encoding, backgrounds_of, encode_shards, encoded, mirror_order, number_of
from diffsfsr.training.data.prepare import prepare
from diffsfsr.training.data.shards import Shards, pictures_named, write_shard
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
def encoding(autoencoder, small):
    def with_changes(**changes) -> Encoding:
        values = {"autoencoder": autoencoder, "recognisers": nn.ModuleDict({"small": small}), "light": False}
        return Encoding(**values | changes)

    return with_changes


@pytest.fixture(scope="module")
def encode(prepared, encoding):
    def run(folder=prepared, place=0, **changes) -> Dataset:
        return join(list(encode_shards(folder, encoding(**changes), place, lambda person: person != "P002")))

    return run


@pytest.fixture(scope="module")
def data(encode):
    return encode()


def same(a: Dataset, b: Dataset) -> bool:
    return a.names == b.names and all(torch.equal(value, b.tensors[name]) for name, value in a.tensors.items())


def test_light_is_all_that_differs_and_its_tone_is_drawn_from_the_seed(data, encode):
    lit = encode(light=True)
    changed = {name for name, value in data.tensors.items() if not torch.equal(value, lit.tensors[name])}
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
    assert data.names == ("0:P001/0.jpg", "0:P001/1.jpg", "0:P003/0.jpg", "0:P003/1.jpg") * 2
    one, other = number_of("P001"), number_of("P003")
    assert (
        data.person.tolist() == [one, one, other, other] * 2
        and one != other
        and data.copy.tolist() == [False] * 4 + [True] * 4
    )
    assert data.latents.shape == data.background.shape == (8, 4, 16, 16) and data.latents.dtype == torch.float16
    assert data.mask.shape == data.inside.shape == (8, 1, 16, 16)
    assert data.identity.shape == (8, 16) and data.blendshapes.shape == (8, 51) and data.pose.shape == (8, 3)


def test_varied_pictures_differ_in_colours_and_masks_alone(data, encode):
    varied = encode(variations=2)
    assert same(varied.subset(torch.arange(8)), data)
    again = varied.subset(torch.arange(8, 16))
    assert again.copy.all()
    changed = {name for name, value in data.tensors.items() if not torch.equal(value, again.tensors[name])}
    assert changed == {"latents", "background", "mask", "copy"} and data.names == again.names


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
    crops = pictures_named([prepared], data.names, "crop")
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
    shards = Shards(prepared)
    tensors = {key: shards.rows(key, [0, 0, 0, 2, 2, 2]) for key in shards.keys}
    face = face_mask(tensors["points"], 128, 0.0, 0.0) > 0
    colours = torch.arange(1, 7, dtype=torch.uint8).view(6, 1, 1, 1) * 40
    tensors["crop"] = torch.where(face, colours, tensors["crop"])
    tensors["crop"][4, :, :16, :16] = 255 - tensors["crop"][4, :, :16, :16]
    tensors["pose"] = torch.arange(18.0).view(6, 3)
    tensors["blendshapes"] = torch.rand(6, 51, generator=torch.Generator().manual_seed(0))
    people = (0, 1, 2, 2, 1, 0)
    tensors |= {"identity": torch.tensor(people), "expression": torch.arange(6)}
    tensors["scene"] = torch.tensor([7, 7, 7, 9, 9, 9])
    tensors["owner"] = torch.tensor([0, 1, 0, 1, 0, 0], dtype=torch.uint8)
    folder = tmp_path_factory.mktemp("rendered")
    names = json.dumps([f"rendered_{person}/{i}" for i, person in enumerate(people)])
    save_file(tensors, folder / "00000.safetensors", metadata={"names": names})
    return folder, tensors


@pytest.fixture(scope="module")
def rendered(encode, scenes):
    return encode(autoencoder=Average(), mirror=False, folder=scenes[0], place=3)


def test_a_rendered_picture_is_the_answer_to_another_face_in_its_scene(rendered, scenes):
    tensors = scenes[1]
    given = (rendered.pose[:, 0] / 3).long()  # whose head pose it is
    assert given.tolist() == [1, 1, 1, 3, 3, 3]
    latents = nn.functional.avg_pool2d(tensors["crop"].float() / 127.5 - 1, 8)
    torch.testing.assert_close(rendered.latents.float(), latents, atol=1e-2, rtol=0)
    around = (nn.functional.max_pool2d(rendered.mask, 3, 1, 1) == 0).expand_as(latents)
    torch.testing.assert_close(rendered.background.float()[around], latents[given][around], atol=1e-2, rtol=0)
    assert torch.equal(rendered.blendshapes, tensors["blendshapes"])  # the answer's own
    numbers = [number_of(f"3:rendered_{person}") for person in (0, 1, 2, 2, 1, 0)]  # of folder 3, in no other
    assert rendered.person.tolist() == numbers and (rendered.style == 1).all()


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


@pytest.fixture
def folders(prepared, tmp_path):
    """Two prepared folders with the same two photos, the other way round in the second."""
    shards = Shards(prepared)
    names = ["P001/0.jpg", "P003/1.jpg"]
    rows = [{key: shards.rows(key, [shards.names.index(name)])[0] for key in shards.keys} for name in names]
    for folder, step in (("one", 1), ("other", -1)):
        (tmp_path / folder).mkdir()
        write_shard(tmp_path / folder / "00000.safetensors", rows[::step], names[::step])
    return [tmp_path / "one", tmp_path / "other"]


def test_pictures_are_found_by_their_names_whatever_their_order(folders):
    names = ["1:P001/0.jpg", "0:P003/1.jpg", "1:P003/1.jpg", "0:P001/0.jpg"]
    crops = pictures_named(folders, names, "crop")
    assert torch.equal(crops[0], crops[3]) and torch.equal(crops[1], crops[2]) and not torch.equal(crops[0], crops[1])


class TestEncoded:
    def test_what_was_encoded_is_taken_from_the_cache(self, folders, encoding, tmp_path):
        first = encoded(folders, encoding(), tmp_path / "cache")
        written = (tmp_path / "cache").stat().st_mtime_ns
        assert same(encoded(folders, encoding(), tmp_path / "cache"), first)
        assert (tmp_path / "cache").stat().st_mtime_ns == written

    def test_whatever_changes_it_is_encoded_anew(self, folders, encoding, autoencoder, small, tmp_path, capsys):
        cache = tmp_path / "cache"
        encoded(folders[1:], encoding(), cache)
        shaken = copy.deepcopy(autoencoder)  # of the same shape
        shaken.encoder.conv_in.weight += 0.1
        changes = {
            "variations (1 before, 2 now)": encoding(variations=2),
            "light (False before, True now)": encoding(light=True),
            "autoencoder (another": encoding(autoencoder=shaken),
            "recogniser small (another before, none now)": encoding(recognisers=nn.ModuleDict({"other": small})),
        }
        for words, changed in changes.items():
            data = encoded(folders[1:], changed, cache)
            assert words in capsys.readouterr().out and len(Dataset.load(cache)) == len(data)
        encoded(folders[1:], encoding(mirror=False), cache)
        capsys.readouterr()
        data = encoded(folders[:1], encoding(mirror=False), cache)  # the same photos in another order
        assert "shards of folder 0" in capsys.readouterr().out and data.names[0] == "0:P001/0.jpg"

    def test_a_folder_that_is_not_there_is_no_reason_to_take_an_old_cache(self, folders, encoding, tmp_path):
        encoded(folders[1:], encoding(), tmp_path / "cache")
        with pytest.raises(ValueError, match="nowhere holds no prepared photos"):
            encoded([tmp_path / "nowhere"], encoding(), tmp_path / "cache")

    @pytest.mark.parametrize("old", ["another version", "broken"])
    def test_a_cache_that_cannot_be_read_is_said_to_be_one(self, folders, encoding, tmp_path, capsys, old):
        cache = tmp_path / "dataset.safetensors"
        save_file({"latents": torch.zeros(1)}, cache)
        if old == "broken":
            cache.write_bytes(cache.read_bytes()[:20])
        with pytest.raises(ValueError, match="another version of this pack|cannot read"):
            Dataset.load(cache)
        data = encoded(folders[1:], encoding(), cache)
        assert "encoded anew" in capsys.readouterr().out and same(Dataset.load(cache), data)
