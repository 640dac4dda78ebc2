import pytest
import torch
from diffsfsr.models.network.autoencoder import build_autoencoder


def test_latents_are_eight_times_smaller_and_decode_to_pictures():
    model = build_autoencoder((32, 32, 32, 32), 1, 6, 0.5)
    z = model.encode(torch.zeros(1, 3, 64, 64)).latent_dist.mode()
    assert z.shape == (1, 6, 8, 8) and model.decode(z).sample.shape == (1, 3, 64, 64)
    assert model.config.scaling_factor == 0.5


def test_other_numbers_of_levels_are_refused():
    with pytest.raises(ValueError, match="got 3 autoencoder levels, want 4"):
        build_autoencoder((32, 32, 32), 1, 6, 1.0)
