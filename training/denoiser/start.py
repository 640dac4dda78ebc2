"""What a run of the denoiser starts from: nothing, a checkpoint of this pack, or one of Stable Diffusion 1.5.

Whatever is new starts so that the network answers as it did. D length of the identity code.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ...models.faces.insightface_pack import PREFIX, PackRecogniser
from ...models.identity.recogniser import Recogniser
from ...models.identity.recognisers import Recognisers
from ...models.network.autoencoder import empty_autoencoder
from ...models.network.checkpoint import ASSETS, fill, read_checkpoint
from ...models.network.config import Config, mini
from ...models.network.denoiser import widen
from ...models.pixels import from_bytes
from ..autoencoder.train import load_autoencoder
from ..data.dataset import Dataset
from ..data.encode import Encoding
from ..data.selfies import Selfies
from .stable_diffusion import began_as_stable_diffusion, is_stable_diffusion, read_stable_diffusion
from .train import Model, new_model

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Start:
    config: Config  # of the run, but for its previews
    autoencoder: nn.Module
    recognisers: Recognisers
    unet: Weights | None = None
    conditioner: Weights | None = None
    before: Recognisers = field(default_factory=lambda: Recognisers({}))  # that `conditioner` was trained with
    pictures: int = 0  # seen in training before

    @property
    def sizes(self) -> tuple[int, ...]:
        """Lengths of the recognisers' vectors in the identity code."""
        return self.recognisers.sizes

    def to(self, device: torch.device | str) -> "Start":
        """The same, its networks on a device."""
        for network in (self.autoencoder, self.recognisers, self.before):
            network.to(device)
        return self

    def encoding(self, **varied) -> Encoding:
        """How its networks want their pictures. varied: mirror, variations, seed, bfloat16"""
        selfies = Selfies.load(self.config.frame) if "selfie" in self.config.planes else None
        return Encoding(self.autoencoder, self.recognisers, self.config.keeps_light, selfies, **varied)


def read_start(
    source: Path | None, autoencoder: Path | None, recognisers: Sequence[Path] | None, frame: str, renew: bool = True
) -> Start:
    """Raises ValueError where the files given are not enough, or do not fit each other.

    source       None, a checkpoint of this pack, or one of Stable Diffusion 1.5; the last two bring an autoencoder
    autoencoder  what `train autoencoder` wrote, or a checkpoint of this pack
    recognisers  what `train recogniser` wrote, or folders with an insightface pack
    frame        that of the prepared pictures
    renew        an older network of ours gets what is new, since it is to be trained; without it, as its file says
    """
    if source is None:
        if autoencoder is None or recognisers is None:
            raise ValueError(
                "want --autoencoder and --recogniser, the files that `train autoencoder` and `train recogniser` wrote, "
                'or --from with a checkpoint, such as "assets/mini.safetensors"'
            )
        network, scale = load_autoencoder(autoencoder)
        found = load_recognisers(recognisers)
        return Start(mini(frame=frame, **shape_of(network, scale), **identity_of(found)), network, found)
    if is_stable_diffusion(source):
        if recognisers is None:
            raise ValueError("want --recogniser: a Stable Diffusion checkpoint brings none")
        found = load_recognisers(recognisers)
        config, unet, weights = read_stable_diffusion(source, frame=frame, **identity_of(found))
        return Start(config, fill(empty_autoencoder(config), weights, "autoencoder"), found, unet)

    config, weights = read_checkpoint(source)
    before = load_recognisers([recogniser_file(name, source.parent) for name in config.recognisers])
    found = before if recognisers is None else load_recognisers(recognisers)
    if config.frame != frame:
        raise ValueError(f'got pictures of the frame "{frame}" for a checkpoint of "{config.frame}"; prepare them anew')
    network = fill(empty_autoencoder(config), weights["vae"], "autoencoder")
    if autoencoder is not None:
        network, scale = load_autoencoder(autoencoder)
        config = dataclasses.replace(config, **shape_of(network, scale))
    if renew and not began_as_stable_diffusion(config):  # whose inputs stay those of its inpainting model
        config = dataclasses.replace(config, tokens_in_time=True, face_fill="light")
    config = dataclasses.replace(config, **identity_of(found))
    return Start(config, network, found, weights["unet"], weights["conditioner"], before, pictures_seen(source))


