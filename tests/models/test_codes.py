import dataclasses

import pytest
import torch
from diffsfsr.models.codes import Background, Expression, Identity, broadcast, repeat_background


def background(faces: int = 1, **changes) -> Background:
    values = {
        "pictures": torch.zeros(2, 3, 20, 30), "index": torch.arange(faces) % 2,
        "crop": torch.zeros(faces, 3, 16, 16), "mask": torch.ones(faces, 1, 16, 16),
        "pose": torch.zeros(faces, 3), "matrix": torch.eye(3)[:2].expand(faces, 2, 3),
        "points": torch.zeros(faces, 478, 3), "blendshapes": torch.zeros(faces, 51),
    }  # fmt: skip
    return Background(**values | changes)


@pytest.mark.parametrize("make, words", [
    (lambda: Identity(torch.zeros(16), ("a",)), r"identity code of shape \(16,\), want \('any', 'any'\)"),
    (lambda: Expression(torch.zeros(1, 52)), r"expression code of shape \(1, 52\), want \('any', 51\)"),
    (lambda: Expression(torch.zeros(0, 51)), "empty expression code"),
    (lambda: Expression(torch.full((1, 51), torch.nan)), "NaN or infinite"),
    (lambda: Identity(torch.full((1, 16), torch.inf), ("a",)), "NaN or infinite"),
    (lambda: background(mask=torch.ones(1, 1, 8, 8)), r"mask of shape \(1, 1, 8, 8\), want \(1, 1, 16, 16\)"),
    (lambda: background(pose=torch.zeros(2, 3)), r"pose of shape \(2, 3\), want \(1, 3\)"),
    (lambda: background(points=torch.zeros(1, 468, 2)), "got points of shape"),
    (lambda: background(faces=0), "got an empty index"),
])  # fmt: skip
def test_wrong_codes_are_refused_in_words(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_codes_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Expression(torch.zeros(1, 51)).name = "other"


def test_batches_of_one_are_repeated():
    a, b = broadcast({"a": torch.tensor([[1.0, 2.0]]), "b": torch.zeros(3, 4)})
    assert torch.equal(a, torch.tensor([[1.0, 2.0]] * 3)) and b.shape == (3, 4)


def test_other_batch_sizes_are_refused_by_name():
    with pytest.raises(ValueError, match="batch sizes differ: {'identity': 2, 'expression': 3}; want them equal, or 1"):
        broadcast({"identity": torch.zeros(2, 1), "expression": torch.zeros(3, 1)})


def test_one_face_serves_several_results():
    many = repeat_background(background(pose=torch.tensor([[1.0, 2.0, 3.0]])), 4)
    assert len(many.index) == len(many.crop) == len(many.mask) == len(many.matrix) == 4
    assert many.pictures.shape == (2, 3, 20, 30)  # pictures are not faces
    assert torch.equal(many.pose, torch.tensor([[1.0, 2.0, 3.0]] * 4))


@pytest.mark.parametrize("count", [1, 3])
def test_several_faces_serve_as_many_results_only(count):
    two = background(2)
    assert repeat_background(two, 2) is two
    with pytest.raises(ValueError, match=f"got {count} for a background with 2 faces, want one for each face"):
        repeat_background(two, count)
