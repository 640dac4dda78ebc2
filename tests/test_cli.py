import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffsfsr.cli import main
from diffsfsr.models.conditions import Conditioner
from diffsfsr.models.identity.recogniser import Recogniser
from diffsfsr.models.network.autoencoder import build_autoencoder
from diffsfsr.models.network.checkpoint import ASSETS, save_checkpoint
from diffsfsr.models.network.config import mini
from diffsfsr.models.network.denoiser import Denoiser
from diffsfsr.models.network.unused import UNUSED
from diffsfsr.models.pictures import read_picture
from PIL import Image

CLI = Path(__file__).parents[1] / "cli.py"
KEYS = {"identity_cosine", "expression_error", "pose_error_deg", "seconds"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """a.jpg and b.jpg, two synthetic people; wall.png, nobody."""
    folder = tmp_path_factory.mktemp("pictures")
    people = Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated"
    for name, person in (("a.jpg", "P001"), ("b.jpg", "P003")):
        with Image.open(people / person / "assets" / "emotions_sheet.jpg") as sheet:
            sheet.crop((0, 0, sheet.width // 4, sheet.height // 4)).resize((300, 224)).save(folder / name, quality=95)
    Image.new("RGB", (120, 100), (200, 180, 160)).save(folder / "wall.png")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """An untrained, tiny one with a recogniser of the pack."""
    size = Recogniser.load(ASSETS / "resnet-face.safetensors").config["size"]
    config = mini(
        name="tiny", recognisers=("resnet-face",), identity_size=size, latent_channels=4, widths=(32, 64), layers=1,
        heads=2, context=32, autoencoder_widths=(32, 32, 32, 32),
    )  # fmt: skip
    torch.manual_seed(0)
    vae = build_autoencoder(config.autoencoder_widths, 1, 4, 1.0)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, config, {"unet": Denoiser(config).unet, "vae": vae, "conditioner": Conditioner(config)}, 0)
    return path


@pytest.fixture
def generate(pictures, checkpoint, tmp_path):
    """generate(option=value, ...): exit status of `generate` with good values for what is not given."""

    def run(*flags: str, **changes) -> int:
        values = {
            "identity": pictures / "a.jpg", "expression": "joy", "background": pictures / "b.jpg", "steps": 2,
            "output": tmp_path / "out.png", "checkpoint": checkpoint,
        } | changes  # fmt: skip
        return main(["generate", *flags, *(f"--{key.replace('_', '-')}={value}" for key, value in values.items())])

    return run


def test_labels_prints_them_all(capsys):
    assert main(["labels"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(set(lines)) == 135 and {"joy", "anger", "surprise", "sadness"} <= set(lines)


def test_generate_draws_into_the_background(generate, pictures, tmp_path, capsys):
    assert generate() == 0
    result, scene = read_picture(tmp_path / "out.png"), read_picture(pictures / "b.jpg")
    assert result.shape == scene.shape
    changed = (result != scene).any(0)
    assert 0.01 < changed.float().mean() < 0.5 and not changed[:, :30].any() and not changed[:, -30:].any()
    with Image.open(tmp_path / "out.png") as written:
        assert written.text["Comment"].startswith("AI-generated face")
    assert capsys.readouterr().out == ""


def test_the_seed_makes_results_repeatable(generate, tmp_path):
    results = []
    for number, seed in enumerate((1, 1, 2)):
        path = tmp_path / f"{number}.png"
        assert generate(output=path, seed=seed, appearance=0) == 0
        results.append(read_picture(path))
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_without_a_painter_the_photo_alone_makes_the_picture(generate, pictures, tmp_path):
    """So the seed is of no account, and the identity is."""
    results = []
    for number, changes in enumerate(({"seed": 1}, {"seed": 2}, {"identity": pictures / "b.jpg"})):
        path = tmp_path / f"{number}.png"
        assert generate(output=path, painter="none", detail=2, **changes) == 0
        results.append(read_picture(path))
    assert torch.equal(results[0], results[1])
    assert 0.01 < (results[0] != results[2]).any(0).float().mean() < 0.5


@pytest.mark.parametrize(("name", "value"), [("appearance", 1.5), ("shape", -0.1), ("detail", -1)])
def test_wishes_out_of_range_are_told_before_anything_is_read(generate, name, value, capsys):
    assert generate(identity="none.jpg", **{name: value}) == 2
    assert f"got {value} for {name}" in capsys.readouterr().err


def test_expressions_come_as_labels_photos_or_json(generate, pictures, tmp_path, capsys):
    code = tmp_path / "smirk.json"
    code.write_text('{"mouthSmileLeft": 0.6, "browOuterUpRight": 0.3}')
    photos = f"{pictures / 'a.jpg'},{pictures / 'b.jpg'}"
    for expression in ("melancholy", pictures / "a.jpg", code):
        assert generate("--report", expression=expression, identity=photos) == 0
        assert json.loads(capsys.readouterr().out).keys() == KEYS


@pytest.mark.skipif(not (ASSETS / "mini.safetensors").is_file(), reason="needs assets/mini.safetensors")
def test_the_bundled_checkpoint_reports_how_well_it_went(generate, capsys):
    assert generate("--report", checkpoint="mini", steps=8) == 0
    out = capsys.readouterr().out
    report = json.loads(out)
    assert out.count("\n") == 1 and report.keys() == KEYS
    assert report["identity_cosine"] > 0.68 and report["expression_error"] < 0.08
    assert report["pose_error_deg"] < 3 and report["seconds"] > 0


def refused(status: int, capsys) -> str:
    """The one line on stderr."""
    said = capsys.readouterr()
    assert status == 2 and said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and said.err.endswith("\n")
    return said.err


@pytest.mark.parametrize("option", ["identity", "background"])
def test_missing_picture_is_named(generate, capsys, option):
    assert "no picture nobody.jpg" in refused(generate(**{option: "nobody.jpg"}), capsys)


def test_missing_expression_is_named(generate, capsys):
    assert "no picture smile.jpg" in refused(generate(expression="smile.jpg"), capsys)
    assert "no expression file smile.json" in refused(generate(expression="smile.json"), capsys)


@pytest.mark.parametrize("option, what", [
    ("identity", "identity photo 1 of 1"), ("expression", "expression photo"),
    ("background", "background picture 1 of 1"),
])  # fmt: skip
def test_picture_without_a_face_is_named(generate, pictures, capsys, option, what):
    said = refused(generate(**{option: pictures / "wall.png"}), capsys)
    assert f"no face found in the {what} (120x100 px). Use a picture" in said


@pytest.mark.parametrize("before", [True, False])
def test_a_task_file_that_is_none_is_named(capsys, monkeypatch, tmp_path, before):
    monkeypatch.setenv("DIFFSFSR_TASK_FILE", "")  # is put back after the test
    option, command = ["--task-file", str(tmp_path / "own.task")], ["library", "build", str(tmp_path), "--out", "a"]
    assert "own.task, which is no file" in refused(main(option + command if before else command + option), capsys)


def test_unknown_label_brings_the_nearest(generate, capsys):
    said = refused(generate(expression="joyfull"), capsys)
    assert 'got "joyfull"' in said and '"joyfull" means joy' in said
    said = refused(generate(expression="xqzjoi"), capsys)
    assert 'got "xqzjoi"' in said and "joy" in said.split("nearest")[1]


def test_broken_checkpoint_is_named(generate, checkpoint, tmp_path, capsys):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(checkpoint.read_bytes()[:-1000])
    assert "cannot read the checkpoint broken.safetensors" in refused(generate(checkpoint=broken), capsys)
    assert 'no checkpoint "none.safetensors"' in refused(generate(checkpoint="none.safetensors"), capsys)


@pytest.mark.parametrize("content, words", [
    ("{jawOpen: 0.4", "cannot read code as JSON (Expecting"), ('{"jawOpn": 0.4}', 'blendshape "jawOpn" in code'),
    ('{"jawOpen": 40}', "got jawOpen 40 in code"), ('{"jawOpen": NaN}', 'got nan for "jawOpen" in code'),
    ('{"jawOpen": "wide"}', "got 'wide' for"), ('{"jawOpen": null}', "got None for"),
    ("[0.4]", "got list in code"), ("", "cannot read code as JSON"),
])  # fmt: skip
def test_expression_files_that_are_none_are_refused(generate, tmp_path, capsys, content, words):
    (tmp_path / "code.json").write_text(content)
    said = refused(generate(expression=tmp_path / "code.json"), capsys)
    assert words in said and "want" in said


def test_impossible_settings_are_refused(generate, tmp_path, capsys):
    assert "got 0 sampling steps" in refused(generate(steps=0), capsys)
    assert "got intensity 3.0" in refused(generate(intensity=3), capsys)
    assert "no folder" in refused(generate(output=tmp_path / "none" / "out.png"), capsys)
    assert 'cannot write "out.xyz"' in refused(generate(output=tmp_path / "out.xyz"), capsys)


def test_training_without_its_files_is_refused(tmp_path, capsys):
    def train(part):
        return main(["train", part, "--data", str(tmp_path), "--out", str(tmp_path / "out")])

    assert "holds no prepared photos" in refused(train("denoiser"), capsys)
    assert "holds no prepared photos" in refused(train("autoencoder"), capsys)
    assert "got no --teacher" in refused(train("recogniser"), capsys)
    assert "holds no pictures" in refused(main(["prepare", str(tmp_path), "--out", str(tmp_path / "out")]), capsys)


def test_whatever_the_machine_refuses_is_one_line(generate, pictures, tmp_path, capsys):
    (tmp_path / "photo.jpg").mkdir()
    assert "error: " in refused(generate(identity=tmp_path / "photo.jpg"), capsys)
    (tmp_path / "blocked").write_text("a file where a folder is wanted")
    command = ["prepare", str(pictures), "--out", str(tmp_path / "blocked" / "out")]
    assert "Not a directory" in refused(main(command), capsys)
    if not torch.cuda.is_available():
        assert "torch finds no cuda device" in refused(generate(device="cuda"), capsys)


def test_faults_of_the_program_keep_their_traceback(monkeypatch):
    monkeypatch.setattr("diffsfsr.models.expression.labels.read_labels", lambda path: {}["nothing"])
    with pytest.raises(KeyError):
        main(["labels"])


def test_the_picture_names_the_checkpoint_and_not_where_it_lies(generate, checkpoint, tmp_path):
    assert generate(output=tmp_path / "out.png") == 0
    with Image.open(tmp_path / "out.png") as picture:
        said = " ".join(map(str, picture.info.values()))
    assert f"({checkpoint.name})" in said and str(checkpoint.parent) not in said


def test_drawing_loads_nothing_that_it_has_no_use_for(tmp_path):
    """As a script, whose process is its own."""
    people = Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated"
    options = [f"--identity={people}/P001/assets/amateur_selfie.jpg", "--expression=joy", "--steps=1",
               f"--background={people}/P002/assets/studio_portrait.jpg", "--output=x.png"]  # fmt: skip
    command = [sys.executable, "-X", "importtime", CLI, "generate", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "diffusers" in loaded and loaded.isdisjoint((*UNUSED, "cv2", "mediapipe"))
    assert (tmp_path / "x.png").is_file()


def test_as_a_script_it_says_one_line_and_exits_with_2(tmp_path):
    options = ["--identity=a.jpg", "--expression=joy", "--background=b.jpg", "--output=c.png"]
    done = subprocess.run([sys.executable, CLI, "generate", *options], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: no picture a.jpg; check the path\n")


EVALUATE = ["evaluate", "--identities", "a", "--expressions", "b", "--backgrounds", "c", "--out", "d"]


@pytest.mark.parametrize("command", [["curves", "steps"], EVALUATE])
def test_a_command_with_parts_of_its_rows_says_what_it_does_not_take(command, capsys):
    assert main([*command, "--nonsense"]) == 2
    assert f"`{command[0]}` takes no --nonsense" in capsys.readouterr().err
