from pathlib import Path
from types import SimpleNamespace

import openpeople
import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.faces.insightface_pack import PackRecogniser
from diffsfsr.models.frames import FRAMES, align, crop, five_points
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.models.network.config import mini
from diffsfsr.models.pictures import read_picture
from diffsfsr.models.readers.decoded import DecodedReader, FrameMesh
from diffsfsr.training.decoder.train import acting_loss
from torch import nn


class Enlarge(nn.Module):
    """An autoencoder whose latents are the picture itself."""

    def decode(self, z):
        return SimpleNamespace(sample=z)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser.load(ASSETS / "resnet-face.safetensors")


@pytest.fixture(scope="module")
def photos(face_mesh) -> list[tuple[torch.Tensor, list]]:
    """Three portraits, 400 pixels high, with the faces found in them."""
    people = sorted((Path(openpeople.__file__).parent / "data" / "curated").glob("P*/assets/studio_portrait.jpg"))[:3]
    pictures = [F.interpolate(read_picture(path)[None], size=(400, 320), mode="area")[0] for path in people]
    return [(picture, face_mesh.find(picture)) for picture in pictures]


@pytest.fixture(scope="module", params=("mini-128", "ffhq-256"))
def read(request, face_mesh, recogniser, photos):
    """The reader for a frame, and three crops with their codes as the encoders read them in the photos."""
    frame, upright = FRAMES[request.param], FRAMES["arcface-112"]
    crops, aligned = (
        torch.cat([crop(x[None], align(five_points(faces[0].points[None]), to), to.size) for x, faces in photos])
        for to in (frame, upright)
    )
    blendshapes = torch.stack([faces[0].blendshapes for _, faces in photos])
    recognisers = nn.ModuleDict({"resnet-face": recogniser})
    config, neutral, spread = mini(frame=request.param), torch.full((51,), 0.1), torch.full((51,), 0.5)
    reader = DecodedReader(config, Enlarge(), face_mesh, recognisers, neutral, spread)
    return reader, crops, recogniser(aligned), (blendshapes - neutral) / spread


def test_acting_is_told_apart_from_blur(face_mesh):
    """Another expression of the same person weighs more than a softer picture, and a gradient leads back."""
    frame, folder = FRAMES["mini-128"], Path(openpeople.__file__).parent / "data" / "curated" / "P001" / "assets"
    still, glad = (
        crop(x[None], align(five_points(face_mesh.find(x)[0].points[None]), frame), frame.size)
        for x in (read_picture(folder / f"{name}.jpg") for name in ("studio_portrait", "amateur_selfie"))
    )
    mesh = FrameMesh(face_mesh, frame)
    assert acting_loss(still, still, mesh) == 0
    soft = F.avg_pool2d(F.pad(still, (1, 1, 1, 1), mode="replicate"), 3, 1).requires_grad_(True)
    blurred = acting_loss(soft, still, mesh)
    assert 0 < blurred < 0.5 * acting_loss(glad, still, mesh)
    assert torch.autograd.grad(blurred, soft)[0].abs().max() > 0


def test_reads_what_the_encoders_read_in_the_photo(read):
    reader, crops, identity, expression = read
    with torch.no_grad():
        found, shown = reader(crops)
    assert (found * identity).sum(-1).min() > 0.9
    wrong = (shown - expression).abs().mean()  # the mesh's frame fits the frame, not each face
    assert wrong < 0.08 and wrong < 0.65 * (shown - expression.roll(1, 0)).abs().mean()  # neutral portraits all


def test_every_part_of_the_face_has_gradients(read):
    reader, crops, _, _ = read
    x = crops[:1].clone().requires_grad_()
    identity, expression = reader(x)
    own = [torch.autograd.grad(value.square().sum(), x, retain_graph=True)[0] for value in (identity, expression)]
    middle = slice(x.shape[-1] // 4, 3 * x.shape[-1] // 4)
    for gradient in own:
        assert gradient.isfinite().all() and (gradient[..., middle, middle] != 0).float().mean() > 0.9


def test_recognisers_without_gradients_are_refused(face_mesh):
    pack = nn.ModuleDict({"insightface/some": PackRecogniser(None)})
    with pytest.raises(ValueError, match="insightface/some.*latent"):
        DecodedReader(mini(), Enlarge(), face_mesh, pack, torch.zeros(51), torch.ones(51))
