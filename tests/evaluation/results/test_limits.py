"""What photos of the same people reach: that it is what the judges say, and which judge is missing is named."""

import importlib.util

import pytest
import torch
from diffsfsr.evaluation.judges.clip import find_clip
from diffsfsr.evaluation.judges.networks import FOLDER
from diffsfsr.evaluation.people import LABELS, find_people
from diffsfsr.evaluation.results.limits import Eyes, reach, reaches, read_people
from diffsfsr.evaluation.results.realism import distance
from diffsfsr.models.pictures import read_picture


@pytest.fixture(scope="module")
def eyes(judges, face_mesh):
    clip = find_clip()
    if clip is None:
        pytest.skip("the judge of realism is not installed; run `make judges`")
    return Eyes(judges, clip, face_mesh)


@pytest.fixture(scope="module")
def people(eyes):
    return read_people(eyes, 2)


def test_a_persons_picture_beside_itself_is_the_same(people):
    selfies = [person.selfie for person in people]
    found = reach(people, selfies, selfies, [person.cells["neutral"] for person in people])
    assert found.distance == (0, 0, 0) and found.same == 1
    assert found.cosine is None or found.cosine == pytest.approx(1, abs=1e-5)
    assert found.from_scenes is None and found.from_neutral[0] > 0


def test_the_numbers_are_what_the_judges_say_of_the_files(eyes, people):
    found = reaches(people)
    assert list(found) == ["the selfie itself", "studio portrait", "neutral", *(f"acted {label}" for label in LABELS),
                           "acted, all four"]  # fmt: skip
    away, cosines = [], []
    for name in ("P001", "P002"):
        selfie, acted = (read_picture(find_people() / name / "assets" / f"{file}.jpg")
                         for file in ("amateur_selfie", "emotions_sheet"))  # fmt: skip
        height, width = (side // 4 for side in acted.shape[1:])
        angry = acted[:, :height, 3 * width :]  # the last of the first row
        one, other = (eyes.judges.read(x, eyes.mesh.find(x, limit=1)[0]) for x in (selfie, angry))
        away.append(float((one.identity - other.identity).norm()))
        cosines += [] if one.second is None else [float(one.second @ other.second)]
    assert found["acted anger"].distance == pytest.approx((sum(away) / 2, min(away), max(away)))
    assert found["acted anger"].same == sum(each < 0.6 for each in away) / 2
    assert found["acted anger"].cosine == (pytest.approx(sum(cosines) / 2) if cosines else None)


def test_all_four_are_of_all_photos_together(people):
    found = reaches(people)
    four, whole = [found[f"acted {label}"] for label in LABELS], found["acted, all four"]
    assert whole.distance[0] == pytest.approx(sum(each.distance[0] for each in four) / 4)
    photos = [person.cells[cell].features for cell in ("happy", "angry", "surprised", "sad") for person in people]
    scenes = torch.cat([person.portrait.features for person in people])
    assert whole.from_scenes[0] == pytest.approx(distance(torch.cat(photos), scenes))


def test_one_person_alone_is_refused(eyes):
    with pytest.raises(ValueError, match="got 1 people, want at least 2"):
        read_people(eyes, 1)


def test_missing_judges_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no judges in .*nowhere; run `make judges`"):
        Eyes.load(judges=tmp_path / "nowhere")
    if FOLDER.is_dir():
        with pytest.raises(FileNotFoundError, match="no judge of realism at .*; run `make judges`"):
            Eyes.load(clip=tmp_path / "clip.onnx")


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("anny", "moderngl")),
    reason="heads are not rendered without rendering/requirements.txt",
)
def test_a_head_that_rests_does_not_turn_and_one_that_acts_seems_to(judges, face_mesh):
    from diffsfsr.evaluation.results.unmoved import FRAME, drawn, picture, poses, turns
    from diffsfsr.models.expression.references import FILE, References
    from diffsfsr.models.network.checkpoint import ASSETS
    from diffsfsr.rendering.scenes import studio
    from diffsfsr.rendering.studio import Studio

    try:
        place = Studio(FRAME.size)
    except ImportError as error:
        pytest.skip(str(error))
    [(person, hair)] = heads = drawn(place, 1)
    found = turns(judges, face_mesh, place, References.load(ASSETS / FILE), heads)
    assert found.shape == (1, 4, 2) and 0.1 < found.mean() < 5
    place.enter(studio(hair), person)
    matrix = place.alignment(place.geometry(person, {}), FRAME)
    again = [poses(judges, face_mesh, picture(place, person, {}, matrix)) for _ in range(2)]
    assert torch.equal(*again)
