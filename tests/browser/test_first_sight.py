"""Before anything runs: what is missing is told, examples are seen on their nodes, wires have colours of their own."""

import json

import pytest

pytestmark = pytest.mark.browser

TYPES = ("DIFFSFSR", "DIFFSFSR_IDENTITY", "DIFFSFSR_EXPRESSION", "DIFFSFSR_BACKGROUND")
COLOURS = """types => types.map(type => [
    window.app.canvas.constructor.link_type_colors[type],
    getComputedStyle(document.body).getPropertyValue(`--color-datatype-${type}`),
])"""
CHOOSE = """name => {
    const node = window.app.graph.nodes.find(node => node.type === 'DiffSFSRPhoto')
    const widget = node.widgets.find(widget => widget.name === 'image')
    widget.value = name
    widget.callback(name)
}"""
SEEN = """() => window.app.graph.nodes.find(node => node.type === 'DiffSFSRPhoto').imgs?.[0]?.src ?? ''"""


def test_a_missing_face_landmarker_is_told_as_soon_as_its_node_is_there(furnished, browser):
    """The words are the host's own, tested in tests/nodes/test_load.py; here its answer has them, and the file, too."""
    from diffsfsr.tests.browser.front_end import FrontEnd  # needs playwright

    command = "python cli.py download models/mediapipe"

    def answer(route) -> None:
        told = route.fetch().json()
        told["DiffSFSRLoad"]["input"]["optional"]["face_mesh"][1]["missing"] = command
        route.fulfill(body=json.dumps(told), content_type="application/json")

    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.route("**/object_info", answer)
    without = FrontEnd(page, furnished.url)
    assert not any(command in message for message in without.messages())
    without.open_template("03 Change only the expression")
    page.get_by_text(command).wait_for()
    page.close()


def test_an_example_is_seen_and_gives_way_to_a_photo_of_the_users(front_end):
    front_end.open_template("03 Change only the expression")
    front_end.wait_for_pictures("DiffSFSRPhoto")
    assert front_end.page.evaluate(SEEN).endswith("/examples/example_selfie.jpg")
    front_end.page.evaluate(CHOOSE, "example_calm.jpg")
    front_end.page.wait_for_function(f"() => ({SEEN})().endsWith('/examples/example_calm.jpg')")
    front_end.page.evaluate(CHOOSE, "selfie.png")
    front_end.page.wait_for_function(f"() => ({SEEN})().includes('filename=selfie.png')")


def test_the_four_types_have_colours_of_their_own(front_end):
    colours = front_end.page.evaluate(COLOURS, list(TYPES))
    assert all(wire == socket.strip() and wire.startswith("#") for wire, socket in colours)
    assert len({wire for wire, _ in colours}) == len(TYPES)
