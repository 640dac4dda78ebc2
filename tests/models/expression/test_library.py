import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffsfsr.evaluation.acted import ANCHOR_PEOPLE, CELLS, TEST_PEOPLE, read_acted
from diffsfsr.models.expression.labels import nearest, read_labels
from diffsfsr.models.expression.library import MOVING, STILL, ExpressionLibrary
from diffsfsr.models.faces.mesh import BLENDSHAPES, FaceMesh
from diffsfsr.models.faces.task_file import find_task_file

TABLE = Path(__file__).parents[3] / "assets" / "expressions.json"
FAR_APART = 0.35  # Euclidean, over the channels that move; joy and anger are 2.0 apart


@pytest.fixture(scope="module")
def library():
    return ExpressionLibrary.load(TABLE)


@pytest.fixture(scope="module")
def mesh():
    return FaceMesh.load(find_task_file(), mean_face=torch.eye(478, 3))  # no pose is read here


@pytest.fixture(scope="module")
def people():
    import openpeople

    return Path(openpeople.__file__).parent / "data" / "curated"


@pytest.fixture
def table(tmp_path):
    """The bundled table to be changed, and a function that writes and loads it."""
    content = copy.deepcopy(json.loads(TABLE.read_text()))

    def load():
        path = tmp_path / "expressions.json"
        path.write_text(json.dumps(content))
        return ExpressionLibrary.load(path)

    return content, load


def channel(code, name):
    return float(code[BLENDSHAPES.index(name)])


def test_there_are_135_labels_in_the_frozen_order(library):
    assert len(set(library.labels)) == len(library.labels) == 135
    digest = hashlib.sha256("\n".join(library.labels).encode()).hexdigest()
    assert digest == "e7473c8d4f9dc88822e92be1001438a5208e537ea57ed18399915f10666e9669"
    assert read_labels(TABLE) == library.labels


