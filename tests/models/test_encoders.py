import dataclasses
import shutil

import pytest
import torch
from diffsfsr.evaluation.results.spoiling import masked
from diffsfsr.models.codes import Expression, Identity
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.frames import crop, five_points, transform_mesh
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.masks import light_on_face
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.checkpoint import ASSETS, save_checkpoint
from diffsfsr.models.network.denoiser import Denoiser

NEUTRAL, HAPPY, SURPRISED = 0, 1, 4  # cells of the sheets


@pytest.fixture(scope="module")
def encoders(tiny, face_mesh) -> Encoders:
    torch.manual_seed(0)
    config = dataclasses.replace(tiny, recognisers=("a", "b"), identity_size=22)
    recognisers = {"a": Recogniser((8, 8, 8, 8), (1, 1, 1), 16), "b": Recogniser((8, 8, 8, 8), (1, 1, 1), 6)}
    library = ExpressionLibrary.load(ASSETS / "expressions.json")
    return Encoders(config, face_mesh, recognisers, library).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def three(acted) -> torch.Tensor:
    """(3, 400, 400): from left to right the second largest, the smallest, nearest to the middle, and the largest."""

    def closer(person, size):
        face = acted(person, NEUTRAL, size * 3 // 2)
        return face[:, size * 3 // 8 :, size // 4 :][:, :size, :size]

    picture = torch.zeros(3, 400, 400)
    picture[:, :150, :150] = closer("P002", 150)
    picture[:, :220, 180:] = closer("P001", 220)
    picture[:, 200:370, 100:270] = closer("P003", 170)
    return picture


def test_identity_is_one_unit_vector_for_each_recogniser(encoders, acted):
    identity, faces = encoders.identity([acted("P001", NEUTRAL)])
    assert identity.code.shape == (1, 22) and identity.recognisers == ("a", "b") and identity.photos == 1
    torch.testing.assert_close(torch.stack([part.norm() for part in identity.code.split([16, 6], -1)]), torch.ones(2))
    assert faces.shape == (1, 3, 112, 112) and faces.min() >= -1 and faces.max() <= 1


def test_identity_does_not_see_scale_or_place(encoders, acted):
    identity, faces = encoders.identity([acted("P001", NEUTRAL, 260)])
    wide = torch.nn.functional.pad(acted("P001", NEUTRAL, 260), (90, 10, 0, 40), value=-1)
    moved, again = encoders.identity([wide])
    assert (faces - again).abs().mean() < 0.02 and (identity.code - moved.code).abs().max() < 0.02


def test_photos_of_several_sizes_merge_to_one_identity(encoders, acted):
    photos = [acted("P001", NEUTRAL), acted("P001", HAPPY, 180)]
    one, two = (encoders.identity([photo])[0].code for photo in photos)
    both, faces = encoders.identity(photos)
    assert both.code.shape == (1, 22) and both.photos == 2 and len(faces) == 2
    wanted = torch.nn.functional.normalize((one + two)[:, :16], dim=-1)
    torch.testing.assert_close(both.code[:, :16], wanted)


def test_photo_without_a_face_is_named(encoders, acted):
    with pytest.raises(ValueError, match=r"no face found in the identity photo 2 of 2 \(96x64 px\). Use a picture"):
        encoders.identity([acted("P001", NEUTRAL), torch.zeros(3, 64, 96)])
    with pytest.raises(ValueError, match="no face found in the expression photo"):
        encoders.expression(torch.zeros(3, 64, 64))
    with pytest.raises(ValueError, match="no face found in the background picture 1 of 1"):
        encoders.background(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match="got no identity photo"):
        encoders.identity([])


def test_expression_is_what_differs_from_neutral(encoders, acted):
    neutral, surprised = acted("P001", NEUTRAL), acted("P001", SURPRISED)
    assert not encoders.expression(neutral, neutral).code.any()
    own = encoders.expression(surprised, neutral)
    assert own.code.shape == (1, 51) and own.code.abs().max() > 0.2
    half = encoders.expression(surprised, neutral, intensity=0.5)
    torch.testing.assert_close(half.code, own.code / 2)
    read = encoders.mesh.find(surprised)[0].blendshapes
    torch.testing.assert_close(encoders.expression(surprised).code[0], read - encoders.conditioner.neutral)


def test_label_comes_from_the_library(encoders):
    joy = encoders.label("joy", intensity=0.5)
    assert joy.name == "joy" and torch.equal(joy.code[0], encoders.library.code("joy", 0, 0.5))
    assert not encoders.label("joy", intensity=0).code.any()


def test_words_are_no_stronger_than_photos():
    encoders = Encoders.load(ASSETS / "mini.safetensors", find_task_file())
    held_back = set()
    for label in encoders.library.labels:
        meant, code = encoders.library.code(label), encoders.label(label).code[0]
        strength = (code / encoders.conditioner.spread).square().mean().sqrt()
        if torch.equal(code, meant):
            assert strength <= 1.35
        else:
            held_back.add(label)
            assert strength.item() == pytest.approx(1.35, rel=1e-4)
            assert torch.cosine_similarity(code, meant, dim=0) > 0.9999
            torch.testing.assert_close(encoders.label(label, intensity=0.5).code[0], 0.5 * code)
    assert {"sadness", "grief", "terror"} < held_back and "joy" not in held_back and len(held_back) < 30


def test_no_code_becomes_tokens_stronger_than_the_weights_have_seen(encoders, acted):
    """Words at every intensity pass; sliders, photos and files are held back in their own direction."""
    background = encoders.background(acted("P001", NEUTRAL)[None])
    identity = encoders.identity([acted("P002", NEUTRAL)])[0]

    def tokens(code):
        return encoders.tokens(identity, Expression(code), background).full

    joy = encoders.label("joy").code
    strength = (joy / encoders.conditioner.spread).square().mean().sqrt()
    strongest = joy * encoders.config.strongest_expression / strength
    for factor in (1.01, 1.3, 40.0):
        torch.testing.assert_close(tokens(factor * strongest), tokens(strongest), atol=1e-4, rtol=1e-4)
    assert (tokens(0.99 * strongest) - tokens(strongest)).abs().max() > 1e-4
    both = encoders.normalisation.hold_back(torch.cat([9 * strongest, joy, 0 * joy]))
    torch.testing.assert_close(both, torch.cat([strongest, joy, 0 * joy]))


def test_photos_are_exaggerated_as_words_are(encoders, acted):
    photo = encoders.expression(acted("P004", SURPRISED), intensity=1.5).code
    plain = encoders.expression(acted("P004", SURPRISED)).code
    assert torch.equal(photo, (1.5 * plain).clamp(-1, 1))
    with pytest.raises(ValueError, match="got 1.6 for intensity, want 0 to 1.5"):
        encoders.expression(acted("P004", SURPRISED), intensity=1.6)


def test_background_is_cut_to_the_frame(encoders, acted):
    picture = acted("P001", NEUTRAL, 260)
    background = encoders.background(picture[None])
    assert background.crop.shape == (1, 3, 128, 128) and background.mask.shape == (1, 1, 128, 128)
    away = five_points(background.points)[0] - torch.tensor(encoders.frame.points)
    assert away.norm(dim=-1).max() < 8
    x, y = background.points[0, :, :2].long().clamp(0, 127).unbind(-1)
    assert background.mask[0, 0, y, x].mean() > 0.97  # the mask covers the face
    assert not background.mask[0, 0, [0, 0, 127], [0, 127, 0]].any()
    face = encoders.mesh.find(picture)[0]
    assert torch.equal(background.pose[0], face.pose) and torch.equal(background.blendshapes[0], face.blendshapes)
    turned = transform_mesh(face.points[None].cpu(), background.matrix)
    assert torch.equal(background.points, turned) and background.points[0, :, 2].std() > 3  # with its depth


def test_every_picture_of_a_batch_gives_its_faces(encoders, acted):
    pictures = torch.stack([acted("P001", NEUTRAL), acted("P002", HAPPY)])
    both = encoders.background(pictures)
    assert both.index.tolist() == [0, 1]
    for i in range(2):
        torch.testing.assert_close(both.crop[i], encoders.background(pictures[i : i + 1]).crop[0])


def test_own_mask_overrides(encoders, acted):
    picture = acted("P001", NEUTRAL)
    lower = torch.zeros(1, 1, 200, 200)
    lower[..., 100:, :] = 1
    background = encoders.background(picture[None], mask=lower)
    assert not background.mask[..., :20, :].any() and background.mask[..., 110:, 40:90].all()
    with pytest.raises(ValueError, match="the mask given covers nothing of a face in picture 1; paint over it"):
        encoders.background(picture[None], mask=torch.zeros(1, 1, 200, 200))


@pytest.mark.parametrize("fill", ["grey", "light"])
def test_masked_crop_shows_all_but_the_face(encoders, acted, monkeypatch, fill):
    background = encoders.background(acted("P001", NEUTRAL)[None])
    monkeypatch.setattr(encoders, "config", dataclasses.replace(encoders.config, face_fill=fill))
    removed, inside = encoders.masked_crop(background), background.mask.bool().expand(-1, 3, -1, -1)
    expected = light_on_face(background.crop, background.mask) if fill == "light" else torch.zeros(1, 3, 128, 128)
    assert torch.equal(removed[inside], expected[inside]) and torch.equal(removed[~inside], background.crop[~inside])


@pytest.mark.parametrize("choose, middles", [
    ("largest", [325]), ("centre", [215]), ("0", [95]), ("1", [225]), ("2", [325]), ("all", [95, 225, 325]),
])  # fmt: skip
def test_faces_are_chosen(encoders, three, choose, middles):
    faces = encoders.faces(three, choose, "picture")
    assert [face.points[:, 0].mean().item() for face in faces] == pytest.approx(middles, abs=20)


@pytest.mark.parametrize("choose, words", [
    ("3", "face 3 of the picture was asked for, but it has 3, counted from 0"),
    ("left", 'got face choice "left", want largest, centre, all or a number'), ("-1", 'got face choice "-1"'),
])  # fmt: skip
def test_choices_that_cannot_be_are_refused(encoders, three, choose, words):
    with pytest.raises(ValueError, match=words):
        encoders.faces(three, choose, "picture")


def test_all_faces_can_be_redrawn_or_give_expressions(encoders, three):
    background = encoders.background(three[None], choose="all")
    assert background.index.tolist() == [0, 0, 0] and len(background.crop) == 3
    assert encoders.expression(three, choose="all").code.shape == (3, 51)


def test_tokens_come_in_three_degrees(encoders, acted):
    background = encoders.background(acted("P003", NEUTRAL)[None])
    codes = torch.nn.functional.normalize(torch.randn(2, 22, generator=torch.Generator().manual_seed(0)), dim=-1)
    one, other = (Identity(code[None], ("a", "b")) for code in codes)
    joy, anger = encoders.label("joy"), encoders.label("anger")
    a, b, c = (encoders.tokens(*pair, background) for pair in ((one, joy), (one, anger), (other, joy)))
    assert a.full.shape == a.identity_only.shape == a.null.shape == (1, 7, 32)
    assert torch.equal(a.null, b.null) and torch.equal(a.null, c.null)  # knows neither
    assert torch.equal(a.identity_only, b.identity_only) and not torch.equal(a.identity_only, c.identity_only)
    assert not torch.equal(a.full, b.full) and not torch.equal(a.full, c.full)
    turned = encoders.tokens(one, joy, dataclasses.replace(background, pose=background.pose + 30))
    assert not torch.equal(a.null, turned.null)  # but knows the pose


def test_what_is_left_out_is_the_backgrounds_own(encoders, acted):
    picture = acted("P003", HAPPY, 260)
    background = encoders.background(picture[None])
    own, expression = encoders.identity([picture])[0], encoders.expression(picture)
    wanted = encoders.tokens(own, expression, background).full
    torch.testing.assert_close(encoders.tokens(own, None, background).full, wanted)
    torch.testing.assert_close(encoders.tokens(None, expression, background).full, wanted, atol=0.05, rtol=0)


def test_batches_of_one_are_repeated_and_others_must_agree(encoders, acted, three):
    background = encoders.background(acted("P003", NEUTRAL)[None])
    labels = Expression(torch.cat([encoders.label(name).code for name in ("joy", "anger")]))
    person = encoders.identity([acted("P001", NEUTRAL)])[0]
    assert encoders.tokens(person, labels, background).full.shape == (2, 7, 32)
    with pytest.raises(ValueError, match="batch sizes differ.*'expression': 2, 'background': 3"):
        encoders.tokens(person, labels, encoders.background(three[None], choose="all"))


def test_codes_of_every_frame_are_taken_by_the_frames_number(encoders, acted):
    """A driving clip of five frames, of which the background shows a face in two."""
    wall = torch.zeros(3, 90, 90)
    frames = torch.stack([wall, acted("P001", NEUTRAL, 90), wall, acted("P002", HAPPY, 90), wall])
    background = encoders.background(frames, without_face="pass through")
    codes = torch.nn.functional.normalize(torch.randn(5, 22, generator=torch.Generator().manual_seed(0)), dim=-1)
    driving = Expression(torch.cat([encoders.label(x).code for x in ("joy", "anger", "amazement", "fear", "pride")]))
    who = Identity(codes, ("a", "b"))
    got = encoders.tokens(who, driving, background).full
    by_hand = encoders.tokens(Identity(codes[[1, 3]], ("a", "b")), Expression(driving.code[[1, 3]]), background).full
    assert got.shape == (2, 7, 32) and torch.equal(got, by_hand)
    with pytest.raises(ValueError, match="batch sizes differ.*'expression': 4, 'background': 2"):
        encoders.tokens(None, Expression(driving.code[:4]), background)


def test_identity_of_other_recognisers_is_refused(encoders, acted):
    foreign = Identity(torch.ones(1, 22), ("b",))
    with pytest.raises(
        ValueError, match="made with b, but this checkpoint was trained with a, b; encode the photos again"
    ):
        encoders.tokens(foreign, None, encoders.background(acted("P003", NEUTRAL)[None]))


def test_loads_from_a_checkpoint_and_the_packs_assets(encoders, acted, tmp_path):
    config = encoders.config
    vae = build_autoencoder(config.autoencoder_widths, 1, config.latent_channels, 1.0)
    path = tmp_path / "tiny.safetensors"
    parts = {"unet": Denoiser(config).unet, "vae": vae, "conditioner": encoders.conditioner}
    save_checkpoint(path, config, parts, 0, torch.float32)
    shutil.copy(ASSETS / "expressions.json", tmp_path)
    encoders.recognisers["a"].save(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match='was trained with the recogniser "b", which this pack does not have'):
        Encoders.load(path, find_task_file(), assets=tmp_path)
    encoders.recognisers["b"].save(tmp_path / "b.safetensors")
    again = Encoders.load(path, find_task_file(), assets=tmp_path)
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    picture = acted("P001", HAPPY)
    background = encoders.background(picture[None])
    wanted, got = (e.tokens(e.identity([picture])[0], e.label("joy"), background).full for e in (encoders, again))
    torch.testing.assert_close(got, wanted, atol=0.02, rtol=0)


def test_unknown_frame_is_refused(tiny, face_mesh):
    with pytest.raises(ValueError, match='got frame "giant-9000".*mini-128'):
        Encoders(dataclasses.replace(tiny, frame="giant-9000"), face_mesh, {}, ExpressionLibrary({}, torch.zeros(51)))


@pytest.mark.parametrize("side", ["chin", "forehead", "cheek"])
def test_a_face_that_the_pictures_border_cuts_keeps_its_light(encoders, acted, side):
    """What is not in the picture is not dark."""
    picture = acted("P003", 0, 300)
    whole = encoders.background(picture[None])
    points = encoders.mesh.find(picture, limit=1)[0].points[:, :2]
    low, high = points.amin(0), points.amax(0)
    top, (right, bottom) = int(low[1] + 0.2 * (high - low)[1]), (low + 0.8 * (high - low)).int().tolist()
    parts = {"chin": picture[:, :bottom], "forehead": picture[:, top:], "cheek": picture[:, :, :right]}
    cut = encoders.background(parts[side][None])
    light, wanted = (light_on_face(each.crop, each.mask).mean() for each in (cut, whole))
    assert (light - wanted).abs() < 0.12  # of 2


def test_a_mask_is_not_the_light_that_the_painter_is_given(encoders, acted, monkeypatch):
    monkeypatch.setattr(encoders, "config", dataclasses.replace(encoders.config, face_fill="light"))
    picture = acted("P003", NEUTRAL, 300)
    bare = encoders.background(picture[None])
    points = encoders.mesh.find(picture, limit=1)[0].points[:, :2]
    worn = dataclasses.replace(bare, crop=crop(masked(picture, points)[None], bare.matrix, bare.crop.shape[-1]))
    inside, (light, wanted) = bare.mask.bool().expand(-1, 3, -1, -1), map(encoders.masked_crop, (worn, bare))
    counted = light_on_face(worn.crop, worn.mask)
    off, before = ((x - wanted - (x - wanted).mean(1, keepdim=True))[inside].abs().mean() for x in (light, counted))
    assert off < 0.25 * before, (off, before)  # of its colour
