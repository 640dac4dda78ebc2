"""Recogniser and face detector out of an insightface pack that the user has, run by the package insightface 2 (ours).

Nothing here is needed without such a pack: the package is imported when a pack is loaded, not before. Packs are folders
of .onnx files, in ComfyUI models/insightface/models/<name>/. Many of them forbid commercial use: read their terms.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..frames import FRAMES, align, invert, scale, transform
from ..pixels import to_bytes
from .detector import Detections

PREFIX = "insightface/"  # before a pack's name, where a recogniser is named
OTHERS = ("1k3d68", "2d106det", "genderage")
# Where MediaPipe's detector, which the mesh goes by, puts its box in the frame arcface-112: centre and side; mean of
# openpeople's 160 acted faces, 10 selfies and 10 portraits.
BOX = (56.0, 73.8, 89.2)


class PackRecogniser(nn.Module):
    """As Recogniser, but on onnxruntime: without gradients, and on the CPU whatever the device of its input."""

    def __init__(self, model):
        """model: insightface's ArcFaceONNX."""
        super().__init__()
        self.model = model

    @classmethod
    def load(cls, pack: Path) -> "PackRecogniser":
        """The first recogniser for 112 x 112 pixels among a pack's .onnx files."""
        return cls(_first(pack, _recognises, "recogniser for 112 x 112 pixels"))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, 112, 112) RGB in [-1, 1], frame arcface-112 -> (B, D), unit length, on x's device."""
        pixels = ((x.detach() + 1) * 127.5).float().cpu().numpy()  # 0..255, as insightface's own forward() wants them
        fixed = isinstance(self.model.input_shape[0], int)  # some files take one face at a time
        batches = [pixels[i : i + 1] for i in range(len(pixels))] if fixed else [pixels]
        code = torch.cat([torch.from_numpy(self.model.forward(batch)) for batch in batches])  # (B, D)
        return F.normalize(code.float(), dim=-1).to(x.device)


class PackDetector(nn.Module):
    """A pack's face detector, SCRFD, in place of models/faces/detector.py's; finds faces of any size in one look."""

    levels = 1

    def __init__(self, model):
        """model: insightface's SCRFD."""
        super().__init__()
        self.model = model

    @classmethod
    def load(cls, pack: Path) -> "PackDetector":
        """The first face detector with five points among a pack's .onnx files."""
        return cls(_first(pack, _detects, "face detector with five points"))

    def forward(self, pictures: Tensor, level: int = 0) -> list[Detections]:
        """As FaceDetector's. pictures: (B, 3, H, W), RGB in [-1, 1]; level: always 0"""
        return [self._look(picture) for picture in pictures]

    def _look(self, picture: Tensor) -> Detections:
        pixels = to_bytes(picture)
        # insightface wants pictures as OpenCV has them: blue first
        boxes, points = self.model.detect(pixels.permute(1, 2, 0).flip(-1).contiguous().cpu().numpy())
        scores, points = (torch.from_numpy(values.copy()).to(picture) for values in (boxes[:, 4], points))
        back = invert(align(points, FRAMES["arcface-112"]))  # (n, 2, 3), from the frame to the picture
        x, y, side = BOX
        centre = transform(points.new_tensor([[x, y]]), back)[:, 0]
        half = scale(back)[:, None] * side / 2
        return Detections(torch.cat([centre - half, centre + half], dim=1), points, scores)


def load_pack(pack: Path) -> tuple[PackDetector | None, PackRecogniser | None]:
    """What a pack has of the two; ValueError if neither."""
    found = {}
    for model in _models(pack):
        for kind, fits in ((PackDetector, _detects), (PackRecogniser, _recognises)):
            if fits(model):
                found.setdefault(kind, kind(model))
        if len(found) == 2:
            break
    if not found:
        raise ValueError(f"no face detector and no recogniser in {pack}; choose another pack, such as buffalo_l")
    return found.get(PackDetector), found.get(PackRecogniser)


def _recognises(model) -> bool:
    return getattr(model, "taskname", None) == "recognition" and model.input_size == (112, 112)


def _detects(model) -> bool:
    return getattr(model, "taskname", None) == "detection" and getattr(model, "use_kps", False)


def _first(pack: Path, fits: Callable[[object], bool], wanted: str):
    for model in _models(pack):
        if fits(model):
            return model
    raise ValueError(
        f"no {wanted} in {pack} ({', '.join(sorted(file.name for file in Path(pack).glob('*.onnx')))}); choose another "
        "pack, such as buffalo_l, antelopev2 or auraface"
    )


def _models(pack: Path) -> Iterator:
    """insightface's objects for a pack's .onnx files; those for landmarks and age, of no use here, come last."""
    files = sorted(Path(pack).glob("*.onnx"), key=lambda file: (file.name.startswith(OTHERS), file.name))
    if not files:
        raise ValueError(f"no .onnx file in {pack}; unpack the insightface pack there, not a folder deeper")
    try:
        from insightface.model_zoo import get_model
    except ImportError as error:
        raise ValueError(
            f'the insightface pack "{Path(pack).name}" needs the package insightface ({error}): `python -m pip install '
            "insightface` with ComfyUI's own Python, then start ComfyUI again"
        ) from error
    for file in files:
        try:
            model = get_model(str(file), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnx, protobuf and onnxruntime each raise their own
            raise ValueError(f"insightface cannot read {file}: {error}. Get the pack again") from error
        yield model


def find_pack(name: str, folders: Sequence[Path]) -> Path:
    """The folder of a pack such as "buffalo_l"; folders: those that hold packs, such as models/insightface/models."""
    for folder in folders:
        if name not in ("", "..") and Path(name).name == name and (Path(folder) / name).is_dir():
            return Path(folder) / name
    raise ValueError(
        f'no insightface pack "{name}" in {", ".join(map(str, folders)) or "any folder"}; download it and unpack it to '
        f"ComfyUI/models/insightface/models/{name}/"
    )
