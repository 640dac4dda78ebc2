"""Shared by the tests of the retoucher's training: portraits of synthetic people, and who paints."""

import pytest
from diffsfsr.models import DiffSFSR
from diffsfsr.models.appearance.photos import photograph
from diffsfsr.models.pictures import decode_picture, to_pil
from diffsfsr.training.data.photos import Photos
from diffsfsr.training.retoucher.swaps import write_swaps
from PIL import Image


@pytest.fixture(scope="package")
def model() -> DiffSFSR:
    return DiffSFSR.load("mini")


@pytest.fixture(scope="package")
def portraits(photos, model, tmp_path_factory):
    """Two photos of P001, one of P002, cut as portraits are, and one that shows nobody."""
    folder, source = tmp_path_factory.mktemp("portraits"), Photos(photos)
    for name in ("P001/0.jpg", "P001/1.jpg", "P002/0.jpg"):
        picture = decode_picture(source.read(name), name)
        shown = photograph([picture], model.encoders.mesh.find(picture, limit=1)).photos[0]
        (folder / name).parent.mkdir(exist_ok=True)
        to_pil(shown).save((folder / name).with_suffix(".png"))
    (folder / "nobody").mkdir()
    Image.new("RGB", (640, 640), (90, 90, 90)).save(folder / "nobody" / "0.png")
    return folder


@pytest.fixture(scope="package")
def swaps(portraits, model, tmp_path_factory):
    """The folder with what came of four draws."""
    out = tmp_path_factory.mktemp("swaps")
    *_, last = write_swaps([portraits], out, model, 4)
    assert last == (4, 4)
    return out
