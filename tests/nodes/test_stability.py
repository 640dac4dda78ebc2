"""Shared workflows keep working: ids, inputs and outputs of the nodes are those of the committed snapshot.

docs/stability.md says which changes break nothing, and how they are made.
"""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

SNAPSHOT = Path(__file__).with_name("object_info.json")
# what there is to choose depends on files and host
ANY = ("checkpoint", "insightface_pack", "face_mesh", "image", "file", "folder", "sampler_name", "scheduler")


def described(name: str, spec: tuple) -> dict:
    """One input, with what a saved workflow relies on."""
    kind, options = (*spec, {})[:2]
    options = options or {}
    if isinstance(kind, list):  # how some hosts write choices
        kind, options = "COMBO", options | {"options": kind}
    kept = {key: options[key] for key in ("default", "min", "max") if key in options}
    if kind == "COMBO" and name not in ANY:
        kept["options"] = list(options["options"])
    return {"name": name, "type": kind} | kept


@pytest.fixture(scope="module")
def nodes(host) -> dict:
    snapshot = {}
    for node_id, node in sorted(host.nodes.NODE_CLASS_MAPPINGS.items()):
        if node_id.startswith("DiffSFSR"):
            info = node.GET_NODE_INFO_V1()
            groups = {group: info["input"].get(group, {}) for group in ("required", "optional")}
            snapshot[node_id] = {
                **{group: [described(*each) for each in inputs.items()] for group, inputs in groups.items()},
                "outputs": [
                    {"name": name, "type": kind}
                    for name, kind in zip(info["output_name"], info["output"], strict=True)
                ],
            }  # fmt: skip
    return json.loads(json.dumps(snapshot))


def test_nodes_are_those_of_the_snapshot(nodes, tmp_path):
    fresh = tmp_path / SNAPSHOT.name
    fresh.write_text(json.dumps(nodes, indent=1, ensure_ascii=False) + "\n", "utf-8")
    frozen = json.loads(SNAPSHOT.read_text("utf-8"))
    changed = sorted(name for name in nodes.keys() | frozen.keys() if nodes.get(name) != frozen.get(name))
    assert not changed, (
        f"{', '.join(changed)} would change in workflows that people saved. If docs/stability.md allows the change, "
        f"copy {fresh} to {SNAPSHOT.relative_to(Path(__file__).parents[2])} and commit both"
    )


def test_what_is_added_later_comes_last_and_can_be_left_out(nodes):
    """The first version's inputs and outputs, in the places in which its workflows have them."""
    first = {
        "DiffSFSRLoad": (["checkpoint"], [], ["DIFFSFSR", "MODEL", "VAE"]),
        "DiffSFSREncodeIdentity": (["diffsfsr", "image", "face", "face_number"], [], ["IDENTITY", "aligned face"]),
        "DiffSFSRExpressionByLabel": (["diffsfsr", "label", "variant", "intensity"], [], ["EXPRESSION"]),
        "DiffSFSRExpressionFromImage": (
            ["diffsfsr", "image", "intensity", "face", "face_number"], ["neutral"], ["EXPRESSION"],
        ),
        "DiffSFSRExtractBackground": (
            ["diffsfsr", "image", "face", "face_number"], ["mask"], ["BACKGROUND", "crop", "mask"],
        ),
        "DiffSFSRConditioning": (
            ["diffsfsr", "vae", "background"], ["identity", "expression"],
            ["positive", "middle", "negative", "latent"],
        ),
        "DiffSFSRSampler": (
            ["diffsfsr", "background", "seed", "steps", "sampler_name", "scheduler", "identity_scale",
             "expression_scale"],
            ["identity", "expression", "model", "vae"], ["image", "crop"],
        ),
        "DiffSFSRPasteFaceBack": (["image", "background"], [], ["image"]),
    }  # fmt: skip
    for node_id, (required, optional, outputs) in first.items():
        names = {group: [each["name"] for each in nodes[node_id][group]] for group in nodes[node_id]}
        left = [name for name in required if name in names["optional"]]  # what another input carries by now
        assert names["required"] == [name for name in required if name not in left], node_id  # none is new
        assert names["optional"][: len(optional)] == optional and set(left) <= {"diffsfsr"}, node_id
        assert names["outputs"][: len(outputs)] == outputs, node_id
