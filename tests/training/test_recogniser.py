import pytest
import torch
import torch.nn.functional as F
from diffsfsr.training.recogniser import RecogniserTraining, augment, train_recogniser


@pytest.fixture(scope="module")
def faces():
    coarse = torch.rand(6, 3, 7, 7, generator=torch.Generator().manual_seed(0)) * 255
    return F.interpolate(coarse, size=(112, 112), mode="bicubic").clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def teacher():
    return F.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(1)), dim=-1)


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(faces, teacher, tmp_path):
    training = RecogniserTraining(steps=6, batch=3)
    *_, whole = train_recogniser(training, faces, teacher)
    steps = train_recogniser(training, faces, teacher)
    for _ in range(3):
        half = next(steps)
    torch.save(half.state(), tmp_path / "state.pt")
    steps.close()
    *_, rest = train_recogniser(training, faces, teacher, torch.load(tmp_path / "state.pt", weights_only=True))
    assert rest.index == 6 and rest.cosine == whole.cosine
    for key, value in rest.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[key]), key


def test_pupil_comes_to_agree_with_its_teacher(faces, teacher):
    cosines = [step.cosine for step in train_recogniser(RecogniserTraining(steps=25, batch=8), faces, teacher)]
    assert abs(sum(cosines[:3]) / 3) < 0.35 and sum(cosines[-3:]) / 3 > 0.6


def test_augmented_faces_are_still_those_faces(faces):
    x = faces.float() / 127.5 - 1
    y = augment(x, torch.Generator().manual_seed(0))
    assert y.shape == x.shape and y.min() >= -1 and y.max() <= 1
    assert torch.equal(y, augment(x, torch.Generator().manual_seed(0)))
    assert not torch.equal(y, augment(x, torch.Generator().manual_seed(1)))
    distance = torch.minimum(torch.cdist(y.flatten(1), x.flatten(1)), torch.cdist(y.flatten(1), x.flip(-1).flatten(1)))
    assert (distance.argmin(1) == torch.arange(6)).float().mean() >= 5 / 6
