import pytest
import torch
from diffsfsr.models.network import device
from diffsfsr.models.network.device import choose_device


def test_a_gpu_is_taken_where_there_is_one(monkeypatch):
    found = {"cuda": False, "mps": False}
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: found["cuda"])
    monkeypatch.setattr(device.torch.backends.mps, "is_available", lambda: found["mps"])
    assert choose_device() == torch.device("cpu")
    found["mps"] = True
    assert choose_device().type == "mps" and choose_device("cpu").type == "cpu"
    found["cuda"] = True
    assert choose_device().type == "cuda"


def test_what_is_not_there_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch finds no cuda device here; want --device auto or cpu"):
        choose_device("cuda")
    with pytest.raises(ValueError, match='got the device "tpu", want one of auto, cpu, cuda, mps'):
        choose_device("tpu")
