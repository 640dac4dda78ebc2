import pytest
import torch
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.training.autoencoder.settings import AutoencoderTraining
from diffsfsr.training.autoencoder.train import autoencoder_loss, draw_patches, train_autoencoder

SHORT = AutoencoderTraining(widths=(32, 32, 32, 32), latent_channels=4, steps=6, batch=2, patch=32)


@pytest.fixture(scope="module")
def crops():
    """Two groups of smooth pictures, uint8, red and green."""
    generator = torch.Generator().manual_seed(0)
    groups = []
    for channel in (0, 1):
        coarse = torch.rand(3, 1, 6, 6, generator=generator) * 255
        group = torch.zeros(3, 3, 64, 64)
        group[:, channel] = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bilinear")[:, 0]
        groups.append(group.to(torch.uint8))
    return groups


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(crops, tmp_path):
    whole = [(step.value, step.state()["model"]) for step in train_autoencoder(SHORT, crops)]
    steps = train_autoencoder(SHORT, crops)
    for _ in range(3):
        half = next(steps)
    torch.save(half.state(), tmp_path / "state.pt")
    steps.close()
    rest = list(train_autoencoder(SHORT, crops, torch.load(tmp_path / "state.pt", weights_only=True)))
    assert [step.pictures for step in rest] == [8, 10, 12]
    assert [step.value for step in rest] == [psnr for psnr, _ in whole[3:]]
    for key, value in rest[-1].model.state_dict().items():
        assert torch.equal(value, whole[-1][1][key]), key


def test_a_tiny_autoencoder_learns(crops):
    training = AutoencoderTraining(widths=(32, 32, 32, 32), latent_channels=4, steps=60, batch=4, patch=32, rate=4e-3)
    psnr = [step.value for step in train_autoencoder(training, crops)]
    assert sum(psnr[-10:]) / 10 > sum(psnr[:5]) / 5 + 5  # dB


def test_patches_come_from_all_groups_at_the_size_asked_for(crops):
    def draw(seed):
        return draw_patches(crops, 16, 32, torch.Generator().manual_seed(seed))

    patches = draw(0)
    assert patches.shape == (16, 3, 32, 32) and patches.min() >= -1 and patches.max() <= 1
    red = (patches[:, 0].mean((1, 2)) > patches[:, 1].mean((1, 2))).sum()
    assert 2 <= red <= 14
    assert torch.equal(draw(0), patches) and not torch.equal(draw(1), patches)


def test_small_pictures_are_used_whole():
    whole = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
    assert draw_patches([whole], 3, 32, torch.Generator().manual_seed(0)).shape == (3, 3, 32, 32)


def test_edges_and_kl_add_to_the_loss(crops):
    torch.manual_seed(0)
    model = build_autoencoder(SHORT.widths, 1, 4, 1.0)
    x, noise = crops[0][:1, :, :32, :32].float() / 127.5 - 1, torch.zeros(1, 4, 4, 4)
    plain, with_edges, with_kl = (autoencoder_loss(model, x, noise, *weights) for weights in ((0, 0), (1, 0), (0, 1)))
    assert with_edges[0] > plain[0] and with_kl[0] > plain[0]
    assert plain[1] == with_edges[1] == with_kl[1]  # the measure is the same
