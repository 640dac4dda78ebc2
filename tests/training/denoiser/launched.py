"""Run by test_train.py through `accelerate launch`: trains on what lies in a folder, leaves the weights there."""

import importlib.util
import json
import sys
from pathlib import Path

import torch

ROOT, FOLDER = Path(__file__).parents[3], Path(sys.argv[1])
spec = importlib.util.spec_from_file_location("diffsfsr", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
sys.modules["diffsfsr"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["diffsfsr"])

from accelerate import PartialState  # noqa: E402
from diffsfsr.models.network.config import Config  # noqa: E402
from diffsfsr.training.data.dataset import Dataset  # noqa: E402
from diffsfsr.training.denoiser.reader import LatentReader  # noqa: E402
from diffsfsr.training.denoiser.settings import Training  # noqa: E402
from diffsfsr.training.denoiser.train import new_model, train  # noqa: E402

config, settings = json.loads((FOLDER / "config.json").read_text())
data = Dataset.load(FOLDER / "dataset.safetensors")
reader = LatentReader(4, (16,), 8).requires_grad_(False)
reader.load_state_dict(torch.load(FOLDER / "reader.pt", weights_only=True))
*_, last = train(new_model(Config.from_dict(config), data), Training(**settings), data, reader=reader)
assert PartialState().num_processes == 2
if PartialState().is_main_process:
    torch.save(last.model.state_dict(), FOLDER / "weights.pt")
PartialState().wait_for_everyone()
PartialState().destroy_process_group()
