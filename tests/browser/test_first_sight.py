"""What is seen before anything runs: example pictures on their nodes, own colours of the pack's wires."""

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
