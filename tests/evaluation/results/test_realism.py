"""The judge of realism: what it reads, and that it tells soft pictures from photographs."""

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.evaluation.judges.clip import FILE, Clip, read_weights
from diffsfsr.evaluation.people import find_people
from diffsfsr.evaluation.results.realism import distance, features, halves, run
from diffsfsr.models.faces.mesh import FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.pictures import read_picture, to_pil

judged = pytest.mark.skipif(not FILE.is_file(), reason="the judge of realism is not installed; run `make judges`")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Six selfies, and the same without what is fine."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("photos", "soft"):
        (folder / name).mkdir()
    for number in range(1, 7):
        picture = read_picture(find_people() / f"P{number:03d}" / "assets" / "amateur_selfie.jpg")[None]
        picture = F.interpolate(picture[..., : picture.shape[-1], :], size=384, mode="bicubic", antialias=True)
        soft = F.interpolate(F.avg_pool2d(picture, 8), size=384, mode="bicubic", align_corners=False)
        for name, each in (("photos", picture), ("soft", soft)):
            to_pil(each[0].clamp(-1, 1)).save(folder / name / f"{number}.png")
    (folder / "empty").mkdir()
    return folder


@judged
def test_soft_faces_are_farther_from_photographs_than_halves_of_them(folders):
    mesh, clip = FaceMesh.load(find_task_file()), Clip.load()
    photos, soft = (features(folders / name, mesh, clip) for name in ("photos", "soft"))
    assert photos.shape == (6, 512) and torch.allclose(photos.norm(dim=1), torch.ones(6), atol=1e-4)
    assert distance(soft, photos) > 0.5 and distance(soft, photos) > 3 * abs(halves(photos))
    with pytest.raises(ValueError, match="got 0 faces in .*empty, want two or more"):
        features(folders / "empty", mesh, clip)


@judged
def test_weights_that_do_not_fit_are_refused():
    weights = read_weights(FILE)
    del weights["vision_model.encoder.layers.3.mlp.fc1.weight"]
    with pytest.raises(ValueError, match="make judges"):
        Clip(weights)


def test_the_distance_is_that_of_the_means_for_sets_that_are_close():
    """For a Gaussian much wider than the sets the kernel is linear: ten times the squared distance of the means."""
    generator = torch.Generator().manual_seed(0)
    first, second = (F.normalize(torch.randn(400, 32, generator=generator) + shift, dim=1) for shift in (0.0, 0.3))
    apart = (first.double().mean(0) - second.double().mean(0)).square().sum()
    assert abs(distance(first, second) / (10 * apart) - 1) < 0.1
    assert abs(distance(first[:200], first[200:])) < 0.1 * distance(first, second)


def test_missing_judge_and_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="make judges"):
        Clip.load(tmp_path / "clip.onnx")
    if FILE.is_file():
        with pytest.raises(FileNotFoundError, match="no folder .*nothing"):
            run([], tmp_path / "nothing")