def test_labels_are_read_without_torch():
    cli = Path(__file__).parents[3] / "cli.py"
    program = (
        f"import runpy, sys; runpy.run_path({str(cli)!r})\n"
        "from diffsfsr.models.expression.labels import read_labels\n"
        f"assert len(read_labels({str(TABLE)!r})) == 135 and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_clusters_are_shavers(library):
    sizes = {}
    for label in library.labels:
        sizes[library.cluster(label)] = sizes.get(library.cluster(label), 0) + 1
    assert sizes == {"love": 16, "joy": 33, "surprise": 3, "anger": 29, "sadness": 37, "fear": 17}
    assert library.group("joy") == "cheerfulness"
    assert len({(library.cluster(label), library.group(label)) for label in library.labels}) == 25


def test_every_label_has_two_variants_that_differ_and_say_why(library):
    for label in library.labels:
        reasons = library.variants(label)
        assert len(reasons) >= 2 and all(reasons), label
        codes = torch.stack([library.code(label, variant)[MOVING] for variant in range(len(reasons))])
        assert torch.pdist(codes).min() > 0.25, label


def test_a_code_is_what_a_mesh_can_read(library):
    neutral = torch.zeros(51)
    for name, value in json.loads(TABLE.read_text())["neutral"].items():
        neutral[BLENDSHAPES.index(name)] = value
    for label in library.labels:
        for variant in range(len(library.variants(label))):
            code = library.code(label, variant)
            assert code.shape == (51,) and code.dtype == torch.float32
            assert code.abs().max() <= 1 and code[MOVING].norm() > 0.5, label
            assert (neutral + code).min() >= -1e-6 and (neutral + code).max() <= 1 + 1e-6, label


def test_no_label_acts_on_a_channel_that_hardly_moves():
    for label, entry in json.loads(TABLE.read_text())["labels"].items():
        for variant in entry["variants"]:
            names = {name for stem in variant["actions"] for name in (stem, f"{stem}Left", f"{stem}Right")}
            assert not names & STILL, label


def test_intensity_is_linear_and_zero_is_exactly_neutral(library):
    for label in library.labels:
        assert torch.equal(library.code(label, 0, 0.0), torch.zeros(51))
    code = library.code("grief")
    torch.testing.assert_close(library.code("grief", 0, 0.4), 0.4 * code)
    torch.testing.assert_close(library.code("grief", 0, 1.5), (1.5 * code).clamp(-1, 1))
    assert library.code("joy", 0, 1.5).max() == 1  # a smile of 0.8 stops at 1


def test_labels_are_distinct_and_each_is_its_own_nearest(library):
    codes = torch.stack([library.code(label)[MOVING] for label in library.labels])
    assert torch.pdist(codes).min() > FAR_APART
    for intensity in (0.85, 1.15):  # and stays so when it is shown more weakly or strongly
        shown = torch.stack([library.code(label, 0, intensity)[MOVING] for label in library.labels])
        assert torch.equal(torch.cdist(shown, codes).argmin(dim=1), torch.arange(135))
    both = torch.stack([library.code(label, variant)[MOVING] for label in library.labels for variant in (0, 1)])
    distance = torch.cdist(both, both) + torch.block_diag(*[torch.ones(2, 2) * 9] * 135)
    assert distance.min() > 0.2  # any variant from any other label's


def test_words_that_ask_for_a_side_or_a_gaze_have_it(library):
    contempt = library.code("contempt")
    assert channel(contempt, "mouthSmileLeft") > 0.4 and abs(channel(contempt, "mouthSmileRight")) < 0.1
    assert channel(contempt, "mouthDimpleLeft") > channel(contempt, "mouthDimpleRight") + 0.15
    for variant in (0, 1):
        shame = library.code("shame", variant)
        assert min(channel(shame, "eyeLookDownLeft"), channel(shame, "eyeLookDownRight")) > 0.45
        assert channel(shame, "eyeLookUpLeft") <= 0
        longing = library.code("longing", variant)
        aside = channel(longing, "eyeLookOutLeft") - channel(longing, "eyeLookOutRight")
        assert abs(aside) > 0.4
    assert channel(library.code("bliss"), "eyeBlinkLeft") > 0.4
    assert channel(library.code("rapture"), "eyeLookUpLeft") > 0.4


@pytest.mark.parametrize(
    "label, strong",
    [
        ("joy", {"mouthSmileLeft": 0.7, "mouthUpperUpLeft": 0.5}),
        ("anger", {"browDownLeft": 0.5, "browDownRight": 0.5, "eyeSquintLeft": 0.2}),
        ("surprise", {"browInnerUp": 0.4, "browOuterUpLeft": 0.4, "jawOpen": 0.35}),
        ("sadness", {"browInnerUp": 0.4, "mouthFrownLeft": 0.3}),
        ("fear", {"browInnerUp": 0.4, "mouthStretchLeft": 0.4}),
        ("disgust", {"mouthUpperUpLeft": 0.5, "browDownLeft": 0.3}),
    ],
)
def test_basic_emotions_are_strong_in_their_own_actions(library, label, strong):
    code = library.code(label)
    for name, least in strong.items():
        assert channel(code, name) > least, name


def test_basic_emotions_agree_with_people_who_took_no_part_in_the_anchors(library, mesh, people):
    """The mean reading of five other people, acted face minus their own neutral one."""
    sheets = torch.stack([read_acted(mesh, people / name) for name in TEST_PEOPLE])
    acted = (sheets[:, 1:] - sheets[:, :1]).mean(dim=0)[:, MOVING]
    pairs = {
        "joy": "happy", "anger": "angry", "surprise": "surprised", "sadness": "sad", "disgust": "disgusted",
        "fear": "scared",
    }  # fmt: skip
    for label, cell in pairs.items():
        likeness = torch.cosine_similarity(acted, library.code(label)[MOVING][None])
        assert CELLS[1:][int(likeness.argmax())] == cell, f"{label} looks like another acted face"
        assert likeness.max() > 0.6, f"{label}: cosine {float(likeness.max()):.2f}"


def test_anchors_in_the_table_are_what_is_measured(mesh, people):
    stored = json.loads(TABLE.read_text())
    assert tuple(stored["anchors"]) == CELLS[1:]
    sheets = [read_acted(mesh, people / name) for name in ANCHOR_PEOPLE]
    neutral, *acted = torch.stack(sheets).mean(dim=0)
    for there, here in [(stored["neutral"], neutral)] + [
        (values, face - neutral) for values, face in zip(stored["anchors"].values(), acted, strict=True)
    ]:
        for name, value in zip(BLENDSHAPES, here.tolist(), strict=True):
            assert abs(there.get(name, 0) - value) < 0.035, name


@pytest.mark.parametrize(
    "word, meant", [("hapiness", "happiness"), ("joyful", "joy"), ("happy", "happiness"), ("Angry", "anger")]
)
def test_an_unknown_label_says_what_the_word_means(library, word, meant):
    with pytest.raises(ValueError, match=f'got "{word}", want one of the 135 labels; "{word}" means {meant}'):
        library.code(word)


def test_an_unknown_word_names_the_labels_nearest_in_spelling(library):
    with pytest.raises(ValueError, match="the nearest in spelling are ") as error:
        library.code("xyzzy")
    assert str(error.value).partition("spelling are ")[2].split(", ") == nearest("xyzzy", library.labels)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"variant": 9}, 'got variant 9 of "joy", want 0 to 1'),
        ({"variant": -1}, "got variant -1"),
        ({"intensity": 1.6}, "got intensity 1.6, want 0"),
        ({"intensity": -0.1}, "got intensity -0.1"),
        ({"intensity": float("nan")}, "got intensity nan"),
    ],
)
def test_a_variant_or_intensity_out_of_range_is_refused(library, arguments, message):
    with pytest.raises(ValueError, match=message):
        library.code("joy", **arguments)


