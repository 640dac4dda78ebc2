"""Batches in which some pictures do not show the face, and pictures with several of them."""

import pytest
import torch

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def batch(people):
    """Nobody, one, two people (the smaller to the left), nobody."""
    person = people(2)
    width = person.shape[2]
    blank, two = torch.full_like(person, 0.3), torch.full_like(person, 0.3)
    two[:, 100:292, : width // 2] = people(5, height=192)[:, :, : width // 2]
    two[:, 40:328, width // 2 :] = people(2, height=288)[:, :, 48 : 48 + width - width // 2]
    return torch.cat([blank, person, two, blank])


@pytest.fixture(scope="module")
def call(run, diffsfsr, batch):
    def call(node: str, face: str = "largest", face_number: int = 0, **inputs):
        inputs = {"image": batch, "face": face, "face_number": face_number} | inputs
        return run(f"DiffSFSR{node}", diffsfsr=diffsfsr, **inputs)

    return call


def test_background_skips_or_passes_through(call, batch):
    passed, crops, *_ = call("ExtractBackground", without_face="pass through")
    skipped, same, *_ = call("ExtractBackground", without_face="skip")
    assert passed.index.tolist() == [1, 2] and torch.equal(passed.image, batch)
    assert skipped.index.tolist() == [0, 1] and torch.equal(skipped.image, batch[1:3])
    assert torch.equal(crops, same)


def test_masks_are_skipped_with_their_pictures(call, batch):
    masks = torch.zeros(batch.shape[:3])
    masks[1, :200], masks[2] = 1, 1
    own = call("ExtractBackground", mask=masks, without_face="skip")[2]
    assert torch.equal(own, call("ExtractBackground", mask=masks, without_face="pass through")[2])


def test_faces_are_counted_by_size(call, batch):
    pair = batch[2:3]
    middle = pair.shape[2] / 2
    for number, right in ((0, True), (1, False)):
        scene = call("ExtractBackground", "by size", number, image=pair)[0]
        inner = torch.linalg.inv(scene.matrix[:, :, :2]) @ (torch.full((2, 1), 64.0) - scene.matrix[:, :, 2:])
        assert bool(inner[0, 0, 0] > middle) == right
    with pytest.raises(ValueError, match="face 2 by size of the background picture 1 of 1 was asked for"):
        call("ExtractBackground", "by size", 2, image=pair)
    assert call("ExtractBackground", "by size", 1, without_face="pass through")[0].index.tolist() == [2]


def test_identity_skips_photos_without_the_face(call, batch):
    with pytest.raises(ValueError, match="no face found in the identity photo 1 of 4"):
        call("EncodeIdentity")
    identity, aligned = call("EncodeIdentity", without_face="skip")
    assert identity.photos == len(aligned) == 2
    assert torch.equal(identity.code, call("EncodeIdentity", image=batch[1:3])[0].code)


def test_expressions_skip_or_go_on(call, batch):
    with pytest.raises(ValueError, match="no face found in the expression photo 1 of 4"):
        call("ExpressionFromImage", intensity=1.0)
    (both,) = call("ExpressionFromImage", intensity=1.0, image=batch[1:3])
    (skipped,) = call("ExpressionFromImage", intensity=1.0, without_face="skip")
    assert torch.equal(skipped.code, both.code)
    (held,) = call("ExpressionFromImage", intensity=1.0, without_face="pass through")
    assert torch.equal(held.code, both.code[[0, 0, 1, 1]])
