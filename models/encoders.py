"""Photos and words to codes, codes to tokens: everything of a checkpoint but its UNet and its autoencoder.

B faces to be generated, N faces in the background's P pictures, S side of the generation frame, T tokens.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .appearance.covered import covered, uncover, warning
from .appearance.finish import Finisher, Wish, can_finish
from .appearance.mouth import Mouth
from .appearance.photos import photograph
from .appearance.retouch import Retoucher
from .appearance.shape import ShapeModel
from .codes import Background, CutOut, Expression, Identity, broadcast, one_for_each_face
from .conditions import Conditioner
from .cutting import cut_out
from .expression.edit import scale
from .expression.library import ExpressionLibrary
from .expression.normalisation import Normalisation
from .faces.choice import (
    FURTHEST,
    PASS_THROUGH,
    SKIP,
    STOP,
    WITHOUT_FACE,
    NoFace,
    choose_faces,
    turned_away,
    within,
)
from .faces.exposure import brighten
from .faces.insightface_pack import PackRecogniser, find_pack, load_pack
from .faces.mesh import Face, FaceMesh
from .faces.tracking import Follower
from .frames import FRAMES, align, crop, five_points
from .identity.recognisers import Recognisers, disagreement
from .masks import light_on_face, remove_face
from .network.checkpoint import ASSETS, fill, read_checkpoint
from .network.config import Config

LOG = logging.getLogger(__name__)
CHUNK = 16  # faces that are worked on at a time, so that long videos need no more memory than short ones


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
        self.recognisers = Recognisers(recognisers)
        self.conditioner = Conditioner(config)
        self.library = library
        self.shape, self.mouth, self.retoucher = ShapeModel.load(), Mouth.load(), Retoucher.load()
        self.comparer: PackRecogniser | None = None  # takes no part in conditioning

    @classmethod
    def load(
        cls,
        path: Path,
        task_file: Path,
        assets: Path = ASSETS,
        packs: Sequence[Path] = (),
        pack: str | None = None,
    ) -> "Encoders":
        """path: a checkpoint of this pack; task_file: face_landmarker.task; assets: recognisers and library.

        packs: folders with insightface packs, for checkpoints trained with "insightface/<pack>"
        pack: one of these packs, whose detector is to find faces, and whose recogniser is to compare them; what it
              lacks of the two is left out
        """
        config, weights = read_checkpoint(path, parts=("conditioner",))
        recognisers = Recognisers.load(config.recognisers, Path(path).name, assets, packs)
        library = ExpressionLibrary.load(assets / "expressions.json")
        detector, comparer = (None, None) if pack is None else load_pack(find_pack(pack, packs))
        encoders = cls(config, FaceMesh.load(task_file, detector=detector), recognisers, library)
        encoders.comparer = comparer
        fill(encoders.conditioner, weights["conditioner"], "conditioner")
        return encoders.eval().requires_grad_(False)

    @property
    def finisher(self) -> Finisher:
        """Finishes painted faces with the pixels of photos."""
        return Finisher(self.mesh, self.shape, self.conditioner.neutral, self.mouth, self.retoucher)

    @property
    def normalisation(self) -> Normalisation:
        """What expression codes count from here, and how strong they may be."""
        own, config = self.conditioner, self.config
        return Normalisation(own.neutral, own.spread, config.strongest_word, config.strongest_expression)

    @property
    def device(self) -> torch.device:
        return self.conditioner.neutral.device

    def identity(
        self,
        pictures: Sequence[Tensor],
        choose: str = "largest",
        known: Callable[[int], list[Face] | None] | None = None,
        without_face: str = STOP,
        say: Callable[[str], None] = LOG.warning,
    ) -> tuple[Identity, Tensor]:
        """One person from one or more photos.

        pictures      each (3, H, W) in [-1, 1]
        known         as in find()
        without_face  "stop", or else photos that do not show the face are left out
        say           is told of photos that seem to show several people, or the face from the side or in a mask
        returns       the merged code (1, D) and the aligned faces (n, 3, 112, 112)
        """
        if not len(pictures):
            raise ValueError("got no identity photo, want at least one")
        chosen = self.find(pictures.__getitem__, len(pictures), choose, "identity photo", without_face, known, say=say)
        shown = [(picture, face) for picture, faces in zip(pictures, chosen, strict=True) for face in faces]
        appearance = photograph(*zip(*shown, strict=True))
        if hidden := warning(appearance.covered):
            say(hidden)
        faces = torch.cat([self._aligned(picture, [face]) for picture, face in shown])
        codes = self.recognisers.encode(faces.to(self.device))
        if odd := self.recognisers.odd_ones(codes):
            numbers = [i + 1 for i, one in enumerate(chosen) if one]
            say(disagreement([numbers[i] for i in odd], len(pictures)))
        code = self.recognisers.merge(codes)
        return Identity(code, self.recognisers.names, len(faces), (appearance,)), faces

    def expression(
        self,
        picture: Tensor,
        neutral: Tensor | None = None,
        choose: str = "largest",
        intensity: float = 1.0,
        found: list[Face] | None = None,
    ) -> Expression:
        """The expression in a photo.

        picture  (3, H, W) in [-1, 1]; neutral: the same person's neutral photo, else a stored mean is taken off
        found    all faces in the picture, where that is known already
        returns  code (n, 51), one row for each face chosen
        """
        faces = self.faces(picture, choose, "expression photo", found)
        return self._difference(faces, neutral, intensity)

    def expressions(
        self,
        picture_at: Callable[[int], Tensor],
        count: int,
        neutral: Tensor | None = None,
        choose: str = "largest",
        intensity: float = 1.0,
        without_face: str = STOP,
        known: Callable[[int], list[Face] | None] | None = None,
        say: Callable[[str], None] = LOG.warning,
    ) -> Expression:
        """The expressions of several pictures, such as the frames of a video, as one batch.

        picture_at    a picture's number -> (3, H, W) in [-1, 1]
        without_face  for pictures that do not show the face: "stop"; "skip" leaves them out; "pass through" goes on
                      with the faces before, at the start with the first ones
        known, say    as in find()
        """
        found = self.find(picture_at, count, choose, "expression photo", without_face, known, follow=True, say=say)
        if without_face == PASS_THROUGH:
            last = next(faces for faces in found if faces)
            found = [last := faces or last for faces in found]
        return self._difference([face for faces in found for face in faces], neutral, intensity)

    def _difference(self, faces: Sequence[Face], neutral: Tensor | None, intensity: float) -> Expression:
        read = torch.stack([face.blendshapes for face in faces]).to(self.device)
        rest = self.conditioner.neutral[None]
        if neutral is not None:
            rest = self.faces(neutral, "largest", "neutral photo")[0].blendshapes[None].to(self.device)
        return scale(Expression(read - rest, "photo"), intensity)

    def label(self, label: str, variant: int = 0, intensity: float = 1.0) -> Expression:
        """The expression that one of the 135 words stands for; 0 is exactly neutral, 1 as strong as photos are."""
        return Expression(self.normalisation.word(self.library, label, variant, intensity), label)

    def background(
        self,
        pictures: Tensor,
        choose: str = "largest",
        mask: Tensor | None = None,
        without_face: str = STOP,
        known: Callable[[int], list[Face] | None] | None = None,
    ) -> Background:
        """The faces to be replaced, with what is around them.

        pictures      (P, 3, H, W) in [-1, 1]
        mask          (P, 1, H, W) in 0..1 overrides the face mask; 1 = regenerate
        without_face  for pictures that do not show the face: "stop"; "skip" leaves them out; "pass through" keeps them,
                      with nothing to be replaced in them. NoFace if none does
        known         as in find()
        """
        found = self.find(
            pictures.__getitem__,
            len(pictures),
            choose,
            "background picture",
            without_face,
            known,
            follow=True,
            furthest=FURTHEST,
        )
        if without_face == SKIP:
            shown = [i for i, faces in enumerate(found) if faces]
            pictures, found = pictures[shown], [found[i] for i in shown]
            mask = None if mask is None else mask[shown]
        return Background(**vars(self.cut_out(pictures.__getitem__, found, mask)), pictures=pictures)

    def cut_out(
        self, picture_at: Callable[[int], Tensor], found: Sequence[list[Face]], mask: Tensor | None = None
    ) -> CutOut:
        """The checkpoint's frame around each face; all as in models/cutting.py."""
        return cut_out(picture_at, found, self.frame, self.config.mask_margins, mask)

    def masked_crop(self, background: CutOut) -> Tensor:
        """(N, 3, S, S) in [-1, 1]: the crop without the face, or with its light alone, as the checkpoint has it."""
        given, mask = background.crop, background.mask
        if not self.config.keeps_light:
            return remove_face(given, mask)
        bare, _ = uncover(given, background.points, covered(given, background.points))  # cloth has no light of skin
        return remove_face(given, mask, light_on_face(bare, mask))

    def planes(
        self,
        background: CutOut,
        identity: Identity | None = None,
        expression: Expression | None = None,
        wish: Wish | None = None,
    ) -> dict[str, Tensor]:
        """What the checkpoint's network is given beside the noisy latents, in pixels: (N or B, 1 or 3, S, S) by name.

        wish  how the faces are to be finished; without one, with appearance 0 or with a code alone nobody is shown,
              and the selfie and the trust in it are left out (zero for the network)
        """
        planes = {"mask": background.mask, "background": self.masked_crop(background)}
        if "selfie" in self.config.planes and wish is not None and wish.appearance and can_finish(identity):
            found = self.finisher.selfies(background, identity, expression, wish)
            picture, planes["trust"], edge = map(torch.cat, zip(*found, strict=True))
            planes["selfie"] = torch.lerp(planes["background"].to(picture), picture, edge)
        return {name: planes[name] for name in self.config.planes if name in planes}

    def tokens(self, identity: Identity | None, expression: Expression | None, background: CutOut) -> Tokens:
        """What is None is read from the background's own face: reenactment only, or swap only.

        Batches of one are repeated; others have a row for each face of the background, or for each of its pictures.
        """
        if identity is not None:
            self.recognisers.check(identity)
        who = (self._own_identity(background) if identity is None else identity.code).to(self.device)
        neutral = self.conditioner.neutral
        what = (
            background.blendshapes.to(self.device) - neutral if expression is None else expression.code.to(self.device)
        )
        pose = background.pose.to(self.device)
        who, what = (one_for_each_face(codes, background) for codes in (who, what))
        who, what, pose = broadcast({"identity": who, "expression": what, "background": pose})
        degrees = [torch.tensor(keep, device=self.device).expand(len(pose), 3)
                   for keep in ((True, True, True), (True, False, True), (False, False, True))]  # fmt: skip
        what = self.normalisation.hold_back(what)
        return Tokens(*(self.conditioner(who, what, pose, keep) for keep in degrees))

    def find(
        self,
        picture_at: Callable[[int], Tensor],
        count: int,
        choose: str,
        what: str,
        without_face: str = STOP,
        known: Callable[[int], list[Face] | None] | None = None,
        follow: bool = False,
        furthest: float = 180.0,
        say: Callable[[str], None] = LOG.warning,
    ) -> list[list[Face]]:
        """The chosen faces of each of several pictures, which are asked for one at a time.

        picture_at    a picture's number -> (3, H, W) in [-1, 1]
        what          their role, for messages
        without_face  "stop", or else pictures that do not show the face have none here; NoFace if none does
        known         a picture's number -> all faces in it, None where they are to be looked for
        follow        who is meant is chosen once and followed, as in a video; "all" are always all
        furthest      degrees; a face that is turned further to a side is none
        say           is told, once, of faces that are turned too far to be read well
        """
        if without_face not in WITHOUT_FACE:
            raise ValueError(f'got without_face "{without_face}", want one of {", ".join(WITHOUT_FACE)}')
        follower = Follower(self.codes, choose) if follow and choose != "all" and count > 1 else None
        chosen, reason = [], None
        for i in range(count):
            try:
                faces = None if known is None else known(i)
                name = f"{what} {i + 1} of {count}"
                chosen.append(within(self.faces(picture_at(i), choose, name, faces, follower), furthest, name))
            except NoFace as error:
                if without_face == STOP:
                    raise
                chosen, reason = [*chosen, []], reason or error
        if reason is not None and not any(chosen):
            raise NoFace(f"{reason}. Without a face in any picture there is nothing to go on with")
        if turned := turned_away(chosen, what):
            say(turned)
        return chosen

    def faces(
        self,
        picture: Tensor,
        choose: str,
        what: str,
        found: list[Face] | None = None,
        follower: Follower | None = None,
    ) -> list[Face]:
        """The chosen faces of one picture (3, H, W); NoFace, a ValueError in words, where they are not there.

        found     all faces in it, where that is known already
        follower  chooses in place of `choose`
        """
        found = self.mesh.find(picture.to(self.device)) if found is None else found
        if follower is not None:
            return follower(picture, found, what)
        return choose_faces(found, choose, picture.shape[-2:], what)

    def codes(self, picture: Tensor, faces: list[Face]) -> Tensor:
        """(n, D) identity codes of n faces of a picture (3, H, W)."""
        return self.recognisers.encode(self._aligned(picture, faces).to(self.device))

    def _aligned(self, picture: Tensor, faces: list[Face]) -> Tensor:
        frame = FRAMES["arcface-112"]
        points = torch.stack([face.points[:, :2] for face in faces]).cpu()
        matrix = align(five_points(points), frame)
        return brighten(crop(picture[None].cpu().expand(len(faces), -1, -1, -1), matrix, frame.size))

    def _own_identity(self, background: CutOut) -> Tensor:
        frame = FRAMES["arcface-112"]
        matrix = align(five_points(background.points), frame)  # from the crop, which is cut at the same scale
        parts = zip(background.crop.split(CHUNK), matrix.split(CHUNK), strict=True)
        faces = [brighten(crop(*part, frame.size)).to(self.device) for part in parts]
        return torch.cat([self.recognisers.encode(part) for part in faces])
