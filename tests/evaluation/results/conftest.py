"""A model that draws at once."""

import pytest
import torch
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.faces.mesh import FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.models.network.config import mini
from diffsfsr.models.network.denoiser import Denoiser
from diffsfsr.models.pipeline import DiffSFSR


@pytest.fixture(scope="session")
def model() -> DiffSFSR:
    """Tiny and untrained: it draws no faces."""
    torch.manual_seed(0)
    config = mini(recognisers=("small",), identity_size=16, latent_channels=4, widths=(32, 64), layers=1, heads=2,
                  context=32, autoencoder_widths=(32, 32, 32, 32))  # fmt: skip
    recogniser = Recogniser((8, 8, 8, 8), (1, 1, 1), 16)
    library = ExpressionLibrary.load(ASSETS / "expressions.json")
    encoders = Encoders(config, FaceMesh.load(find_task_file()), {"small": recogniser}, library)
    parts = encoders, Denoiser(config), build_autoencoder((32,) * 4, 1, 4, 1.0)
    return DiffSFSR(*(part.eval().requires_grad_(False) for part in parts))
