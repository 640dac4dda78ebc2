"""The whole of DiffSFSR on diffusers, for the command line and evaluation. ComfyUI runs the same file natively."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .appearance.finish import Wish, can_finish
from .codes import Background, CutOut, Expression, Identity, repeat_background
from .compositing import paste_faces
from .conditions import Conditions
from .encoders import Encoders, Tokens
from .faces.choice import STOP
from .faces.task_file import find_task_file
from .network.autoencoder import empty_autoencoder
from .network.checkpoint import fill, read_checkpoint, resolve_checkpoint
from .network.config import PICTURES
from .network.denoiser import Denoiser, shrink_plane
from .network.sampling import Predictor, SamplingStep, ddim, guide, noise_for, start
from .network.schedule import Schedule


@dataclass(frozen=True)
class Painting:
    """How faces are painted."""

    steps: int = 4
    seed: int = 0  # that of the first face; face i has seed + i
    identity_scale: float = 2.0  # guidance towards the identity
    expression_scale: float = 2.0


class DiffSFSR:
    """identity, expression, background -> picture. Parts: encoders, denoiser, autoencoder, schedule."""

    def __init__(self, encoders: Encoders, denoiser: Denoiser, autoencoder):
        self.encoders, self.denoiser, self.autoencoder = encoders, denoiser, autoencoder
        self.config = encoders.config
        self.schedule = Schedule()

    @classmethod
    def load(
        cls,
        path_or_name: str | Path = "mini",
        task_file: Path | None = None,
        device: str = "cpu",
        packs: Sequence[Path] = (),
        pack: str | None = None,
    ) -> "DiffSFSR":
        """A checkpoint by its path, or "mini", the bundled one; packs, pack: insightface's, as in Encoders.load."""
        path = resolve_checkpoint(path_or_name)
        config, weights = read_checkpoint(path, parts=("unet", "vae"), dtype=None)
        encoders = Encoders.load(path, task_file or find_task_file(), packs=packs, pack=pack).to(device)
        with torch.device("meta"):
            denoiser, autoencoder = Denoiser(config), empty_autoencoder(config)
        fill(denoiser.unet, weights["unet"], "denoiser")
        fill(autoencoder, weights["vae"], "autoencoder")
        return cls(encoders, denoiser.eval().requires_grad_(False).to(device), autoencoder.to(device))

    def identity(self, pictures: Sequence[Tensor], choose: str = "largest", without_face: str = STOP) -> Identity:
        """pictures: photos of one person; without_face: as in Encoders.identity"""
        return self.encoders.identity(pictures, choose, without_face=without_face)[0]

    def expression(self, picture_or_label: Tensor | str, intensity: float = 1.0) -> Expression:
        if isinstance(picture_or_label, str):
            return self.encoders.label(picture_or_label, intensity=intensity)
        return self.encoders.expression(picture_or_label, intensity=intensity)

    def background(self, picture: Tensor, choose: str = "largest", without_face: str = STOP) -> Background:
        """picture (3, H, W) or (P, 3, H, W) in [-1, 1]; without_face: as in Encoders.background"""
        pictures = picture if picture.dim() == 4 else picture[None]
        return self.encoders.background(pictures, choose, without_face=without_face)

    @torch.inference_mode()
    def generate(
        self,
        identity: Identity | None,
        expression: Expression | None,
        background: Background,
        painting: Painting = Painting(),  # noqa: B008  frozen
        wish: Wish = Wish(),  # noqa: B008  frozen
        on_step: Callable[[SamplingStep], None] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Draw the faces and put them into their pictures.

        wish     how they are finished with the photo's own pixels; without any, or with appearance 0, not at all
        on_step  called after every step
        returns  pictures (R, 3, H, W) as paste_faces makes them, and crops (B, 3, kS, kS), both in [-1, 1]
        """
        painted = self.paint(identity, expression, background, painting, on_step, wish)
        crops = self.finish(painted, identity, expression, background, wish)
        return paste_faces(crops.cpu(), background), crops

    @torch.inference_mode()
    def paint(
        self,
        identity: Identity | None,
        expression: Expression | None,
        background: Background,
        painting: Painting = Painting(),  # noqa: B008  frozen
        on_step: Callable[[SamplingStep], None] | None = None,
        wish: Wish | None = None,
    ) -> Tensor:
        """generate's first half, the method as published: crops (B, 3, S, S) in [-1, 1].

        wish  shows the person's photos to networks that were trained with them; without one, the codes alone
        """
        tokens = self.encoders.tokens(identity, expression, background)
        planes = self.planes(background, identity, expression, wish)
        for step in self.sample(tokens, background, painting, planes):
            if on_step:
                on_step(step)
        return self.decode(step.z)

    @torch.inference_mode()
    def finish(
        self,
        painted: Tensor,
        identity: Identity | None,
        expression: Expression | None,
        background: Background,
        wish: Wish = Wish(),  # noqa: B008  frozen
    ) -> Tensor:
        """Painted crops (B, 3, S, S) with the photo's own pixels, (B, 3, kS, kS); as they are where none are wished."""
        if not (wish.appearance and can_finish(identity)):
            return painted
        given = background, background.pictures.__getitem__, identity, expression, wish
        return torch.stack(list(self.encoders.finisher(painted, *given)))

    @torch.inference_mode()
    def preview(
        self,
        identity: Identity | None,
        expression: Expression | None,
        background: Background,
        wish: Wish = Wish(),  # noqa: B008  frozen
    ) -> Tensor:
        """The faces by their photos alone, without the painter: crops (B, 3, kS, kS) in [-1, 1], at once."""
        if not can_finish(identity):
            raise ValueError("the identity holds a code alone, want one with its appearance; encode the photos again")
        given = background, background.pictures.__getitem__, identity, expression, wish
        return torch.stack(list(self.encoders.finisher(None, *given)))

    def sample(
        self, tokens: Tokens, background: Background, painting: Painting, planes: dict[str, Tensor]
    ) -> Iterator[SamplingStep]:
        """The denoising loop, a step at a time; planes: from planes()"""
        device, count = tokens.full.device, len(tokens.full)
        repeat_background(background, count)  # says so where they are too many or too few
        whole = self.encode(background.crop.to(device))
        whole, *each = (z.expand(count, -1, -1, -1) for z in (whole, *planes.values()))
        scales = painting.identity_scale, painting.expression_scale
        predict = self.guided(tokens, dict(zip(planes, each, strict=True)), *scales)
        noise = noise_for(range(painting.seed, painting.seed + count), tuple(whole.shape[1:])).to(device)
        yield from ddim(predict, start(noise, whole, self.schedule), self.schedule, painting.steps)

    def planes(
        self,
        background: CutOut,
        identity: Identity | None = None,
        expression: Expression | None = None,
        wish: Wish | None = None,
    ) -> dict[str, Tensor]:
        """What the denoiser is given beside the noisy latents, (N or B, 1 or C, S/8, S/8) by name; as of Encoders."""
        device, side = self.encoders.device, background.crop.shape[-1] // 8
        found = self.encoders.planes(background, identity, expression, wish)
        planes = {}
        for name, channels in self.config.plane_channels.items():
            if name not in found:
                planes[name] = torch.zeros(len(background.index), channels, side, side, device=device)
            elif name in PICTURES:
                planes[name] = self.encode(found[name].to(device))
            else:
                planes[name] = shrink_plane(name, found[name].to(device))
        return planes

    def guided(
        self, tokens: Tokens, planes: dict[str, Tensor], identity_scale: float, expression_scale: float
    ) -> Predictor:
        """The denoiser under two-step guidance; branches whose weight is zero are not run."""
        branches = {
            "null": 1 - identity_scale,
            "identity_only": identity_scale - expression_scale,
            "full": expression_scale,
        }
        used = [name for name, weight in branches.items() if weight != 0]
        n = len(used)
        stacked = Conditions(
            torch.cat([getattr(tokens, name) for name in used]),
            {name: plane.repeat(n, 1, 1, 1) for name, plane in planes.items()},
        )

        def predict(z: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            output = self.denoiser(z.repeat(n, 1, 1, 1), t.repeat(n), stacked)
            outputs = dict(zip(used, output.chunk(n), strict=True))
            null, identity, full = (outputs.get(name, torch.zeros_like(z)) for name in branches)
            output = guide(null, identity, full, identity_scale, expression_scale)
            return self.schedule.clean_and_noise(output, z, t, self.config.prediction)

        return predict

    def encode(self, x: Tensor) -> Tensor:
        """Pixels (B, 3, S, S) in [-1, 1] to latents (B, C, S/8, S/8) of unit variance."""
        return self.autoencoder.encode(x).latent_dist.mode() * self.config.latent_scale

    def decode(self, z: Tensor) -> Tensor:
        return self.autoencoder.decode(z / self.config.latent_scale).sample.clamp(-1, 1)
