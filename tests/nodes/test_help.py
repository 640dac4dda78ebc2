"""Help pages and translations: there for every node, complete, and where the host looks for them."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[2]
LANGUAGES = ("en", "ja", "zh")


@pytest.fixture(scope="module")
def nodes(host) -> dict[str, dict]:
    found = {}
    for node_id, node in host.nodes.NODE_CLASS_MAPPINGS.items():
        if node_id.startswith("DiffSFSR"):
            info = node.GET_NODE_INFO_V1()
            inputs = info["input"].get("required", {}) | info["input"].get("optional", {})
            found[node_id] = {
                "display_name": info["display_name"],
                "description": info["description"],
                "inputs": {name: {"name": name, "tooltip": spec[1]["tooltip"]} for name, spec in inputs.items()},
                "outputs": {
                    str(i): {"name": name, "tooltip": tooltip}
                    for i, (name, tooltip) in enumerate(zip(info["output_name"], info["output_tooltips"], strict=True))
                },
            }
    return found


@pytest.fixture(scope="module")
def translations(host) -> dict[str, dict]:
    """As the host hands them to its front end, of all packs and languages."""
    from app.custom_node_manager import CustomNodeManager

    return CustomNodeManager().build_translations()


def test_the_front_end_finds_the_pages_under_the_packs_folder_name(host):
    folder = Path(host.nodes.EXTENSION_WEB_DIRS["diffsfsr-under-test"])
    assert folder.resolve() == ROOT / "web" and (folder / "docs" / "DiffSFSRSampler.md").is_file()


def test_every_node_has_a_page_and_every_page_a_node(nodes):
    assert {path.stem for path in (ROOT / "web" / "docs").glob("*.md")} == set(nodes)


def test_pages_say_what_each_input_and_output_is(nodes):
    for node_id, node in nodes.items():
        page = (ROOT / "web" / "docs" / f"{node_id}.md").read_text("utf-8")
        assert page.startswith(f"# {node['display_name']}\n") and node["description"] in page, node_id
        assert "## Tips" in page, node_id
        for each in [*node["inputs"].values(), *node["outputs"].values()]:
            row = next((line for line in page.splitlines() if line.startswith(f"| `{each['name']}` |")), None)
            assert row, f"{node_id} does not explain {each['name']}"
            assert f"| {each['tooltip']} |" in page, (
                f"{node_id} explains {each['name']} in other words than its tooltip"
            )


def test_every_page_shows_its_node():
    pages = ROOT / "web" / "docs"
    for page in pages.glob("*.md"):
        (picture,) = re.findall(r"!\[.+\]\((.+)\)", page.read_text("utf-8"))
        with Image.open(pages / picture) as shown:
            assert shown.width < 400, "as wide as the side bar"
        assert (pages / picture).stat().st_size < 40_000, picture


def test_pages_of_nodes_that_read_or_paint_people_ask_for_consent():
    for name in ("EncodeIdentity", "SaveIdentity", "LoadIdentity", "BlendIdentity", "ExtractBackground", "Sampler"):
        assert "people who agreed" in (ROOT / "web" / "docs" / f"DiffSFSR{name}.md").read_text("utf-8")


def test_there_are_three_languages():
    assert sorted(path.parent.name for path in (ROOT / "locales").glob("*/nodeDefs.json")) == list(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_input_and_output_is_translated(translations, nodes, language):
    texts = {name: node for name, node in translations[language]["nodeDefs"].items() if name.startswith("DiffSFSR")}
    assert set(texts) == set(nodes)
    for node_id, node in nodes.items():
        text = texts[node_id]
        assert text["display_name"] and text["description"], node_id
        for group in ("inputs", "outputs"):
            assert set(text.get(group, {})) == set(node[group]), (node_id, group)
            assert all(each["name"] and each["tooltip"] for each in text.get(group, {}).values()), (node_id, group)


def test_english_is_what_the_nodes_say(translations, nodes):
    for node_id, node in nodes.items():
        assert translations["en"]["nodeDefs"][node_id] == {key: value for key, value in node.items() if value}


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_other_languages_are_not_english(language, nodes):
    texts = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text("utf-8"))
    for node_id, node in nodes.items():
        said = [texts[node_id]["description"], *(each["tooltip"] for each in texts[node_id]["inputs"].values())]
        assert all(any(ord(letter) > 0x3000 for letter in text) for text in said), node_id
        assert texts[node_id]["display_name"] != node["display_name"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_has_letters_that_the_front_end_would_read_as_commands(language):
    """Its translations give {name}, @:key and a | b a meaning."""
    texts = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text("utf-8"))

    def walk(value):
        if isinstance(value, str):
            assert not set("{}@|") & set(value), value
        else:
            for each in value.values():
                walk(each)

    walk(texts)
