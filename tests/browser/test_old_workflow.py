"""A workflow that was saved before some of its nodes' inputs existed opens with all its values in place, and runs."""

import json

import pytest
from diffsfsr.evaluation.host.server import PACK
from diffsfsr.evaluation.host.workflow import to_prompt

pytestmark = pytest.mark.browser

OLD = PACK / "tests" / "nodes" / "first_portrait.json"  # the portrait template of the first version


def test_values_stay_and_later_inputs_have_their_defaults(front_end):
    workflow, known = json.loads(OLD.read_text("utf-8")), front_end.get("/object_info")
    front_end.load(workflow)
    assert not front_end.messages()
    later = set()
    opened = front_end.prompt()
    for key, node in to_prompt(workflow, known).items():
        inputs = opened[key]["inputs"]
        assert {name: inputs[name] for name in node["inputs"]} == node["inputs"], node["class_type"]
        for name in inputs.keys() - node["inputs"].keys():
            (_, options) = known[node["class_type"]]["input"]["optional"][name]
            assert inputs[name] == options["default"], (node["class_type"], name)
            later.add(name)
    assert later >= {"without_face", "smoothing", "shared_noise", "insightface_pack"}
    assert front_end.run()["outputs"]
