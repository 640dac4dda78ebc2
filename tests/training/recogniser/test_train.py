import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.training.recogniser.settings import SHAPES, RecogniserTraining
from diffsfsr.training.recogniser.train import Pupil, degrade, draw_jitter, through_jpeg, train_recogniser, warp


@pytest.fixture(scope="module")
def faces():
    coarse = torch.rand(6, 3, 7, 7, generator=torch.Generator().manual_seed(0)) * 255
    return F.interpolate(coarse, size=(112, 112), mode="bicubic").clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def taught(faces):
    """Codes and hints of a teacher whose maps are the picture itself."""
    codes = F.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(1)), dim=-1)
    return codes, [F.adaptive_avg_pool2d(faces / 255.0, side).half() for side in (28, 14, 7)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(faces, taught, shape, tmp_path):
    training = RecogniserTraining(shape=shape, steps=4, batch=3)
    *_, whole = train_recogniser(training, faces, *taught)
    steps = train_recogniser(training, faces, *taught)
    for _ in range(2):
        half = next(steps)
    torch.save(half.state(), tmp_path / "state.pt")
    steps.close()
    *_, rest = train_recogniser(training, faces, *taught, torch.load(tmp_path / "state.pt", weights_only=True))
    assert rest.pictures == 12 and rest.value == whole.value
    for key, value in rest.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[key]), key


def test_pupil_comes_to_agree_with_its_teacher(faces, taught):
    steps = train_recogniser(RecogniserTraining(steps=25, batch=8), faces, *taught)
    cosines = [step.value for step in steps]
    assert abs(sum(cosines[:3]) / 3) < 0.35 and sum(cosines[-3:]) / 3 > 0.6


@pytest.mark.parametrize("shape", SHAPES)
def test_the_pupil_is_its_recogniser_with_maps_of_the_teachers_channels(faces, shape):
    recogniser = Recogniser(**SHAPES[shape], size=8).eval()
    x = faces.float() / 127.5 - 1
    code, maps = Pupil(recogniser, [5, 6, 7]).eval()(x)
    assert torch.equal(code, recogniser(x))
    side = SHAPES[shape]["window"][2] - SHAPES[shape]["window"][0]
    assert [m.shape[1:] for m in maps] == [(c, side // k, side // k) for c, k in ((5, 4), (6, 8), (7, 16))]


def test_hints_follow_the_jitter_of_the_faces_and_the_window(faces):
    """A teacher's map of the picture, warped as in training, lies where the pupil sees that part of the picture."""
    theta = draw_jitter(6, torch.Generator().manual_seed(3))
    smooth = F.interpolate(faces[:, :, ::16, ::16].float() / 255, size=(112, 112), mode="bicubic")
    left, top, right, bottom = SHAPES["resnet-inner"]["window"]
    seen = F.adaptive_avg_pool2d(warp(smooth, theta, 112)[..., top:bottom, left:right], 20)
    window = torch.tensor([[80 / 112, 0, (left + right) / 112 - 1], [0, 80 / 112, (top + bottom) / 112 - 1], [0, 0, 1]])
    hint = warp(F.adaptive_avg_pool2d(smooth, 28), theta @ window, 20)
    assert (hint - seen).abs().mean() < 0.02 < (hint.roll(1, -1) - seen).abs().mean()


def test_degraded_faces_are_still_those_faces(faces):
    x = faces.float() / 127.5 - 1

    def changed(seed):
        generator = torch.Generator().manual_seed(seed)
        return degrade(warp(x, draw_jitter(6, generator), 112), generator)

    y = changed(0)
    assert y.shape == x.shape and y.min() >= -1 and y.max() <= 1
    assert torch.equal(y, changed(0)) and not torch.equal(y, changed(1))
    distance = torch.minimum(torch.cdist(y.flatten(1), x.flatten(1)), torch.cdist(y.flatten(1), x.flip(-1).flatten(1)))
    assert (distance.argmin(1) == torch.arange(6)).float().mean() >= 5 / 6


def test_jpeg_costs_detail_and_little_else():
    ramp = torch.linspace(-1, 1, 112).expand(3, 112, 112)
    fine, coarse = (through_jpeg(ramp, quality) for quality in (95, 15))
    assert (fine - ramp).abs().mean() < 0.01 < (coarse - ramp).abs().mean() < 0.1
