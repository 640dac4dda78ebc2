"""A face recogniser out of an insightface pack that the user has, run by the package insightface 2 (ours).

Nothing here is needed without such a pack: the package is imported when a pack is loaded, not before. Packs are folders
of .onnx files, in ComfyUI models/insightface/models/<name>/. Many of them forbid commercial use: read their terms.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PREFIX = "insightface/"  # before a pack's name, where a recogniser is named


class PackRecogniser(nn.Module):
    """As Recogniser, but on onnxruntime: without gradients, and on the CPU whatever the device of its input."""

    def __init__(self, model):
        """model: insightface's ArcFaceONNX."""
        super().__init__()
        self.model = model

    @classmethod
    def load(cls, pack: Path) -> "PackRecogniser":
        """The first recogniser for 112 x 112 pixels among a pack's .onnx files."""
        pack = Path(pack)
        files = sorted(pack.glob("*.onnx"))
        if not files:
            raise ValueError(f"no .onnx file in {pack}; unpack the insightface pack there, not a folder deeper")
        try:
            from insightface.model_zoo import get_model
        except ImportError as error:
            raise ValueError(
                f'the recogniser "{PREFIX}{pack.name}" needs the package insightface ({error}): `python -m pip install '
                "insightface` with ComfyUI's own Python, then start ComfyUI again"
            ) from error
        for file in files:
            try:
                model = get_model(str(file), providers=["CPUExecutionProvider"])
            except Exception as error:  # onnx, protobuf and onnxruntime each raise their own
                raise ValueError(f"insightface cannot read {file}: {error}. Get the pack again") from error
            if getattr(model, "taskname", None) == "recognition" and model.input_size == (112, 112):
                return cls(model)
        raise ValueError(
            f"no recogniser for 112 x 112 pixels in {pack} ({', '.join(file.name for file in files)}); choose another "
            "pack, such as buffalo_l, antelopev2 or auraface"
        )

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, 112, 112) RGB in [-1, 1], frame arcface-112 -> (B, D), unit length, on x's device."""
        pixels = ((x.detach() + 1) * 127.5).float().cpu().numpy()  # 0..255, as insightface's own forward() wants them
        fixed = isinstance(self.model.input_shape[0], int)  # some files take one face at a time
        batches = [pixels[i : i + 1] for i in range(len(pixels))] if fixed else [pixels]
        code = torch.cat([torch.from_numpy(self.model.forward(batch)) for batch in batches])  # (B, D)
        return F.normalize(code.float(), dim=-1).to(x.device)


def find_pack(name: str, folders: Sequence[Path]) -> Path:
    """The folder of a pack such as "buffalo_l"; folders: those that hold packs, such as models/insightface/models."""
    for folder in folders:
        if name not in ("", "..") and Path(name).name == name and (Path(folder) / name).is_dir():
            return Path(folder) / name
    raise ValueError(
        f'no insightface pack "{name}" in {", ".join(map(str, folders)) or "any folder"}; download it and unpack it to '
        f"ComfyUI/models/insightface/models/{name}/"
    )
