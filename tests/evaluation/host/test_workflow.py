import pytest
from diffsfsr.evaluation.host.workflow import find_node, to_prompt

INFO = {
    "LoadImage": {
        "input": {"required": {"image": [["a.png", "b.png"], {"image_upload": True}]}},
        "input_order": {"required": ["image"]},
        "display_name": "Load Image",
    },
    "Draw": {
        "input": {
            "required": {
                "picture": ["IMAGE", {}],
                "seed": ["INT", {"control_after_generate": True}],
                "strength": ["FLOAT", {"default": 1.0}],
            },
            "optional": {"style": ["COMBO", {"options": ["x", "y"]}], "note": ["STRING", {"forceInput": True}]},
        },
        "input_order": {"required": ["picture", "seed", "strength"], "optional": ["style", "note"]},
        "display_name": "Draw",
    },
}


@pytest.fixture
def workflow() -> dict:
    return {
        "nodes": [
            {"id": 3, "type": "LoadImage", "title": "Selfie", "mode": 0, "widgets_values": ["b.png", "image"]},
            {"id": 4, "type": "Note", "mode": 0, "widgets_values": ["read me"]},
            {
                "id": 7,
                "type": "Draw",
                "mode": 0,
                "inputs": [
                    {"name": "picture", "type": "IMAGE", "link": 1},
                    {"name": "strength", "type": "FLOAT", "link": None, "widget": {"name": "strength"}},
                ],
                "widgets_values": [42, "randomize", 0.5, "y"],
            },
        ],
        "links": [[1, 3, 0, 7, 0, "IMAGE"]],
    }


def test_values_get_their_names_and_links_their_sources(workflow):
    assert to_prompt(workflow, INFO) == {
        "3": {"class_type": "LoadImage", "inputs": {"image": "b.png"}, "_meta": {"title": "Selfie"}},
        "7": {
            "class_type": "Draw",
            "inputs": {"picture": ["3", 0], "seed": 42, "strength": 0.5, "style": "y"},
            "_meta": {"title": "Draw"},
        },
    }


def test_a_link_takes_the_place_of_a_widgets_value(workflow):
    workflow["nodes"][2]["inputs"][1]["link"] = 2
    workflow["links"].append([2, 3, 1, 7, 1, "FLOAT"])
    assert to_prompt(workflow, INFO)["7"]["inputs"]["strength"] == ["3", 1]


def test_an_optional_input_that_is_newer_than_the_workflow_is_left_to_its_default(workflow):
    workflow["nodes"][2]["widgets_values"].pop()
    inputs = to_prompt(workflow, INFO)["7"]["inputs"]
    assert "style" not in inputs and inputs["strength"] == 0.5


def test_a_required_input_that_is_newer_than_the_workflow_has_its_default(workflow):
    workflow["nodes"][2]["widgets_values"] = [42, "randomize"]
    assert to_prompt(workflow, INFO)["7"]["inputs"]["strength"] == 1.0


def test_a_muted_node_and_its_links_are_left_out(workflow):
    workflow["nodes"][0]["mode"] = 2
    prompt = to_prompt(workflow, INFO)
    assert list(prompt) == ["7"]
    assert "picture" not in prompt["7"]["inputs"]


@pytest.mark.parametrize(
    ("node", "change", "message"),
    [
        (2, {"widgets_values": []}, 'no value for "seed"'),
        (2, {"widgets_values": [42, "randomize", 0.5, "y", "more"]}, "belong to no input"),
        (2, {"type": "Reroute"}, "not known to ComfyUI"),
        (2, {"mode": 4}, "bypassed"),
    ],
)
def test_what_cannot_be_converted_is_refused(workflow, node, change, message):
    workflow["nodes"][node].update(change)
    with pytest.raises(ValueError, match=message):
        to_prompt(workflow, INFO)


def test_a_node_is_found_by_type_and_title(workflow):
    prompt = to_prompt(workflow, INFO)
    assert find_node(prompt, "LoadImage", "Selfie") is prompt["3"]
    assert find_node(prompt, "Draw") is prompt["7"]
    with pytest.raises(ValueError, match="found 0"):
        find_node(prompt, "LoadImage", "Background")
