"""Photos and words to codes, codes to tokens: everything of a checkpoint but its UNet and its autoencoder.

B faces to be generated, N faces in the background's P pictures, S side of the generation frame, T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .blending import face_mask, remove_face
from .checkpoint import ASSETS, fill, read_checkpoint
from .codes import Background, Expression, Identity, broadcast
from .conditioner import Conditioner
from .config import Config
from .face_mesh import Face, FaceMesh
from .geometry import FRAMES, align, crop, five_points, transform
from .insightface_pack import PREFIX, PackRecogniser, find_pack
from .library import ExpressionLibrary
from .recogniser import Recogniser, compound_code, merge_photos, weigh_photos

CHOICES = ("largest", "centre", "all")  # or the number of a face, counted from 0, left to right


@dataclass(frozen=True)
class Tokens:
    """What the denoiser is told, in the three degrees that two-step guidance needs; each (B, T, context)."""

    full: Tensor
    identity_only: Tensor
    null: Tensor


class Encoders(nn.Module):
    def __init__(self, config: Config, mesh: FaceMesh, recognisers: dict[str, nn.Module], library: ExpressionLibrary):
        super().__init__()
        if config.frame not in FRAMES:
            raise ValueError(f'got frame "{config.frame}", want one of {", ".join(FRAMES)}; update the pack')
        self.config = config
        self.frame = FRAMES[config.frame]
        self.mesh = mesh
        self.recognisers = nn.ModuleDict(recognisers)
        self.conditioner = Conditioner(config)
        self.library = library

    @classmethod
    def load(cls, path: Path, task_file: Path, assets: Path = ASSETS, packs: Sequence[Path] = ()) -> "Encoders":
        """path: a checkpoint of this pack; task_file: face_landmarker.task; assets: recognisers and library.

        packs: folders with insightface packs, for checkpoints trained with "insightface/<pack>"
        """
        config, weights = read_checkpoint(path, parts=("conditioner",))
        recognisers = {}
        for name in config.recognisers:
            if name.startswith(PREFIX):
                recognisers[name] = PackRecogniser.load(find_pack(name.removeprefix(PREFIX), packs))
                continue
            file = assets / f"{name}.safetensors"
            if not file.is_file():
                raise ValueError(
                    f'{Path(path).name} was trained with the recogniser "{name}", which this pack does not have '
                    f"({file.name} is not in its assets); update the pack, or choose another checkpoint"
                )
            recognisers[name] = Recogniser.load(file)
        library = ExpressionLibrary.load(assets / "expressions.json")
        encoders = cls(config, FaceMesh.load(task_file), recognisers, library)
        fill(encoders.conditioner, weights["conditioner"], "conditioner")
        return encoders.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        return self.conditioner.neutral.device

    def identity(self, pictures: Sequence[Tensor], choose: str = "largest") -> tuple[Identity, Tensor]:
        """One person from one or more photos.

        pictures  each (3, H, W) in [-1, 1]
        returns   the merged code (1, D) and the aligned faces (n, 3, 112, 112)
        """
        if not len(pictures):
            raise ValueError("got no identity photo, want at least one")
        faces = [
            self._aligned(picture, self.faces(picture, choose, f"identity photo {i + 1} of {len(pictures)}"))
            for i, picture in enumerate(pictures)
        ]
        faces = torch.cat(faces)
        parts = [recogniser(faces.to(self.device)) for recogniser in self.recognisers.values()]
        sizes = [part.shape[-1] for part in parts]
        code = merge_photos(weigh_photos(torch.cat(parts, dim=-1), sizes), sizes)
        return Identity(code, tuple(self.recognisers), len(faces)), faces

    def expression(
        self, picture: Tensor, neutral: Tensor | None = None, choose: str = "largest", intensity: float = 1.0
    ) -> Expression:
        """The expression in a photo.

        picture  (3, H, W) in [-1, 1]; neutral: the same person's neutral photo, else a stored mean is taken off
        returns  code (n, 51), one row for each face chosen
        """
        read = torch.stack([f.blendshapes for f in self.faces(picture, choose, "expression photo")]).to(self.device)
        rest = self.conditioner.neutral[None]
        if neutral is not None:
            rest = self.faces(neutral, "largest", "neutral photo")[0].blendshapes[None].to(self.device)
        return Expression((read - rest) * intensity, "photo")

    def label(self, label: str, variant: int = 0, intensity: float = 1.0) -> Expression:
        """The expression that one of the 135 words stands for; intensity 0 is exactly neutral."""
        code = self.library.code(label, variant, intensity).to(self.device)
        return Expression(code[None], label)

    def background(self, pictures: Tensor, choose: str = "largest", mask: Tensor | None = None) -> Background:
        """The faces to be replaced, with what is around them.

        pictures  (P, 3, H, W) in [-1, 1]
        mask      (P, 1, H, W) in 0..1 overrides the face mask; 1 = regenerate
        """
        found = [
            (index, face)
            for index, picture in enumerate(pictures)
            for face in self.faces(picture, choose, f"background picture {index + 1} of {len(pictures)}")
        ]
        index = torch.tensor([i for i, _ in found])
        points = torch.stack([face.points[:, :2] for _, face in found]).cpu()  # (N, 478, 2)
        size = self.frame.size
        matrix = align(five_points(points), self.frame)  # (N, 2, 3)
        inner = transform(points, matrix)
        return Background(
            pictures=pictures,
            index=index,
            crop=torch.cat(
                [crop(pictures[i : i + 1], m[None], size) for i, m in zip(index.tolist(), matrix, strict=True)]
            ),
            mask=face_mask(inner, size) if mask is None else self._own_mask(mask, index, matrix),
            pose=torch.stack([face.pose for _, face in found]).cpu(),
            matrix=matrix,
            points=inner,
            blendshapes=torch.stack([face.blendshapes for _, face in found]).cpu(),
        )

    def masked_crop(self, background: Background) -> Tensor:
        """(N, 3, S, S) in [-1, 1]: the crop with the face set to mid-grey."""
        return remove_face(background.crop, background.mask)

    def tokens(self, identity: Identity | None, expression: Expression | None, background: Background) -> Tokens:
        """What is None is read from the background's own face: reenactment only, or swap only.

        Batches of one are repeated; other sizes must agree with the background's.
        """
        if identity is not None and identity.recognisers != tuple(self.recognisers):
            raise ValueError(
                f"the identity was made with {', '.join(identity.recognisers)}, but this checkpoint was trained with "
                f"{', '.join(self.recognisers)}; encode the photo again with this checkpoint"
            )
        who = (self._own_identity(background) if identity is None else identity.code).to(self.device)
        neutral = self.conditioner.neutral
        what = (
            background.blendshapes.to(self.device) - neutral if expression is None else expression.code.to(self.device)
        )
        pose = background.pose.to(self.device)
        who, what, pose = broadcast({"identity": who, "expression": what, "background": pose})
        degrees = [torch.tensor(keep, device=self.device).expand(len(pose), 3)
                   for keep in ((True, True, True), (True, False, True), (False, False, True))]  # fmt: skip
        return Tokens(*(self.conditioner(who, what, pose, keep) for keep in degrees))

    def faces(self, picture: Tensor, choose: str, what: str) -> list[Face]:
        """The chosen faces of one picture (3, H, W); a ValueError in words where there is none."""
        found = self.mesh.find(picture.to(self.device))
        height, width = picture.shape[-2:]
        if not found:
            raise ValueError(
                f"no face found in the {what} ({width}x{height} px). Use a picture in which a face is clearly seen, "
                "not covered, and at least about 40 px wide, or crop closer to it"
            )
        if choose == "all":
            return found
        if choose == "largest":
            return found[:1]
        centres = torch.stack([face.points[:, :2].mean(0) for face in found])
        if choose == "centre":
            middle = torch.tensor([width / 2, height / 2], device=centres.device)
            return [found[int((centres - middle).norm(dim=-1).argmin())]]
        if not choose.isdecimal():
            raise ValueError(f'got face choice "{choose}", want {", ".join(CHOICES)} or a number from 0, left to right')
        order = centres[:, 0].argsort().tolist()
        if int(choose) >= len(order):
            raise ValueError(f"face {choose} of the {what} was asked for, but it has {len(order)}, counted from 0")
        return [found[order[int(choose)]]]

    def _aligned(self, picture: Tensor, faces: list[Face]) -> Tensor:
        frame = FRAMES["arcface-112"]
        points = torch.stack([face.points[:, :2] for face in faces]).cpu()
        matrix = align(five_points(points), frame)
        return crop(picture[None].cpu().expand(len(faces), -1, -1, -1), matrix, frame.size)

    def _own_identity(self, background: Background) -> Tensor:
        frame = FRAMES["arcface-112"]
        matrix = align(five_points(background.points), frame)  # from the crop, which is cut at the same scale
        return compound_code(self.recognisers, crop(background.crop, matrix, frame.size).to(self.device))

    def _own_mask(self, mask: Tensor, index: Tensor, matrix: Tensor) -> Tensor:
        pictures = mask[index].expand(-1, 3, -1, -1) * 2 - 1
        inner = (crop(pictures, matrix, self.frame.size)[:, :1] > 0).float()
        empty = (inner.flatten(1).sum(1) == 0).nonzero().flatten().tolist()
        if empty:
            raise ValueError(
                f"the mask given covers nothing of face {empty[0]}; paint over the face, or leave the mask off"
            )
        return inner
