"""Rendered pictures."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffsfsr.models.faces.mesh import BLENDSHAPES
from diffsfsr.models.frames import FRAMES, five_points
from diffsfsr.rendering import renderer
from diffsfsr.rendering.portraits import PORTRAITS
from diffsfsr.rendering.render import GROUP, PEOPLE, SCENES, Stage, render
from diffsfsr.rendering.scenes import studio
from diffsfsr.rendering.studio import Studio, shrink
from diffsfsr.training.data.photos import person_of
from diffsfsr.training.data.shards import Shards
from safetensors import safe_open

CLI = Path(__file__).parents[2] / "cli.py"
SMILE = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
ANGER = {"browDownLeft": 1.0, "browDownRight": 1.0}


pytestmark = pytest.mark.usefixtures("opengl")


@pytest.fixture(scope="module")
def place() -> Studio:
    return Studio(256)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    out = tmp_path_factory.mktemp("rendered")
    progress = list(render(out, GROUP + 1, seed=5))
    return out, progress


@pytest.fixture(scope="module")
def shards(rendered):
    found = Shards(rendered[0])
    return found.names, {key: found.all(key) for key in found.keys}


def portrait(name: str, actions: dict[str, float], place: Studio) -> torch.Tensor:
    """(3, 256, 256) in [-1, 1], in FFHQ's frame as the neutral face lies in it."""
    person, hair = PORTRAITS[name]
    place.enter(studio(hair), person)
    matrix = place.alignment(place.geometry(person, {}), FRAMES["ffhq-256"])
    pixels = shrink(place.draw(place.geometry(person, actions), person, actions, matrix), place.samples)
    return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1


def reading(face_mesh, picture) -> dict[str, float]:
    return dict(zip(BLENDSHAPES, face_mesh.find(picture, 1)[0].blendshapes.tolist(), strict=True))


@pytest.mark.parametrize("name", list(PORTRAITS))
def test_the_mesh_reads_what_a_portrait_does(name, place, face_mesh):
    still, smiling, angry = (reading(face_mesh, portrait(name, actions, place)) for actions in ({}, SMILE, ANGER))
    assert smiling["mouthSmileLeft"] > still["mouthSmileLeft"] + 0.4
    assert angry["browDownLeft"] > still["browDownLeft"] + 0.3


def test_a_portrait_is_the_same_every_time_and_in_range(place):
    first, second = (portrait("ines", SMILE, place) for _ in range(2))
    assert first.shape == (3, 256, 256) and first.min() >= -1 and first.max() <= 1 and torch.equal(first, second)


def test_portraits_are_aligned_in_their_frame(place, face_mesh):
    points = five_points(face_mesh.find(portrait("anders", {}, place), 1)[0].points)
    assert (points - torch.tensor(FRAMES["ffhq-256"].points)).abs().max() < 12


def test_a_group_is_drawn_whole_into_a_shard_like_those_of_photos(rendered, shards):
    out, progress = rendered
    names, data = shards
    assert progress[-1].done == 2 * GROUP and progress[-1].kept == len(names) == len(data["crop"])
    assert data["crop"].shape[1:] == (3, 128, 128) and data["face"].shape[1:] == (3, 112, 112)
    assert data["points"].shape[1:] == (478, 2) and data["blendshapes"].shape[1:] == (51,)
    assert data["pose"].shape[1:] == (3,) and data["inside"].min() == 1
    assert data["crop"].dtype == data["face"].dtype == torch.uint8
    assert [person_of(name) for name in names] == [f"rendered_{number:06d}" for number in data["identity"].tolist()]
    assert len(set(names)) == len(names)


def test_reasons_are_given_for_what_is_left_out(rendered, shards):
    rejects = json.loads((rendered[0] / "rejects.json").read_text())["rejects"]
    assert len(rejects) == 2 * GROUP - len(shards[0]) and not set(rejects) & set(shards[0])


