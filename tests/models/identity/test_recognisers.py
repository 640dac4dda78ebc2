import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.codes import Identity
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.identity.recognisers import Recognisers, blend, merge_photos, unit_sizes, weigh_photos


@pytest.fixture(scope="module")
def recognisers() -> Recognisers:
    """Two with random weights; vectors of 12 and 5 numbers."""
    torch.manual_seed(0)
    found = {"a": Recogniser((8, 8, 16, 16), (1, 2, 1), 12), "b": Recogniser((8, 8, 8, 8), (1, 1, 1), 5)}
    return Recognisers(found).eval().requires_grad_(False)


@pytest.fixture
def faces(generator):
    return torch.rand(3, 3, 112, 112, generator=generator) * 2 - 1


def test_a_code_is_the_vectors_of_all_side_by_side(recognisers, faces):
    code = recognisers.encode(faces)
    assert torch.equal(code, torch.cat([recognisers["a"](faces), recognisers["b"](faces)], dim=-1))
    assert recognisers.names == ("a", "b") and recognisers.sizes == (12, 5)


def test_names_are_free_and_the_order_is_that_of_the_code(recognisers, faces):
    """An insightface pack may be called buffalo.v2; torch's own ModuleDict takes no dots."""
    turned = Recognisers({"insightface/buffalo.v2": recognisers["b"], "a": recognisers["a"]})
    assert list(turned) == ["insightface/buffalo.v2", "a"] and turned["a"] is recognisers["a"]
    assert torch.equal(turned.encode(faces), recognisers.encode(faces).roll(5, -1))


def test_photos_of_the_same_face_are_that_face(recognisers, faces):
    code = recognisers.encode(faces[:1])
    torch.testing.assert_close(recognisers.merge(code.expand(3, -1)), code)


def test_somebody_between_two_people(recognisers, faces):
    one, other = (Identity(recognisers.encode(face[None]), recognisers.names, 3) for face in faces[:2])
    ends = [recognisers.blend(one, other, share).code for share in (0.0, 1.0)]
    torch.testing.assert_close(torch.cat(ends), torch.cat([one.code, other.code]))
    half = recognisers.blend(one, other, 0.5)
    assert half.photos == 6 and half.recognisers == ("a", "b")
    near = [(half.code * end.code).split([12, 5], dim=-1) for end in (one, other)]
    torch.testing.assert_close([part.sum() for part in near[0]], [part.sum() for part in near[1]])
    both = Identity(torch.cat([one.code, other.code]), recognisers.names)
    torch.testing.assert_close(recognisers.blend(both, other, 0.5).code, torch.cat([half.code, other.code]))
    torch.testing.assert_close(blend(one, other, 0.5).code, half.code, rtol=0, atol=0)  # no recogniser is asked
    with pytest.raises(ValueError, match="second identity was made with c, but this checkpoint was trained with a, b"):
        recognisers.blend(one, Identity(other.code, ("c",)), 0.5)
    with pytest.raises(ValueError, match="got people read by a, b and by c, want all by the same"):
        blend(one, Identity(other.code, ("c",)), 0.5)


@pytest.mark.parametrize("sizes", [(512,), (192, 192), (12, 5), (512, 128, 3)])
def test_a_code_tells_how_long_its_vectors_are(sizes, generator):
    vectors = [F.normalize(torch.randn(2, size, generator=generator), dim=-1) for size in sizes]
    assert unit_sizes(torch.cat(vectors, -1), len(sizes)) == sizes


def test_photos_merge_to_the_mean_direction_of_each_recogniser():
    code = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
    torch.testing.assert_close(merge_photos(code, [2, 2]), torch.tensor([[0.5**0.5, 0.5**0.5, 0.0, 1.0]]))


def test_a_photo_of_somebody_else_hardly_counts(generator):
    """Four photos, 31 degrees from their person each; a fifth is of somebody else, for one of two recognisers."""
    person, other, *noise = torch.linalg.qr(torch.randn(192, 6, generator=generator)).Q.T
    own = F.normalize(torch.stack([person + 0.6 * n for n in noise]), dim=-1)
    mixed = torch.cat([own, other[None]])
    agreeing = torch.cat([own, own[:1]])
    code = torch.cat([mixed, agreeing], dim=-1)
    merged = merge_photos(weigh_photos(code, [192, 192]), [192, 192])
    assert merged[0, :192] @ person > (own @ person).max() + 0.05  # better than any single photo
    assert merged[0, :192] @ other < 0.2 * (merge_photos(mixed, [192])[0] @ other)
    torch.testing.assert_close(merged[:, 192:], merge_photos(weigh_photos(agreeing, [192]), [192]))


def test_two_photos_weigh_the_same(generator):
    code = F.normalize(torch.randn(2, 20, generator=generator), dim=-1)
    torch.testing.assert_close(merge_photos(weigh_photos(code, [20]), [20]), merge_photos(code, [20]))
    torch.testing.assert_close(weigh_photos(code[:1], [20]), code[:1])  # one photo is left alone
