import dataclasses

import pytest
import torch
from diffsfsr.models.network.config import sd15
from diffsfsr.training.denoiser.cost import Kept, count, count_denoiser
from diffsfsr.training.denoiser.train import Model

NARROW = sd15(widths=(32, 64), attention=(True, False), layers=1, context=24, frame="ffhq-256")


@pytest.fixture(scope="module")
def model():
    with torch.device("meta"):
        return Model(NARROW)


def counted(model, config):
    with torch.device("meta"):
        return count_denoiser(model, config)


def test_four_times_the_area_takes_four_times_the_work_and_the_way_back_twice_that_there(model):
    (there, both, kept), (_, larger, more) = (
        counted(model, dataclasses.replace(NARROW, frame=frame)) for frame in ("ffhq-256", "ffhq-512")
    )
    assert both / there == pytest.approx(3, rel=0.05)
    assert 3.9 < larger / both < 16 and more.total / kept.total == pytest.approx(4, rel=0.1)  # attention takes more
    assert kept.checkpointed < 0.6 * kept.total


def test_what_is_kept_is_counted_once_and_weights_are_not():
    layers = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Sigmoid(), torch.nn.Linear(7, 3))
    kept = Kept(heads=2)
    with kept.counting(layers):
        layers(torch.zeros(4, 5))
    assert kept.total == 4 * 5 + 4 * 7  # sigmoid and the second layer keep the same numbers


def test_the_table_names_memory_and_time():
    text = count("ffhq-256", 2, 0, False, "none", "improved").table()
    assert "863 million weights" in text and "GiB" in text and "H100" in text
