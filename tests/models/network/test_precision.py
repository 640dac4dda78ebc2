import pytest
import torch
from diffsfsr.models.network.precision import CPU_QUERIES, autocast, fast_dtype


def answer(monkeypatch, *answers):
    for query, fast in zip(CPU_QUERIES, answers, strict=True):
        monkeypatch.setattr(torch.cpu, query, lambda fast=fast: fast, raising=False)


@pytest.mark.parametrize(
    "answers, dtype",
    [((False, False), torch.float32), ((True, False), torch.bfloat16), ((False, True), torch.bfloat16)],
)
def test_a_processor_computes_in_what_it_has_instructions_for(monkeypatch, answers, dtype):
    answer(monkeypatch, *answers)
    assert fast_dtype("cpu") == dtype
    network, x = torch.nn.Conv2d(3, 3, 3), torch.zeros(1, 3, 8, 8)
    with autocast("cpu"):
        assert network(x).dtype == dtype


def test_a_torch_that_cannot_be_asked_computes_in_float32(monkeypatch):
    for query in CPU_QUERIES:
        monkeypatch.delattr(torch.cpu, query, raising=False)
    assert fast_dtype("cpu") == torch.float32


@pytest.mark.parametrize("wanted, dtype", [(True, torch.bfloat16), (False, torch.float32)])
def test_the_settings_have_the_last_word(monkeypatch, wanted, dtype):
    answer(monkeypatch, not wanted, not wanted)
    with autocast("cpu", wanted):
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype


@pytest.mark.parametrize("device", ["mps", "meta"])
def test_other_devices_compute_in_float32(device):
    assert fast_dtype(device) == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_a_gpu_computes_in_what_its_generation_has():
    ampere = torch.cuda.get_device_capability()[0] >= 8
    assert (fast_dtype("cuda") == torch.bfloat16) == (ampere or torch.version.hip is not None)
