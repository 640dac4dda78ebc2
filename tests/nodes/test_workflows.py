"""The workflows that users open: what is in them is known to the host, and fits together."""

import json
from pathlib import Path

import pytest
from diffsfsr.cli import parser
from diffsfsr.evaluation.host.workflow import NOTES, to_prompt
from diffsfsr.models.faces.task_file import TASK_FILE, TASK_URL
from diffsfsr.models.pipeline import Painting

pytestmark = pytest.mark.host

SHOWING = (
    "DiffSFSREncodeIdentity",
    "DiffSFSRExpressionByLabel",
    "DiffSFSRExpressionByText",
    "DiffSFSRExpressionFromImage",
    "DiffSFSREditExpression",
    "DiffSFSRTravelExpressions",
    "DiffSFSRExtractBackground",
)
TITLE = 30  # height of a node's title, above its position
FILES = sorted((Path(__file__).parents[2] / "workflows").glob("*.json"))
BLUEPRINT = Path(__file__).parents[2] / "subgraphs" / "Portrait from selfie.json"
MODEL_FILES = {  # nodes that load files of the user's: folder, widget
    "CheckpointLoaderSimple": ("checkpoints", "ckpt_name"),
    "UpscaleModelLoader": ("upscale_models", "model_name"),
}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def workflow(request) -> dict:
    return json.loads(request.param.read_text("utf-8"))


@pytest.fixture(scope="module")
def object_info(host) -> dict:
    """What the server answers to /object_info, for nodes of both kinds."""
    info = {}
    for name, node in host.nodes.NODE_CLASS_MAPPINGS.items():
        if hasattr(node, "GET_NODE_INFO_V1"):
            info[name] = node.GET_NODE_INFO_V1()
        else:
            inputs = node.INPUT_TYPES()
            info[name] = {
                "input": inputs,
                "input_order": {key: list(value) for key, value in inputs.items()},
                "output": list(node.RETURN_TYPES),
                "output_name": list(getattr(node, "RETURN_NAMES", node.RETURN_TYPES)),
                "python_module": getattr(node, "RELATIVE_PYTHON_MODULE", "nodes"),
            }
    return info


def test_there_are_these():
    assert [path.stem for path in FILES] == [
        "01 Start here - portrait from a selfie",
        "02 Expression editor",
        "03 Change only the expression",
        "04 Change only the person - face swap",
        "05 Expression of another photo",
        "06 Six expressions on a sheet",
        "07 From one expression to another",
        "08 Two people in a group",
        "09 Face swap in a video",
        "10 A photo that moves like a video",
        "11 Scene by Stable Diffusion",
        "12 Sharper with an upscale model",
        "13 Sharper with Stable Diffusion",
        "14 A photo that moves by keyframes",
    ]


def test_names_are_ones_that_every_system_can_write():
    assert all(not set(path.name) & set('<>:"/\\|?*%#') for path in FILES)


def test_it_is_readable_when_it_is_opened(workflow):
    """Not so wide that the front end, which shows all of it, leaves the text out: below about half size."""
    left, top = (min(node["pos"][axis] for node in workflow["nodes"]) for axis in (0, 1))
    right, bottom = (max(node["pos"][axis] + node["size"][axis] for node in workflow["nodes"]) for axis in (0, 1))
    assert right - left <= 2000 and bottom - top + TITLE <= 1000
    assert 0.75 <= workflow["extra"]["ds"]["scale"] <= 1


def test_the_form_of_app_mode_names_widgets_and_results_that_are_there(workflow):
    nodes = {node["id"]: node for node in workflow["nodes"]}
    form = workflow["extra"]["linearData"]
    assert form["inputs"] and form["outputs"]
    for identifier, widget in form["inputs"]:
        assert widget in {socket["widget"]["name"] for socket in nodes[identifier]["inputs"] if "widget" in socket}
    assert all(nodes[identifier]["type"] in ("DiffSFSRSavePortrait", "SaveVideo") for identifier in form["outputs"])


def test_every_value_is_one_that_the_node_offers(workflow, object_info):
    for node in to_prompt(workflow, object_info).values():
        known = object_info[node["class_type"]]["input"]
        for name, (kind, *rest) in (known.get("required", {}) | known.get("optional", {})).items():
            value, options = node["inputs"].get(name), rest[0] if rest else {}
            if node["class_type"].startswith("DiffSFSR") and name != "checkpoint" and not isinstance(value, list):
                assert kind != "COMBO" or value in options["options"], (node["class_type"], name, value)
                assert kind not in ("INT", "FLOAT") or options["min"] <= value <= options["max"], (name, value)
                assert kind != "BOOLEAN" or isinstance(value, bool)


def test_templates_the_node_the_command_line_and_python_paint_alike(workflow, object_info):
    names = "steps", "identity_scale", "expression_scale"
    asked = parser().parse_args(["generate", "--identity=a", "--expression=joy", "--background=b", "--output=c"])
    wanted = {name: getattr(Painting(), name) for name in names}
    assert {name: getattr(asked, name) for name in names} == wanted
    inputs = object_info["DiffSFSRSampler"]["input"]["required"]
    assert {name: inputs[name][1]["default"] for name in names} == wanted
    samplers = [node for node in to_prompt(workflow, object_info).values() if node["class_type"] == "DiffSFSRSampler"]
    assert samplers and all(sampler["inputs"].items() >= wanted.items() for sampler in samplers)


