"""The subgraph blueprint is found by its name, placed, wired, and run on the real front end."""

import pytest
from diffsfsr.evaluation.host.server import PACK

pytestmark = pytest.mark.browser

NAME = "Portrait from selfie"
WIRE = """() => {
    const graph = window.app.graph
    const portrait = graph.nodes[0]
    const set = (node, name, value) => { node.widgets.find(widget => widget.name === name).value = value }
    const add = (type, position) => {
        const node = window.LiteGraph.createNode(type)
        graph.add(node)
        node.pos = position
        return node
    }
    portrait.pos = [420, 60]
    set(portrait, 'label', 'surprise')
    for (const [number, name] of ['selfie', 'background'].entries()) {
        const photo = add('LoadImage', [0, 60 + 420 * number])
        set(photo, 'image', `${name}.png`)
        photo.setSize([315, 340])
        photo.connect(0, portrait, name)
    }
    const save = add('DiffSFSRSavePortrait', [820, 60])
    portrait.connect(0, save, 'images')
    portrait.connect(2, save, 'diffsfsr')
    save.setSize([560, 740])
}"""


def test_it_is_found_placed_wired_and_run(front_end):
    page = front_end.page
    page.evaluate("() => window.app.graph.clear()")
    for _ in range(10):  # on a busy machine two clicks may come too far apart
        page.mouse.dblclick(800, 500)
        page.wait_for_timeout(2000)
        if page.locator("input:focus").count():
            break
    page.keyboard.type(NAME)
    page.get_by_text(NAME, exact=True).first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.app.graph.nodes.length === 1")
    page.evaluate(WIRE)

    record = front_end.run()
    (label,) = (node for node in record["prompt"][2].values() if node["class_type"] == "DiffSFSRExpressionByLabel")
    assert label["inputs"]["label"] == "surprise"
    front_end.wait_for_pictures("DiffSFSRSavePortrait")
    front_end.take_picture(PACK / "output" / "browser" / "blueprint.jpg")