def test_numbers_say_who_is_where_and_each_scene_has_one_owner(shards):
    data = shards[1]
    assert data["identity"].max() < 2 * PEOPLE and set(data["scene"].tolist()) == set(range(2 * SCENES))
    for scene in data["scene"].unique():
        rows = data["scene"] == scene
        assert data["owner"][rows].sum() == 1 and len(data["identity"][rows].unique()) > 1
    owners = data["owner"].bool()
    places = data["points"][owners][:, (468, 473, 4, 61, 291)].mean(1)
    assert (places - torch.tensor(FRAMES["mini-128"].points).mean(0)).abs().max() < 2


def test_pictures_of_a_scene_agree_outside_of_the_face(shards):
    data = shards[1]
    for scene in data["scene"].unique():
        crops = data["crop"][data["scene"] == scene].float()
        assert (crops[:, :, :20, :6] - crops[:1, :, :20, :6]).abs().mean() < 2  # a corner of the background


def test_a_face_is_read_where_it_is_shown(shards, face_mesh):
    data = shards[1]
    for row in range(0, len(data["crop"]), 5):
        picture = data["crop"][row].float() / 127.5 - 1
        wide = torch.nn.functional.pad(picture[None], (64,) * 4, mode="replicate")
        found = face_mesh.find(wide, 1)[0].points[:, :2] - 64
        assert (found - data["points"][row]).norm(dim=-1).mean() < 3


def test_run_again_it_goes_on_and_draws_the_same(rendered, tmp_path):
    out = rendered[0]
    assert list(render(out, 2 * GROUP, seed=5)) == []
    with pytest.raises(ValueError, match="seed 5, frame mini-128, got seed 6"):
        next(render(out, GROUP, seed=6))
    with pytest.raises(ValueError, match="frame mini-128, got seed 5, frame ffhq-256"):
        next(render(out, GROUP, seed=5, frame="ffhq-256"))
    again = dict(Stage(5, FRAMES["mini-128"]).group(1))
    found = Shards(out)
    for name, row in again.items():
        if isinstance(row, dict):
            assert torch.equal(found.rows("crop", [found.names.index(name)])[0], row["crop"])


def test_larger_frames_have_true_answers_of_the_same_heads(shards, face_mesh):
    """The same people, turned and lit in the same way, twice as large: what is read of them is nearly the same."""
    names, small = shards
    first_scene = itertools.islice(Stage(5, FRAMES["ffhq-256"]).group(0), GROUP // SCENES)
    found = {name: row for name, row in first_scene if isinstance(row, dict)}
    both = [name for name in found if name in names]
    assert len(both) >= 3 and all(row["crop"].shape == (3, 256, 256) for row in found.values())
    for name in both:
        row, i = found[name], names.index(name)
        assert (row["pose"] - small["pose"][i]).abs().max() < 5
        assert (row["blendshapes"] - small["blendshapes"][i]).abs().mean() < 0.05
        assert (row["face"].float() - small["face"][i]).abs().mean() < 12
    owners = [row for row in found.values() if row["owner"]]
    places = torch.stack([five_points(row["points"][None])[0].mean(0) for row in owners])
    assert (places - torch.tensor(FRAMES["ffhq-256"].points).mean(0)).abs().max() < 4


def test_wrong_counts_are_named(tmp_path):
    with pytest.raises(ValueError, match="got 0 pictures"):
        next(render(tmp_path, 0))


def test_without_egl_the_error_says_what_to_install():
    program = f"""
import runpy
runpy.run_path({str(CLI)!r})
from diffsfsr.rendering.renderer import open_context
try:
    open_context()
except ImportError as error:
    print(error)
"""
    nowhere = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nowhere"}
    run = subprocess.run([sys.executable, "-c", program], env=os.environ | nowhere, capture_output=True, text=True)
    assert "apt-get install libegl1" in run.stdout


def test_shards_name_their_pictures(rendered):
    for path in rendered[0].glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            assert len(json.loads(file.metadata()["names"])) == len(file.get_tensor("crop"))


def test_noise_is_even(place):
    noise = renderer.noise_texture(64)
    assert np.allclose(noise.mean((0, 1)), 0.5, atol=0.01) and noise.min() >= 0 and noise.max() <= 1