def test_nodes_are_ours_or_come_with_the_host(workflow, object_info):
    for node in workflow["nodes"]:
        if node["type"] not in NOTES:
            module = object_info[node["type"]]["python_module"]
            assert module == "nodes" or module.startswith("comfy_extras.") or node["type"].startswith("DiffSFSR")


def test_sockets_and_links_are_those_of_the_nodes(workflow, object_info):
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert workflow["version"] == 0.4 and len(nodes) == workflow["last_node_id"]
    for node in nodes.values():
        if node["type"] in NOTES:
            continue
        info = object_info[node["type"]]
        count = len(node["outputs"])  # later hosts give Save Image an output, too
        assert [output["type"] for output in node["outputs"]] == info["output"][:count]
        assert [output["name"] for output in node["outputs"]] == info["output_name"][:count]
        known = info["input"].get("required", {}) | info["input"].get("optional", {})
        for socket in node["inputs"]:
            if "widget" not in socket:
                assert known[socket["name"]][0] == socket["type"]
        if node["type"].startswith("DiffSFSR"):  # later hosts give their own nodes more inputs, too
            assert set(known) <= {socket["name"] for socket in node["inputs"]}
    for identifier, source, output, target, slot, kind in workflow["links"]:
        assert identifier in nodes[source]["outputs"][output]["links"]
        assert nodes[source]["outputs"][output]["type"] == kind
        assert nodes[target]["inputs"][slot]["link"] == identifier
        assert nodes[target]["inputs"][slot]["type"] in (kind, "*")
    linked = [socket["link"] for node in nodes.values() for socket in node["inputs"] if socket["link"]]
    assert sorted(linked) == sorted(link[0] for link in workflow["links"])


@pytest.mark.parametrize("path", [*FILES, BLUEPRINT], ids=lambda path: path.stem)
def test_nothing_overlaps(path):
    opened = json.loads(path.read_text("utf-8"))
    (graph,) = opened["definitions"]["subgraphs"] if path == BLUEPRINT else (opened,)
    boxes = [(*node["pos"], *node["size"]) for node in graph["nodes"]]
    for i, (x, y, width, height) in enumerate(boxes):
        for u, v, other_width, other_height in boxes[:i]:
            apart = x >= u + other_width or u >= x + width or y - TITLE >= v + other_height or v - TITLE >= y + height
            assert apart, (graph["nodes"][i]["type"], (u, v))


def test_the_host_accepts_it_with_the_users_models_in_place(host, workflow, object_info):
    prompt = to_prompt(workflow, object_info)
    for node in prompt.values():
        for class_type, (folder, widget) in MODEL_FILES.items():
            if node["class_type"] == class_type:
                (host.base / "models" / folder).mkdir(exist_ok=True)
                (host.base / "models" / folder / node["inputs"][widget]).touch()
    host.folder_paths.filename_list_cache.clear()
    valid, error, outputs, node_errors = host.loop.run_until_complete(host.execution.validate_prompt("1", prompt, None))
    assert valid, (error, node_errors)
    shown = {"DiffSFSRSavePortrait", "SaveVideo", "PreviewImage", "PreviewAny", "DiffSFSRFaceReport", *SHOWING}
    assert "DiffSFSRSavePortrait" in {prompt[output]["class_type"] for output in outputs} <= shown


def test_files_to_fetch_are_named_with_their_place(workflow):
    for node in workflow["nodes"]:
        if node["type"] in MODEL_FILES:
            (file,) = node["properties"]["models"]
            assert file["name"] == node["widgets_values"][0] == file["url"].rpartition("/")[2]
            assert file["directory"] == MODEL_FILES[node["type"]][0] and file["url"].startswith("https://")
            assert file["name"] in workflow["nodes"][0]["widgets_values"][0]  # the note
    (load,) = (node for node in workflow["nodes"] if node["type"] == "DiffSFSRLoad")
    assert TASK_FILE in load["widgets_values"]
    assert f"[{TASK_FILE}]({TASK_URL})" in workflow["nodes"][0]["widgets_values"][0]


def test_the_note_asks_for_consent(workflow):
    assert "people who agreed" in workflow["nodes"][0]["widgets_values"][0]


def test_titles_that_documentation_and_demo_rely_on(workflow):
    titles = {node.get("title") for node in workflow["nodes"] if node["type"] == "DiffSFSRPhoto"}
    encoded = any(node["type"] == "DiffSFSREncodeIdentity" for node in workflow["nodes"])
    assert ("Selfie" in titles) == encoded
    assert {"DiffSFSRLoad", "DiffSFSRSampler", "DiffSFSRSavePortrait"} <= {node["type"] for node in workflow["nodes"]}
