"""No machine of the tests' has a GPU: all that is computed is watched as if there were one (ours).

Tensors of the pretended device are the CPU's, with a mark. What comes of them is marked too; what mixes them with
unmarked ones fails, as it does on a GPU, but for single numbers, indices and what copies from one to the other.
"""

import dataclasses

import pytest
import torch
from diffsfsr.models.appearance.finish import Wish
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.faces.mesh import FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.autoencoder import empty_autoencoder
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.models.network.denoiser import Denoiser
from diffsfsr.models.pipeline import DiffSFSR, Painting
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda", 0)
BETWEEN = {torch.Tensor.copy_, torch.Tensor.__getitem__, torch.Tensor.__setitem__}


class MixedDevices(AssertionError):
    pass


def is_there(value: object) -> bool:
    return isinstance(value, torch.Tensor) and getattr(value, "there", False)


def put_there(value: object) -> object:
    for each in tree_leaves(value):
        if isinstance(each, torch.Tensor):
            each.there = True
    return value


class PretendedGPU(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if func == torch.Tensor.device.__get__:
            return GPU if is_there(args[0]) else func(*args)
        if func in (torch.Tensor.cpu, torch.Tensor.to):
            return self._move(func, args, kwargs)
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == "cuda":
            return put_there(func(*args, **kwargs | {"device": "cpu"}))
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        there = [is_there(each) for each in given]
        if name == "numpy" and any(there):
            raise MixedDevices("a GPU's tensor has no numpy()")
        mixed = any(there) and any(not mark and each.dim() for mark, each in zip(there, given, strict=True))
        if mixed and not (func in BETWEEN and there[0]):
            raise MixedDevices(f"{name} of {[(tuple(e.shape), m) for e, m in zip(given, there, strict=True)]}")
        result = func(*args, **kwargs)
        here = device is not None  # a factory that was told the CPU
        return put_there(result) if any(there) and not here else result

    def _move(self, func, args, kwargs):
        told = [*args[1:], *kwargs.values()]
        there = is_there(args[0])
        for each in told:
            if isinstance(each, torch.Tensor):
                there = is_there(each)
            elif isinstance(each, torch.device | str):
                there = torch.device(each).type == "cuda"
        there = there and func is torch.Tensor.to
        plain = [torch.device("cpu") if isinstance(each, torch.device | str) else each for each in args[1:]]
        named = {key: "cpu" if key == "device" else value for key, value in kwargs.items()}
        moved = func(args[0], *plain, **named)
        moved = moved.clone() if moved is args[0] and there != is_there(args[0]) else moved
        return put_there(moved) if there else moved


@pytest.fixture(scope="module")
def model(tiny) -> DiffSFSR:
    """Every weight on the pretended device."""
    torch.manual_seed(0)
    config = dataclasses.replace(tiny, latent_scale=0.5)
    recognisers = {"small": Recogniser((8, 8, 8, 8), (1, 1, 1), 16)}
    library = ExpressionLibrary.load(ASSETS / "expressions.json")
    encoders = Encoders(config, FaceMesh.load(find_task_file()), recognisers, library)
    parts = [part.eval().requires_grad_(False) for part in (encoders, Denoiser(config), empty_autoencoder(config))]
    for part in parts:
        put_there([*part.parameters(), *part.buffers()])
    return DiffSFSR(*parts)


def test_a_portrait_is_computed_where_the_networks_are(model, acted):
    selfie, scene = acted("P001", 0), acted("P003", 0)
    with torch.inference_mode(), PretendedGPU():
        assert model.encoders.device == GPU
        who, what, where = model.identity([selfie]), model.expression("joy"), model.background(scene)
        painted = model.paint(who, what, where, Painting(steps=1))
        assert painted.device == GPU
        pictures, crops = model.generate(who, model.expression(selfie), where, Painting(1), Wish(detail=2))
        assert crops.device == GPU and pictures.device.type == "cpu"
        assert model.preview(who, what, where, Wish(detail=1)).device == GPU
        model.generate(None, None, where, Painting(1), Wish(detail=1))  # all of it the background's own


def test_what_is_watched_fails_where_a_gpu_would():
    here, there = torch.ones(3), put_there(torch.ones(3))
    with PretendedGPU():
        assert (there + 1).device == GPU and there.cpu().device.type == "cpu" and here.to(GPU).device == GPU
        assert torch.zeros(2, device=GPU).device == there.new_zeros(2).device == GPU
        assert there[torch.tensor([0])].device == GPU and (there * here.sum()).device == GPU
        for mix in (lambda: there + here, lambda: torch.cat([here, there]), lambda: here[there.long()], there.numpy):
            with pytest.raises(MixedDevices):
                mix()
