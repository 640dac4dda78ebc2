"""Graphs of one's own: nodes that run alone, wires that may be left off, a mask that goes out and comes in again."""

import io

import numpy as np
import pytest
from diffsfsr.evaluation.host.server import PACK
from PIL import Image

pytestmark = pytest.mark.browser

NAME = "03 Change only the expression"
LABEL, EXTRACT, SAVE = "DiffSFSRExpressionByLabel", "DiffSFSRExtractBackground", "DiffSFSRSavePortrait"
WITHOUT = """types => {
    for (const node of [...window.app.graph.nodes]) if (types.includes(node.type)) window.app.graph.remove(node)
}"""
UNWIRED = """() => {
    for (const node of window.app.graph.nodes) {
        if (!['DiffSFSRSampler', 'DiffSFSRSavePortrait'].includes(node.type)) continue
        node.disconnectInput(node.inputs.findIndex(input => input.name === 'diffsfsr'))
    }
}"""
MASKED = """() => {
    const {graph} = window.app
    const of = type => graph.nodes.find(node => node.type === type)
    const add = (type, position) => {
        const node = window.LiteGraph.createNode(type)
        graph.add(node)
        node.pos = position
        return node
    }
    const first = of('DiffSFSRExtractBackground')
    const grow = add('GrowMask', [0, 1100])
    const second = add('DiffSFSRExtractBackground', [400, 1100])
    grow.widgets.find(widget => widget.name === 'expand').value = 8
    first.connect(2, grow, 'mask')
    grow.connect(0, second, 'mask')
    of('DiffSFSRLoad').connect(0, second, 'diffsfsr')
    of('DiffSFSRPhoto').connect(0, second, 'image')
    second.connect(0, of('DiffSFSRSampler'), 'background')
}"""


def test_nodes_that_show_a_face_run_alone_and_keep_it_when_they_are_cached(front_end):
    front_end.open_template(NAME)
    front_end.page.evaluate(WITHOUT, ["DiffSFSRSampler", SAVE])
    shown = {key for key, node in front_end.prompt().items() if node["class_type"] in (LABEL, EXTRACT)}
    assert len(shown) == 2
    for fresh in (True, False):
        outputs = front_end.run(fresh)["outputs"]
        assert all(outputs[key]["images"] for key in shown)
        front_end.wait_for_pictures(LABEL, EXTRACT)


def changed(front_end) -> np.ndarray:
    """(left, top, right, bottom) of what a run of the open graph changes of the example photo, in pixels."""
    record = front_end.run()
    (key,) = (key for key, node in record["prompt"][2].items() if node["class_type"] == SAVE)
    (saved,) = record["outputs"][key]["images"]
    answer = front_end.page.request.get(f"{front_end.url}/view", params=saved)
    result = np.asarray(Image.open(io.BytesIO(answer.body())).convert("RGB"), int)
    photo = np.asarray(Image.open(PACK / "web" / "examples" / "example_selfie.jpg").convert("RGB"), int)
    rows, columns = np.nonzero(abs(result - photo).max(2) > 2)
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()])


def test_what_the_background_carries_need_not_be_wired_and_a_mask_comes_back_where_it_was(front_end):
    front_end.open_template(NAME)
    front_end.page.evaluate(UNWIRED)
    sent = front_end.prompt().values()
    assert not any("diffsfsr" in node["inputs"] for node in sent if node["class_type"] in ("DiffSFSRSampler", SAVE))
    left, top, right, bottom = changed(front_end)

    front_end.page.evaluate(MASKED)
    wider = changed(front_end) - (left, top, right, bottom)
    side = max(right - left, bottom - top)
    assert (wider[:2] <= 2).all() and (wider[2:] >= -2).all()  # grown to all sides,
    assert (abs(wider) < 0.25 * side).all()  # and where it was
