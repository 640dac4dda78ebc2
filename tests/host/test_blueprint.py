"""The subgraph blueprint is offered by a running ComfyUI, fits its nodes, and runs."""

import json

import pytest
from diffsfsr.evaluation.host.server import PACK
from diffsfsr.evaluation.host.workflow import WIDGET_TYPES, find_node, to_prompt

pytestmark = pytest.mark.host

NAME = "Portrait from selfie"
INPUT, OUTPUT = -10, -20  # ids of a subgraph's own ends


@pytest.fixture(scope="module")
def blueprint(host) -> dict:
    """As the front end gets it."""
    offered = {key: entry for key, entry in host.get("/global_subgraphs").items() if entry["name"] == NAME}
    (key,) = offered
    assert offered[key]["info"]["node_pack"] == "custom_nodes.ComfyUI-DiffSFSR"
    return json.loads(host.get(f"/global_subgraphs/{key}")["data"])


def test_it_is_one_node_with_the_ends_of_its_subgraph(blueprint):
    (node,), (subgraph,) = blueprint["nodes"], blueprint["definitions"]["subgraphs"]
    assert node["type"] == subgraph["id"] and node["title"] == subgraph["name"] == NAME
    for ends in ("inputs", "outputs"):
        assert [(end["name"], end["type"]) for end in node[ends]] == [
            (end["name"], end["type"]) for end in subgraph[ends]
        ]
    assert "people who agreed" in blueprint["extra"]["BlueprintDescription"]
    assert {"face swap", "selfie", "smile"} < set(blueprint["extra"]["BlueprintSearchAliases"])


def test_its_links_join_sockets_of_one_type(blueprint):
    (subgraph,) = blueprint["definitions"]["subgraphs"]
    nodes = {node["id"]: node for node in subgraph["nodes"]}
    for link in subgraph["links"]:
        inside = link["origin_id"] != INPUT, link["target_id"] != OUTPUT
        source = nodes[link["origin_id"]]["outputs"] if inside[0] else subgraph["inputs"]
        target = nodes[link["target_id"]]["inputs"] if inside[1] else subgraph["outputs"]
        start, end = source[link["origin_slot"]], target[link["target_slot"]]
        assert start["type"] == end["type"] == link["type"]
        assert link["id"] in (start["links"] if inside[0] else start["linkIds"])
        assert [link["id"]] == ([end["link"]] if inside[1] else end["linkIds"])


def test_its_nodes_have_the_sockets_that_they_have_today(host, blueprint):
    (subgraph,) = blueprint["definitions"]["subgraphs"]
    known = host.get("/object_info")
    for node in subgraph["nodes"]:
        info, sockets, widgets = known[node["type"]], {}, set()
        for name, (kind, *rest) in (info["input"]["required"] | info["input"].get("optional", {})).items():
            sockets[name] = "COMBO" if isinstance(kind, list) else kind
            if sockets[name] in WIDGET_TYPES and not (rest and rest[0].get("forceInput")):
                widgets.add(name)
        assert {socket["name"]: socket["type"] for socket in node["inputs"]} == sockets, node["type"]
        assert {socket["name"] for socket in node["inputs"] if "widget" in socket} == widgets, node["type"]
        # in another order than the front end's, links from the subgraph's own inputs lead to what now has their slots
        ordered = sorted(sockets, key=widgets.__contains__)
        assert [socket["name"] for socket in node["inputs"]] == ordered, node["type"]
        outputs = list(zip(info["output_name"], info["output"], strict=True))
        assert [(output["name"], output["type"]) for output in node["outputs"]] == outputs, node["type"]
        values = [value for value in node["widgets_values"] if value != "fixed"]  # the front end's, beside a seed
        assert len(values) == len(widgets), node["type"]


def test_it_runs(host, people, blueprint):
    (subgraph,) = blueprint["definitions"]["subgraphs"]
    order = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [[link[key] for key in order] for link in subgraph["links"]]
    prompt = to_prompt({"nodes": subgraph["nodes"], "links": links}, host.get("/object_info"))
    find_node(prompt, "DiffSFSRSampler")["inputs"]["steps"] = 2
    photos = {
        "EncodeIdentity": people[8] / "amateur_selfie.jpg",
        "ExtractBackground": people[2] / "studio_portrait.jpg",
    }
    for reader, photo in photos.items():
        picture = host.upload(photo)
        prompt[reader] = {"class_type": "LoadImage", "inputs": {"image": picture}, "_meta": {"title": reader}}
        find_node(prompt, f"DiffSFSR{reader}")["inputs"]["image"] = [reader, 0]
    painted = next(key for key, node in prompt.items() if node["class_type"] == "DiffSFSRSampler")
    prompt["save"] = {"class_type": "SaveImage", "inputs": {"images": [painted, 0], "filename_prefix": "blueprint"}}
    assert len(host.run(prompt)) == 1


def test_it_does_what_the_portrait_template_does(blueprint):
    (subgraph,) = blueprint["definitions"]["subgraphs"]
    template = json.loads((PACK / "workflows" / "01 Start here - portrait from a selfie.json").read_text("utf-8"))
    values = {node["type"]: node["widgets_values"] for node in template["nodes"]}
    for node in subgraph["nodes"]:
        assert node["widgets_values"] == values[node["type"]], node["type"]
