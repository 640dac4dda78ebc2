"""No faces where there are none: textures and bodies without a head; and every face is still found."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.pictures import read_picture
from torch import Tensor

PEOPLE = sorted((Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated").glob("P*"))


def textures(count: int, size: int = 384, seed: int = 0) -> Iterator[Tensor]:
    """(3, size, size) in [-1, 1]: coloured and grey noise of every fineness, grass, stripes, dots, clouds, in turn."""
    generator = torch.Generator().manual_seed(seed)

    def noise(height: int, width: int, channels: int = 3, mode: str = "bicubic") -> Tensor:
        small = torch.rand(1, channels, height, width, generator=generator)
        return F.interpolate(small, (size, size), mode=mode)[0].clamp(0, 1).expand(3, -1, -1) * 2 - 1

    y, x = torch.meshgrid(*[torch.arange(size) / size] * 2, indexing="ij")
    for i in range(count):
        fine = 2 ** (3 + i // 6 % 5)  # cells on a side, 8 to 128
        wave = torch.rand(3, generator=generator) * fine * 3
        match i % 6:
            case 0:
                yield noise(fine, fine)
            case 1:
                yield noise(fine, fine, 1)
            case 2:
                yield noise(fine, fine * 3 // 2, mode="nearest")
            case 3:  # grass
                yield noise(fine // 4, fine * 2, 1) * torch.tensor([0.2, 0.6, 0.1])[:, None, None] - 0.2
            case 4:
                bent = wave[0] * x + wave[1] * y + 4 * noise(8, 8, 1)
                yield (bent.sin() * (wave[2] * y).cos()).expand(3, -1, -1)
            case 5:  # clouds
                yield sum(noise(2**k, 2**k) / 2**k for k in range(2, 7)).mul(3).clamp(-1, 1)


def test_textures_have_no_faces(face_mesh):
    assert [i for i, texture in enumerate(textures(60)) if face_mesh.find(texture)] == []


@pytest.mark.parametrize("person", PEOPLE[::4], ids=lambda path: path.name)
def test_bodies_without_a_head_have_no_face(face_mesh, person):
    """Knees and feet look like faces the closer one looks."""
    for name in ("amateur_posture", "studio_posture"):
        picture = F.avg_pool2d(read_picture(person / "assets" / f"{name}.jpg"), 2)
        (face,) = face_mesh.find(picture)
        top, bottom = face.points[:, 1].aminmax()
        assert face_mesh.find(picture[:, int(bottom + 0.3 * (bottom - top)) :]) == []
