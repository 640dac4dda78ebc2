"""Shared by the tests of training: a config that is quick on a CPU, made-up data, photos of synthetic people."""

import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models import DiffSFSR
from diffsfsr.models.appearance.photos import photograph
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.config import Config, mini
from diffsfsr.models.pictures import decode_picture, to_pil
from diffsfsr.training.data.dataset import Dataset
from diffsfsr.training.data.photos import Photos
from PIL import Image


@pytest.fixture(scope="session")
def tiny() -> Config:
    return mini(
        name="tiny", recognisers=("small",), identity_size=16, latent_channels=4, latent_scale=0.5, widths=(32, 64),
        layers=1, heads=2, context=32, identity_tokens=2, expression_tokens=3, autoencoder_widths=(32, 32, 32, 32),
    )  # fmt: skip


@pytest.fixture(scope="session")
def small() -> Recogniser:
    torch.manual_seed(0)
    return Recogniser((8, 8, 8, 8), (1, 1, 1), 16).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def made_up() -> Dataset:
    """Eight pictures in 8x8 latents: six people, of whom 0 and 1 have two each."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    latents, mask = 2 * normal(8, 4, 8, 8), torch.zeros(8, 1, 8, 8)
    mask[:, :, 2:7, 2:6] = 1
    return Dataset(
        latents=latents.half(), background=(latents * (1 - mask)).half(), mask=mask,
        selfie=normal(8, 4, 8, 8).half(), trust=torch.rand(8, 1, 8, 8, generator=generator).half(),
        inside=torch.ones(8, 1, 8, 8),
        identity=F.normalize(normal(8, 16), dim=-1), blendshapes=torch.rand(8, 51, generator=generator),
        pose=10 * normal(8, 3), person=torch.tensor([0, 0, 1, 1, 2, 3, 4, 5]),
        copy=torch.zeros(8, dtype=torch.bool), style=torch.zeros(8, dtype=torch.long),
        agrees=torch.ones(8, 1, 8, 8), names=tuple(f"0:person {i}/a.jpg" for i in range(8)),
    )  # fmt: skip


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """A folder of people: P001, P002, P003 with two photos each, a wall, and a file that is no picture."""
    source = Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated"
    folder = tmp_path_factory.mktemp("photos")
    for person in ("P001", "P002", "P003"):
        (folder / person).mkdir()
        with Image.open(source / person / "assets" / "emotions_sheet.jpg") as sheet:
            width, height = sheet.width // 4, sheet.height // 4
            for cell in (0, 1):
                face = sheet.crop((cell * width, 0, (cell + 1) * width, height)).resize((width // 3, height // 3))
                face.save(folder / person / f"{cell}.jpg", quality=95)
    (folder / "P002" / "broken.jpg").write_bytes((folder / "P002" / "0.jpg").read_bytes()[:3000])
    (folder / "P002" / "text.jpg").write_text("no picture at all")
    (folder / "P002" / "notes.txt").write_text("not for us")
    Image.new("RGB", (150, 120), (200, 180, 160)).save(folder / "P002" / "wall.png")
    return folder


@pytest.fixture(scope="session")
def model() -> DiffSFSR:
    return DiffSFSR.load("mini")


@pytest.fixture(scope="session")
def portraits(photos, model, tmp_path_factory):
    """Two photos of P001, one of P002, cut as portraits are, and one that shows nobody."""
    folder, source = tmp_path_factory.mktemp("portraits"), Photos(photos)
    for name in ("P001/0.jpg", "P001/1.jpg", "P002/0.jpg"):
        picture = decode_picture(source.read(name), name)
        shown = photograph([picture], model.encoders.mesh.find(picture, limit=1)).photos[0]
        (folder / name).parent.mkdir(exist_ok=True)
        to_pil(shown).save((folder / name).with_suffix(".png"))
    (folder / "nobody").mkdir()
    Image.new("RGB", (640, 640), (90, 90, 90)).save(folder / "nobody" / "0.png")
    return folder
