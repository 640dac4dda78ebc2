"""Save, Load and Blend Identity and Face Report in a real host."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def anna(run, diffsfsr, people):
    return run("DiffSFSREncodeIdentity", diffsfsr=diffsfsr, image=people(8), face="largest", face_number=0)[0]


@pytest.fixture(scope="module")
def ben(run, diffsfsr, people):
    return run("DiffSFSREncodeIdentity", diffsfsr=diffsfsr, image=people(5), face="largest", face_number=0)[0]


@pytest.fixture
def files(host):
    """What Load Identity offers, as a front end sees it that refreshes its lists."""

    def files() -> list[str]:
        host.folder_paths.filename_list_cache.clear()
        node = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRLoadIdentity"]
        return node.INPUT_TYPES()["required"]["file"][1]["options"]

    return files


def test_a_loaded_identity_shows_its_photos(run, host, files, anna):
    run("DiffSFSRSaveIdentity", identity=anna, filename_prefix="seen")
    run("DiffSFSRSaveIdentity", identity=anna, filename_prefix="unseen", appearance=False)
    load = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRLoadIdentity"].execute
    shown = {name[:4]: load(file=name).ui for name in files() if "seen" in name}
    assert len(shown["seen"].as_dict()["images"]) == 1 and shown["unse"] is None


def test_a_saved_identity_is_offered_and_comes_back(run, host, files, anna):
    assert run("DiffSFSRSaveIdentity", identity=anna, filename_prefix="anna") == ()
    run("DiffSFSRSaveIdentity", identity=anna, filename_prefix="anna")
    run("DiffSFSRSaveIdentity", identity=anna, filename_prefix="family/anna")
    assert {"anna_00001_.safetensors", "anna_00002_.safetensors"} <= set(files())
    assert os.path.join("family", "anna_00001_.safetensors") in files()
    (again,) = run("DiffSFSRLoadIdentity", file="anna_00001_.safetensors")
    assert torch.equal(again.code, anna.code) and again.recognisers == anna.recognisers


def test_files_in_the_models_folder_are_offered_and_are_no_checkpoints(host, run, files, anna):
    folder = Path(host.folder_paths.models_dir) / "diffsfsr" / "identities"
    folder.mkdir(parents=True, exist_ok=True)
    host.part("models.identity.file").save_identity(folder / "shared.safetensors", anna)
    assert "shared.safetensors" in files()
    assert torch.equal(run("DiffSFSRLoadIdentity", file="shared.safetensors")[0].code, anna.code)
    assert not [name for name in host.part("nodes.load").checkpoints() if "shared" in name]


def test_a_file_that_changed_is_read_again(host, run, files, anna, ben):
    node = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRLoadIdentity"]
    run("DiffSFSRSaveIdentity", identity=anna, filename_prefix="changing")
    name = "changing_00001_.safetensors"
    assert name in files()
    before = node.fingerprint_inputs(file=name)
    path = Path(host.folder_paths.get_full_path("diffsfsr_identities", name))
    host.part("models.identity.file").save_identity(path, ben)
    os.utime(path, ns=(10**18, 10**18))
    assert node.fingerprint_inputs(file=name) != before
    assert torch.equal(run("DiffSFSRLoadIdentity", file=name)[0].code, ben.code)


@pytest.mark.parametrize("name, words", [
    *((name, "one such as") for name in ("../anna", "a/../../b", "/tmp/a", "", "  ", "..\\a", "C:\\a", ".", "./.")),
    ("x" * 240, "with 240 letters, want at most 200"), ("fam\nily/anna", "want the name of a file"),
])  # fmt: skip
def test_names_stay_inside_of_the_folder(run, diffsfsr, anna, name, words):
    with pytest.raises(ValueError, match=words):
        run("DiffSFSRSaveIdentity", identity=anna, filename_prefix=name)
    with pytest.raises(ValueError, match=words):
        run("DiffSFSRSavePortrait", diffsfsr=diffsfsr, images=torch.zeros(1, 32, 32, 3), filename_prefix=name)


def test_names_are_never_paths(run, host, anna):
    path = host.base / "outside.safetensors"
    host.part("models.identity.file").save_identity(path, anna)
    for name in (str(path), "../../outside.safetensors", "unknown.safetensors", ""):
        with pytest.raises(ValueError, match="there is no identity"):
            run("DiffSFSRLoadIdentity", file=name)


def test_blend_goes_from_one_to_the_other(run, diffsfsr, anna, ben):
    def blend(share, first=anna, second=ben):
        return run("DiffSFSRBlendIdentity", diffsfsr=diffsfsr, first=first, second=second, share=share)[0]

    torch.testing.assert_close(blend(0.0).code, anna.code)
    torch.testing.assert_close(blend(1.0).code, ben.code)
    half = blend(0.5)
    assert half.photos == 2 and half.recognisers == anna.recognisers
    start = 0
    for size in (recogniser.config["size"] for recogniser in diffsfsr.ready().recognisers.values()):
        part = slice(start, start + size)
        assert half.code[0, part].norm().item() == pytest.approx(1, abs=1e-5)
        near = [(half.code[0, part] * end.code[0, part]).sum().item() for end in (anna, ben)]
        assert near[0] == pytest.approx(near[1], abs=1e-5)
        start += size
    both = replace(anna, code=torch.cat([anna.code, ben.code]), appearances=anna.appearances + ben.appearances)
    batch = blend(0.5, first=both)
    torch.testing.assert_close(batch.code, torch.cat([half.code, ben.code]))
    (alone,) = run(
        "DiffSFSRBlendIdentity", first=anna, second=ben, share=0.5
    )  # the identities tell all there is to know
    assert torch.equal(alone.code, half.code)
    assert torch.equal(alone.appearances[0].pictures, half.appearances[0].pictures)


def test_blend_says_that_photos_are_missing(run, anna, ben, caplog):
    for first, second, told in ((anna, ben, 0), (replace(anna, appearances=()), ben, 1)):
        caplog.clear()
        (between,) = run("DiffSFSRBlendIdentity", first=first, second=second, share=0.5)
        assert bool(between.appearances) != bool(told)
        assert sum("kept without photos" in each.message for each in caplog.records) == told


def test_blend_refuses_codes_of_other_recognisers(run, diffsfsr, anna):
    with pytest.raises(ValueError, match="the second identity was made with another"):
        run(
            "DiffSFSRBlendIdentity", diffsfsr=diffsfsr, first=anna, second=replace(anna, recognisers=("another",)),
            share=0.5,
        )  # fmt: skip
    with pytest.raises(ValueError, match="got people read by .* and by another"):
        run("DiffSFSRBlendIdentity", first=anna, second=replace(anna, recognisers=("another",)), share=0.5)


@pytest.fixture
def report(run, diffsfsr):
    def report(first, second):
        return run("DiffSFSRFaceReport", diffsfsr=diffsfsr, first=first, second=second, face="largest", face_number=0)

    return report


def test_report_of_a_face_with_itself_and_with_another(report, people, anna, ben):
    text, similarity, expression, pose = report(people(8), people(8))
    assert (similarity, expression, pose) == (pytest.approx(1), 0, 0)
    assert "similarity 1.000, expression difference 0.000" in text
    _, similarity, expression, pose = report(people(8), people(5))
    cosine = torch.nn.functional.cosine_similarity(anna.code, ben.code).item()
    assert similarity == pytest.approx(cosine, abs=1e-4) and expression > 0 and pose > 0


def test_report_of_a_tilted_picture_names_the_angle(report, people):
    picture = people(8)
    tilted = torch.nn.functional.affine_grid(
        torch.tensor([[[0.9848, 0.1736, 0], [-0.1736, 0.9848, 0]]]), (1, 3, 384, 384), align_corners=False
    )
    square = torch.nn.functional.interpolate(picture.movedim(-1, 1)[..., :384], (384, 384))
    turned = torch.nn.functional.grid_sample(square, tilted, align_corners=False).movedim(1, -1)
    text, similarity, _, pose = report(square.movedim(1, -1), turned)
    assert 2.5 < pose < 5 and "° roll" in text  # ten degrees of roll, the mean over three angles


def test_report_on_batches(report, people):
    both = torch.cat([people(8), people(8).flip(2)])
    text, similarity, _, _ = report(people(8), both)
    assert [line[:2] for line in text.splitlines()] == ["1:", "2:"]
    assert similarity == pytest.approx((1 + report(people(8), people(8).flip(2))[1]) / 2, abs=1e-4)
    with pytest.raises(ValueError, match="got 2 pictures to compare with 3"):
        report(both, torch.cat([both, both[:1]]))
    with pytest.raises(ValueError, match="no face found in the second picture 1 of 1"):
        report(people(8), torch.zeros(1, 200, 200, 3))
