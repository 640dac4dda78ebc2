"""What a checkpoint says about itself; the same keys in the file's metadata as here."""

import dataclasses
import math
import re
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import get_args, get_origin

MASK_MARGINS = (0.1, 0.06, 0.12)
# what a network can be given beside the noisy latents, pixel by pixel: the mask and the trust in the selfie have one
# channel, pictures as many as latents
PLANES = ("mask", "background", "selfie", "trust")
PICTURES = ("background", "selfie")
# Whole numbers and numbers of levels, from 1 on, that are looked at: what is beyond would fill the memory.
MOST = {
    "identity_size": 16384, "latent_channels": 64, "layers": 8, "heads": 64, "context": 2048, "identity_tokens": 32,
    "expression_tokens": 32, "autoencoder_layers": 8,
}  # fmt: skip
WIDEST, LEVELS, GROUPS = 4096, 6, 32  # channels; levels of a network; GroupNorm's, which divide the channels
LARGEST = 1e4  # of other numbers
STYLES = ("photo", "rendered")  # the style token: what kind of picture the face is to look like


@dataclass(frozen=True)
class Config:
    """Everything needed to build the networks and to read the codes that they were trained with."""

    name: str  # for display and for provenance
    frame: str  # generation frame, a key of frames.FRAMES
    recognisers: tuple[str, ...]  # names of the recognisers that the identity code is made of, in order
    identity_size: int  # length of the identity code
    latent_channels: int
    latent_scale: float  # raw latents times this have unit variance
    prediction: str  # what the denoiser's output means: "v_prediction" or "epsilon"
    widths: tuple[int, ...]  # channels of the denoiser's levels, finest first
    layers: int  # residual blocks a level of the denoiser
    attention: tuple[bool, ...]  # which levels of the denoiser have cross-attention
    heads: int  # attention heads
    context: int  # channels of a token
    identity_tokens: int
    expression_tokens: int
    autoencoder_widths: tuple[int, ...]
    autoencoder_layers: int
    tokens_in_time: bool = False  # the tokens are also added to the timestep's embedding, so that every layer has them
    planes: tuple[str, ...] = ("mask", "background")  # of PLANES, in the order of the network's inputs
    pose_scale: tuple[float, float, float] = (0.05, 0.05, 0.0)  # of yaw, pitch and roll; crops are upright
    identity_gain: float | None = None  # what identity codes are multiplied by; None: the root of identity_size
    # strength of an expression: root mean square of its code in the spreads of photos; nine of ten are below 1.35
    strongest_word: float = 1.35  # one of the 135 at intensity 1
    strongest_expression: float = 2.025  # any code; of stronger ones the weights paint neither expression nor person
    mask_margins: tuple[float, float, float] = MASK_MARGINS  # dilation, chin and forehead, as in masks.face_mask
    face_fill: str = "grey"  # what the background has in place of its face: mid-grey, or the "light" that fell on it
    latent_rgb: tuple[tuple[float, float, float], ...] = ()  # (latent_channels, 3): latents to RGB in [-1, 1], previews
    latent_rgb_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self):
        for field in dataclasses.fields(self):  # JSON knows lists only
            value = getattr(self, field.name)
            if isinstance(value, list):
                value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
                object.__setattr__(self, field.name, value)
        check_types(self)
        check_ranges(self)
        if self.prediction not in ("v_prediction", "epsilon"):
            raise ValueError(f'got prediction "{self.prediction}", want "v_prediction" or "epsilon"')
        if self.face_fill not in ("grey", "light"):
            raise ValueError(f'got face_fill "{self.face_fill}", want "grey" or "light"')
        if len(set(self.planes)) != len(self.planes) or not set(self.planes) <= set(PLANES):
            raise ValueError(f"got the planes {self.planes}, want some of {', '.join(PLANES)}, each once")
        if len(self.attention) != len(self.widths):
            raise ValueError(f"got {len(self.attention)} attention flags for {len(self.widths)} levels, want one each")

    @property
    def keeps_light(self) -> bool:
        """Whether the background keeps the light that fell on its face."""
        return self.face_fill == "light"

    @property
    def code_gain(self) -> float:
        """What identity codes are multiplied by: of unit vectors, it makes numbers of unit variance."""
        return self.identity_size**0.5 if self.identity_gain is None else self.identity_gain

    @property
    def plane_channels(self) -> dict[str, int]:
        """Channels of each plane, in the order of the network's inputs."""
        return {name: self.latent_channels if name in PICTURES else 1 for name in self.planes}

    @property
    def inputs(self) -> int:
        """Channels that the denoiser is given: noisy latents and all planes."""
        return self.latent_channels + sum(self.plane_channels.values())

    @property
    def tokens(self) -> int:
        """Tokens of a condition: identity, expression, pose, style."""
        return self.identity_tokens + self.expression_tokens + 2

    @classmethod
    def from_dict(cls, values: dict) -> "Config":
        """Strict: an unknown or a missing key is an error that names it."""
        fields = dataclasses.fields(cls)
        unknown = sorted(set(values) - {field.name for field in fields})
        missing = sorted(f.name for f in fields if f.default is dataclasses.MISSING and f.name not in values)
        if unknown or missing:
            raise ValueError(
                f"the checkpoint's config has unknown keys {unknown!s:.200} and lacks {missing}; "
                "it was made by another version of this pack: update the pack or export the checkpoint again"
            )
        return cls(**values)

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)


