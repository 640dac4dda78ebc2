import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.evaluation.results.report import KEYS, report_one
from diffsfsr.models.codes import Expression
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.expression.library import MOVING, ExpressionLibrary
from diffsfsr.models.faces.mesh import BLENDSHAPES, FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.models.network.config import mini
from diffsfsr.models.network.denoiser import Denoiser
from diffsfsr.models.pictures import read_picture
from diffsfsr.models.pipeline import DiffSFSR


@pytest.fixture(scope="module")
def model() -> DiffSFSR:
    """Tiny and untrained but for the recogniser: only its encoders are asked."""
    recogniser = Recogniser.load(ASSETS / "resnet-face.safetensors")
    config = mini(
        recognisers=("resnet-face",), identity_size=recogniser.config["size"], latent_channels=4, widths=(32, 64),
        layers=1, heads=2, context=32, autoencoder_widths=(32, 32, 32, 32),
    )  # fmt: skip
    library = ExpressionLibrary.load(ASSETS / "expressions.json")
    encoders = Encoders(config, FaceMesh.load(find_task_file()), {"resnet-face": recogniser}, library)
    return DiffSFSR(encoders.eval().requires_grad_(False), Denoiser(config), build_autoencoder((32,) * 4, 1, 4, 1.0))


@pytest.fixture(scope="module")
def person():
    folder = Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated"

    def face(name: str) -> torch.Tensor:
        sheet = read_picture(folder / name / "assets" / "emotions_sheet.jpg")
        height, width = sheet.shape[1] // 4, sheet.shape[2] // 4
        square = sheet[None, :, :height, (width - height) // 2 :][..., :height]
        return F.interpolate(square, size=(240, 240), mode="bicubic", antialias=True)[0].clamp(-1, 1)

    return face


@pytest.fixture(scope="module")
def perfect(model, person):
    """What was asked for, and a result that is exactly it."""
    picture = person("P001")
    return picture, model.identity([picture]), model.expression(picture), model.background(picture)


def test_a_perfect_result_has_no_errors(model, perfect):
    report = report_one(model, *perfect)
    assert tuple(report) == KEYS and json.loads(json.dumps(report)) == report
    assert report == {"identity_cosine": pytest.approx(1, abs=1e-3), "expression_error": 0, "pose_error_deg": 0}


def test_another_face_is_less_like_the_person(model, perfect, person):
    _, identity, expression, background = perfect
    wide = F.pad(person("P003"), (3, 0, 0, 0), value=-1)[..., :240]
    assert report_one(model, wide, identity, expression, background)["identity_cosine"] < 0.8


def test_expression_error_is_the_mean_over_the_channels_that_move(model, perfect):
    picture, identity, expression, background = perfect

    def error(name):
        code = expression.code.clone()
        code[0, BLENDSHAPES.index(name)] += 0.39
        return report_one(model, picture, identity, Expression(code), background)["expression_error"]

    assert len(MOVING) == 39 and error("jawOpen") == pytest.approx(0.01, abs=1e-4)
    assert error("cheekPuff") == 0  # hardly moves on any photo, so it tells nothing


def test_pose_error_is_in_degrees_and_goes_around(model, perfect):
    picture, identity, expression, background = perfect

    def error(*turn):
        turned = dataclasses.replace(background, pose=background.pose + torch.tensor(turn))
        return report_one(model, picture, identity, expression, turned)["pose_error_deg"]

    assert error(6.0, -3.0, 0.0) == pytest.approx(3, abs=1e-3)
    assert error(0.0, 0.0, 357.0) == pytest.approx(1, abs=1e-3)


def test_no_face_no_numbers(model, perfect):
    assert report_one(model, torch.zeros(3, 240, 240), *perfect[1:]) == dict.fromkeys(KEYS)


def test_only_the_face_that_was_drawn_counts(model, perfect, person):
    """Beside it stands a larger one, and where it should be there may be none."""
    picture, identity, expression, background = perfect
    larger = F.interpolate(person("P003")[None, :, 60:220, 50:210], size=(240, 240), mode="bicubic")[0].clamp(-1, 1)
    report = report_one(model, torch.cat([picture, larger], dim=2), identity, expression, background)
    assert report["identity_cosine"] > 0.9 and report["pose_error_deg"] < 5
    alone = torch.cat([torch.zeros_like(picture), larger], dim=2)
    assert report_one(model, alone, identity, expression, background) == dict.fromkeys(KEYS)
