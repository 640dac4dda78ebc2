"""Shared by the tests of the retoucher's training."""

import pytest
from diffsfsr.training.retoucher.swaps import write_swaps


@pytest.fixture(scope="package")
def swaps(portraits, model, tmp_path_factory):
    """The folder with what came of four draws."""
    out = tmp_path_factory.mktemp("swaps")
    *_, last = write_swaps([portraits], out, model, 4)
    assert last == (4, 4)
    return out