def check_types(config: Config) -> None:
    """ValueError unless all values are what the fields are said to be: a file may hold anything."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _is(value, field.type):
            kind = str(field.type).replace("<class '", "").replace("'>", "")
            raise ValueError(
                f"got {field.name} {value!r:.80} in a checkpoint's config, want {kind}; get the file again"
            )


def check_ranges(config: Config) -> None:
    """ValueError for sizes that no network can have, and names that could lead to another file."""
    for name, most in MOST.items():
        if not 1 <= getattr(config, name) <= most:
            raise ValueError(f"got {name} {getattr(config, name)} in a checkpoint's config, want 1 to {most}")
    for name in ("widths", "autoencoder_widths"):
        widths = getattr(config, name)
        if not 1 <= len(widths) <= LEVELS or not all(0 < n <= WIDEST and n % GROUPS == 0 for n in widths):
            raise ValueError(f"got {name} {widths!s:.80}, want 1 to {LEVELS} multiples of {GROUPS} up to {WIDEST}")
    for name in ("latent_scale", "code_gain", "strongest_word", "strongest_expression"):
        if not getattr(config, name) > 0:
            raise ValueError(f"got {name} {getattr(config, name)} in a checkpoint's config, want a number above 0")
    if not all(0 <= margin <= 1 for margin in config.mask_margins):
        raise ValueError(f"got mask_margins {config.mask_margins}, want parts of the face, 0 to 1")
    if config.latent_rgb and len(config.latent_rgb) != config.latent_channels:
        raise ValueError(f"got {len(config.latent_rgb)} rows of latent_rgb, want one for each latent channel")
    for name in (config.name, *config.recognisers):
        if not re.fullmatch(r"[\w][\w .+/-]{0,99}", name) or ".." in name:
            raise ValueError(f"got the name {name!r:.80} in a checkpoint's config, want letters, digits and - _ .")


def _is(value: object, kind: type) -> bool:
    """Whether a value is of the kind that a field is said to be; numbers are finite, and whole ones will do."""
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if not isinstance(value, tuple) or len(value) > MOST["latent_channels"]:
            return False
        kinds = kinds[:1] * len(value) if kinds[-1] is ... else kinds
        return len(kinds) == len(value) and all(map(_is, value, kinds))
    if isinstance(kind, UnionType):
        return any(_is(value, one) for one in get_args(kind))
    if kind is NoneType:
        return value is None
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value) and abs(value) <= LARGEST
    return type(value) is kind


def mini(**changes) -> Config:
    """The bundled size: 128 px, 16x16 latents."""
    values = dict(
        name="mini",
        frame="mini-128",
        recognisers=("resnet-face", "resnet-inner"),
        identity_size=384,
        latent_channels=16,
        latent_scale=1.0,
        prediction="v_prediction",
        widths=(96, 192),
        layers=2,
        attention=(False, True),
        heads=6,
        context=256,
        identity_tokens=4,
        expression_tokens=4,
        autoencoder_widths=(32, 64, 128, 128),
        autoencoder_layers=1,
        tokens_in_time=True,
        face_fill="light",
    )
    return Config(**values | changes)


def sd15(**changes) -> Config:
    """The shape of Stable Diffusion 1.5 with inpainting's inputs: 256 or 512 px, 32x32 or 64x64 latents."""
    values = dict(
        name="sd15",
        frame="ffhq-512",
        recognisers=("resnet-face", "resnet-inner"),
        identity_size=384,
        latent_channels=4,
        latent_scale=0.18215,
        prediction="epsilon",
        widths=(320, 640, 1280, 1280),
        layers=2,
        attention=(True, True, True, False),
        heads=8,
        context=768,
        identity_tokens=4,
        expression_tokens=4,
        autoencoder_widths=(128, 256, 512, 512),
        autoencoder_layers=2,
    )
    return Config(**values | changes)
