"""Photos of people as the painter is shown them: whose they are, where they lie, and what they may not tell."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.appearance.shape import ShapeModel
from diffsfsr.models.faces.mesh import BLENDSHAPES
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.pixels import from_bytes
from diffsfsr.training.data.elsewhere import Faces, as_taken_elsewhere, carry_away
from diffsfsr.training.data.encode import Encoding, encode_shards, photos_of
from diffsfsr.training.data.prepare import prepare
from diffsfsr.training.data.selfies import Selfies
from diffsfsr.training.data.shards import Shards

SMILE = BLENDSHAPES.index("mouthSmileLeft")


@pytest.fixture(scope="module")
def prepared(photos, face_mesh, tmp_path_factory) -> Shards:
    out = tmp_path_factory.mktemp("prepared")
    list(prepare(photos, out, face_mesh))
    return Shards(out)


@pytest.fixture(scope="module")
def selfies(face_mesh) -> Selfies:
    return Selfies(face_mesh, ShapeModel.load(), "mini-128")


@pytest.fixture(scope="module")
def faces(prepared, selfies) -> Faces:
    """P001 neutral, P001 smiling, P002 neutral, P002 smiling"""
    return selfies.read(from_bytes(prepared.rows("crop", range(4))), prepared.rows("blendshapes", range(4)))


def generator(seed=0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def show(selfies, faces, photos, answers, carried, seed=0):
    carried = torch.tensor([carried] * len(answers))
    return selfies.show(faces[photos], carried, faces[answers], faces[answers].blendshapes, generator(seed))


def test_a_photo_that_is_the_answer_lies_where_the_answer_does(selfies, faces):
    """Under its own light it would be the answer itself."""
    picture, trust, edge = show(selfies, faces, [1, 2], [1, 2], False)
    inner = F.avg_pool2d(edge, 5, 1, 2) > 0.99
    shift = {}
    for name, at in {"here": (0, 0), "beside": (0, 2), "below": (2, 0)}.items():
        moved = picture.roll(at, (2, 3))
        own, other = (F.avg_pool2d(x.mean(1, keepdim=True), 9, 1, 4) for x in (moved, faces.pictures[1:3]))
        own, other = moved.mean(1, keepdim=True) - own, faces.pictures[1:3].mean(1, keepdim=True) - other
        shift[name] = (torch.where(inner, own * other, 0).sum() / (own * own * inner).sum().sqrt()).item()
    assert shift["here"] > 1.3 * max(shift["beside"], shift["below"])
    assert trust[edge > 0.99].mean() > 0.8 and (trust[edge == 0] == 0).all()


def test_of_the_answer_only_place_and_expression_reach_another_photo(selfies, faces):
    others, own = dataclasses.replace(faces, pictures=faces.pictures.flip(1)), torch.zeros(2, dtype=torch.bool)
    seen = [
        selfies.show(faces[[0, 2]], own, there[[1, 3]], there[[1, 3]].blendshapes, generator())
        for there in (faces, others)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


def test_a_photo_takes_on_the_answers_expression(selfies, faces, face_mesh):
    """The neutral photo of a person whose answer smiles."""
    picture, _, edge = show(selfies, faces, [0, 2], [1, 3], False)
    shown = torch.lerp(faces.pictures[[1, 3]], picture, edge)
    smile = selfies.mesh(shown)[1][:, SMILE]
    assert (smile > faces.blendshapes[[0, 2], SMILE] + 0.3).all()


def test_what_is_carried_away_does_what_the_other_does(selfies, faces):
    away = carry_away(faces[0], faces[3], selfies.finisher.shape, selfies.finisher.mesh, generator())
    assert torch.equal(away.blendshapes, faces[3].blendshapes)
    points, read = selfies.mesh(away.pictures)
    assert read[0, SMILE] > faces.blendshapes[0, SMILE] + 0.3
    assert (points - away.points)[0, :, :2].norm(dim=-1).mean() < 2  # of 128 pixels
    assert (away.points - faces.points[:1])[0, :, :2].norm(dim=-1).mean() > 1  # it is turned


def test_draws_follow_from_the_seed(selfies, faces):
    first, again, other = (show(selfies, faces, [0, 1], [0, 1], True, seed) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0]) and not torch.equal(first[0], other[0])


def test_elsewhere_everything_but_the_person_is_another():
    photo = torch.rand(1, 3, 64, 64, generator=generator()) * 2 - 1
    first, again, other = (as_taken_elsewhere(photo, generator(seed)) for seed in (0, 0, 1))
    assert first.shape == photo.shape and first.abs().max() <= 1
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_photo_is_another_one_of_the_person_as_often_as_asked():
    own = {row: [0, 1, 2] for row in range(3)} | {3: [3]}
    found = [photos_of([0, 3] * 500, own, generator(), chance) for chance in (0.0, 0.5, 1.0)]
    assert found[0] == [0, 3] * 500 and all(row == 3 for each in found for row in each[1::2])
    assert set(found[2][::2]) == {1, 2} and sum(row != 0 for row in found[1][::2]) == pytest.approx(250, abs=50)


def test_prepared_pictures_are_encoded_with_their_selfies(prepared, selfies, small, tiny):
    torch.manual_seed(0)
    autoencoder = build_autoencoder(tiny.autoencoder_widths, 1, tiny.latent_channels, 1.0).eval().requires_grad_(False)
    recognisers = torch.nn.ModuleDict({"small": small})

    def encode(made):
        encoding = Encoding(autoencoder, recognisers, False, made, mirror=False)
        (data,) = encode_shards(prepared.folder, encoding, 0, {"P001"}.__contains__)
        return data

    without, data = encode(None), encode(selfies)
    assert without.selfie.shape == without.trust.shape == (2, 0, 16, 16)
    assert data.selfie.shape == data.latents.shape and data.trust.shape == (2, 1, 16, 16)
    assert data.trust.min() == 0 and data.trust.amax((1, 2, 3)).min() > 0.8
    assert not torch.equal(data.selfie, data.latents)
