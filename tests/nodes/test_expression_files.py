"""Save and Load Expression, Expression from Values and Expression from Folder in a real host."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def joy(run, diffsfsr):
    return run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="joy", variant=0, intensity=1.0)[0]


@pytest.fixture
def files(host):
    def files() -> list[str]:
        host.folder_paths.filename_list_cache.clear()
        return host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRLoadExpression"].INPUT_TYPES()["required"]["file"][1]["options"]

    return files


@pytest.fixture(scope="module")
def collection(host, people):
    """A folder in the input folder: two photos of one label, one of another, and one without a face."""
    folder = Path(host.folder_paths.get_input_directory()) / "collection"
    for number, name in enumerate(["calm/a.png", "calm/b.png", "bright/c.png"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = (people(number)[0] * 255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).save(folder / name)
    Image.new("RGB", (64, 64)).save(folder / "calm" / "nobody.png")
    return folder


def test_a_saved_expression_is_offered_and_comes_back(run, files, joy):
    assert run("DiffSFSRSaveExpression", expression=joy, filename_prefix="mine/joy") == ()
    (name,) = [name for name in files() if "joy" in name]
    (again,) = run("DiffSFSRLoadExpression", file=name)
    assert torch.equal(again.code, joy.code) and again.name == "joy"
    with pytest.raises(ValueError, match='got the name "../joy"'):
        run("DiffSFSRSaveExpression", expression=joy, filename_prefix="../joy")
    with pytest.raises(ValueError, match='there is no expression "/etc/hosts"'):
        run("DiffSFSRLoadExpression", file="/etc/hosts")


def test_values_are_blendshapes_by_name(host, run, files):
    (expression,) = run("DiffSFSRExpressionFromValues", values='{"jawOpen": 0.4, "mouthSmile": 0.5}')
    names = host.part("models.faces.mesh").BLENDSHAPES
    assert expression.code.shape == (1, 51) and expression.code.count_nonzero() == 3
    assert float(expression.code[0, names.index("jawOpen")]) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="jawOpne"):
        run("DiffSFSRExpressionFromValues", values='{"jawOpne": 0.4}')
    folder = Path(host.folder_paths.models_dir) / "diffsfsr" / "expressions"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wink.json").write_text(json.dumps({"eyeBlinkLeft": 0.5}))
    assert "wink.json" in files()
    assert run("DiffSFSRLoadExpression", file="wink.json")[0].code.count_nonzero() == 1
    assert not [name for name in host.part("nodes.load").checkpoints() if "wink" in name]


def test_a_folder_of_photos_is_a_library(host, run, diffsfsr, collection, people):
    node = host.nodes.NODE_CLASS_MAPPINGS["DiffSFSRExpressionFromFolder"]
    assert "collection" in node.INPUT_TYPES()["required"]["folder"][1]["options"]
    settings = dict(diffsfsr=diffsfsr, folder="collection", label="calm", pick="random", intensity=1.0)
    taken = {run(node.GET_SCHEMA().node_id, **settings, seed=seed)[1] for seed in range(8)}
    assert taken == {"calm/a.png", "calm/b.png"}
    expression, photo = run(node.GET_SCHEMA().node_id, **settings, seed=0)
    (weak, _) = run(node.GET_SCHEMA().node_id, **settings | {"intensity": 0.5}, seed=0)
    torch.testing.assert_close(weak.code, expression.code / 2)
    listed = Path(host.folder_paths.get_output_directory()) / "expression_libraries" / "collection.json"
    assert "no face" in json.loads(listed.read_text())["rejected"]["calm/nobody.png"]

    settings["pick"] = "nearest head pose"
    with pytest.raises(ValueError, match="needs a background"):
        run(node.GET_SCHEMA().node_id, **settings, seed=0)
    scene = run("DiffSFSRExtractBackground", diffsfsr=diffsfsr, image=people(1), face="largest", face_number=0)[0]
    assert run(node.GET_SCHEMA().node_id, **settings, seed=0, background=scene)[1] == "calm/b.png"  # the same photo
    for wrong, message in (({"label": "rage"}, "want one of the 2 labels"), ({"folder": ".."}, "there is no folder")):
        with pytest.raises(ValueError, match=message):
            run(node.GET_SCHEMA().node_id, **settings | wrong, seed=0, background=scene)