def test_mistakes_in_the_table_are_named(table):
    content, load = table
    joy = content["labels"]["joy"]["variants"][0]
    actions = dict(joy["actions"])
    mistakes = [
        ({"mouthSmyle": 0.3}, 'got blendshape "mouthSmyle" in label "joy", variant 0.*mouthSmile'),
        ({"mouthSmile": 0.3, "mouthSmileLeft": 0.1}, '"mouthSmileLeft" in label "joy", variant 0 twice'),
        ({"jawOpen": "wide"}, 'got \'wide\' for "jawOpen" in label "joy"'),
        ([0.3], 'got list in label "joy", variant 0, want an object'),
    ]
    for wrong, message in mistakes:
        joy["actions"] = wrong
        with pytest.raises(ValueError, match=message):
            load()
    joy["actions"] = actions
    joy["anchors"] = {"hapy": 1.0}
    with pytest.raises(ValueError, match='got anchor "hapy" in label "joy", variant 0, want one of happy, sad'):
        load()
    joy["anchors"] = {"happy": 1.0}
    joy["colour"] = "red"
    with pytest.raises(ValueError, match='got actions, anchors, colour, why in label "joy", variant 0'):
        load()
    del joy["colour"]
    content["labels"]["joy"]["variants"] = []
    with pytest.raises(ValueError, match='got no list of variants in label "joy"'):
        load()


def test_a_name_without_a_side_means_both(table):
    content, load = table
    content["labels"]["joy"]["variants"][0] = {"anchors": {}, "actions": {"mouthSmile": 0.5}, "why": "test"}
    code = load().code("joy")
    assert channel(code, "mouthSmileLeft") == channel(code, "mouthSmileRight") == 0.5
    assert code.count_nonzero() == 2


def test_a_file_that_is_no_library_is_refused(tmp_path, table):
    with pytest.raises(FileNotFoundError, match=r"no expression library .*missing\.json"):
        ExpressionLibrary.load(tmp_path / "missing.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match=r"broken\.json as JSON .*; want the expression library in JSON"):
        read_labels(tmp_path / "broken.json")
    content, load = table
    content["format"] = 2
    with pytest.raises(ValueError, match="format 2, want 1"):
        load()