def build_model(start: Start, config: Config, data: Dataset, faces: Callable[[], Tensor], seed: int = 0) -> Model:
    """The model to train.

    config  the start's, with previews
    faces   gives (N, 3, 112, 112) uint8, by which recognisers are compared, where they have changed
    """
    model = new_model(config, data, seed)
    if start.unet is not None:
        own = model.denoiser.unet.state_dict()
        new = {name: weight for name, weight in own.items() if name.startswith("class_embedding.")}
        for name in ("class_embedding.linear_2.weight", "class_embedding.linear_2.bias"):
            if name in new:
                new[name] = torch.zeros_like(new[name])
        fill(model.denoiser.unet, new | start.unet, "denoiser")
    if start.conditioner is not None:
        weights = dict(start.conditioner)
        weights["identity.0.weight"] = translate(weights["identity.0.weight"], start, faces)
        fill(model.conditioner, weights, "conditioner")
    return model.train().requires_grad_(True)


def given(start: Start, planes: Sequence[str] | None, face_fill: str | None) -> Start:
    """The same start for a network that is given other planes (config.PLANES), or another fill of the removed face.

    What is new counts nothing yet; None: as it is.
    """
    config, unet = start.config, start.unet
    config = dataclasses.replace(config, planes=tuple(planes or config.planes), face_fill=face_fill or config.face_fill)
    if unet is not None and planes:
        unet = unet | {"conv_in.weight": widen(unet["conv_in.weight"], start.config, config)}
    return dataclasses.replace(start, config=config, unet=unet)


def trained_model(start: Start) -> Model:
    """The model of a checkpoint as it is, not to be trained."""
    model = Model(start.config).requires_grad_(False)
    fill(model.denoiser.unet, start.unet, "denoiser")
    fill(model.conditioner, start.conditioner, "conditioner")
    return model


def pictures_seen(checkpoint: Path) -> int:
    """In the training of a checkpoint of this pack."""
    with safe_open(checkpoint, framework="pt") as file:
        return int(file.metadata()["step"])


def translate(weight: Tensor, start: Start, faces: Callable[[], Tensor]) -> Tensor:
    """The identity mapper's first layer (H, D before) for the codes of other recognisers: (H, D).

    Columns of recognisers that stay keep their place in the sum; those of new ones start at zero. Of recognisers that
    go, the code is predicted from the new one, by least squares on faces.
    """
    old, new = sizes_of(start.before), sizes_of(start.recognisers)
    if old == new:
        return weight
    scale = (sum(old.values()) / sum(new.values())) ** 0.5  # the conditioner multiplies codes by the root of D
    if set(old) <= set(new):
        columns = dict(zip(old, weight.split(list(old.values()), dim=1), strict=True))
        zeros = {name: weight.new_zeros(len(weight), size) for name, size in new.items()}
        return scale * torch.cat([columns.get(name, zeros[name]) for name in new], dim=1)
    pictures = faces()
    codes, wanted = (codes_of(recognisers, pictures) for recognisers in (start.recognisers, start.before))
    ridge = 1e-2 * len(codes) / codes.shape[1] * torch.eye(codes.shape[1])
    guess = torch.linalg.solve(codes.mT @ codes + ridge, codes.mT @ wanted)  # (D, D before)
    return scale * weight @ guess.mT


def shape_of(autoencoder: nn.Module, scale: float) -> dict:
    """The config's keys for an autoencoder."""
    return {
        "autoencoder_widths": tuple(autoencoder.config.block_out_channels),
        "autoencoder_layers": autoencoder.config.layers_per_block,
        "latent_channels": autoencoder.config.latent_channels,
        "latent_scale": scale,
    }


def load_recognisers(paths: Sequence[Path]) -> Recognisers:
    """By the names that a checkpoint has for them."""
    return Recognisers(
        {
            f"{PREFIX}{path.name}" if path.is_dir() else path.stem: PackRecogniser.load(path)
            if path.is_dir()
            else Recogniser.load(path)
            for path in paths
        }
    )


def recogniser_file(name: str, folder: Path) -> Path:
    """Beside the checkpoint, or among the bundled ones."""
    for place in (folder, ASSETS):
        if (place / f"{name}.safetensors").is_file():
            return place / f"{name}.safetensors"
    raise ValueError(f'the checkpoint was trained with the recogniser "{name}"; put {name}.safetensors beside it')


def sizes_of(recognisers: Recognisers) -> dict[str, int]:
    """Lengths of their vectors."""
    return dict(zip(recognisers.names, recognisers.sizes, strict=True))


@torch.no_grad()
def codes_of(recognisers: Recognisers, faces: Tensor) -> Tensor:
    """faces (N, 3, 112, 112) uint8 -> (N, D)"""
    parts = [from_bytes(part.to(recognisers.device)) for part in faces.split(64)]
    return torch.cat([recognisers.encode(part).cpu() for part in parts])


def identity_of(recognisers: nn.ModuleDict) -> dict:
    """The config's keys for them."""
    return {"recognisers": tuple(recognisers), "identity_size": sum(sizes_of(recognisers).values())}
