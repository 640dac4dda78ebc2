"""Every template is opened, queued and finished on the real front end; the pictures of it are in output/browser."""

import json

import pytest
from diffsfsr.evaluation.host.server import PACK
from diffsfsr.evaluation.host.workflow import to_prompt

pytestmark = pytest.mark.browser

TEMPLATES = sorted(path.stem for path in (PACK / "workflows").glob("*.json"))
OUTPUT = PACK / "output" / "browser"
SHOW_PICTURES = (
    "DiffSFSRSavePortrait", "PreviewImage", "DiffSFSRPhoto",
    "DiffSFSREncodeIdentity", "DiffSFSRExpressionByLabel", "DiffSFSRExtractBackground",
    "DiffSFSRExpressionFromImage", "DiffSFSRTravelExpressions",
)  # fmt: skip
QUICK = {  # what a CPU does in seconds
    "11 Scene by Stable Diffusion": {"EmptyLatentImage": {"width": 256, "height": 256}, "KSampler": {"steps": 2}},
    "09 Face swap in a video": {"ImageFromBatch": {"length": 3}, "DiffSFSRSampler": {"steps": 4}},
    "10 A photo that moves like a video": {"ImageFromBatch": {"length": 3}, "DiffSFSRSampler": {"steps": 4}},
    "14 A photo that moves by keyframes": {"PrimitiveFloat": {"value": 1.0}},
    "13 Sharper with Stable Diffusion": {"ImageScale": {"width": 256, "height": 256}, "KSampler": {"steps": 2}},
}


def test_the_dialog_shows_every_template_with_its_thumbnail(front_end):
    front_end.show_templates()
    for name in reversed(TEMPLATES):
        front_end.card(name)
    front_end.page.screenshot(path=OUTPUT / "templates.png")
    front_end.card(TEMPLATES[0]).click()  # which closes the dialog
    front_end.page.wait_for_function("() => !document.querySelector('.p-dialog')")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_opened_queued_and_finished(front_end, name):
    known = front_end.get("/object_info")
    template = to_prompt(json.loads((PACK / "workflows" / f"{name}.json").read_text("utf-8")), known)
    front_end.open_template(name)
    assert not front_end.messages()
    assert to_prompt(front_end.saved(), known) == template
    front_end.take_picture(OUTPUT / f"{name}_opened.jpg")
    for node_type, values in QUICK.get(name, {}).items():
        front_end.set(node_type, **values)
    expected = to_prompt(front_end.saved(), known)

    record = front_end.run()
    sent = record["prompt"][2]
    for node in sent.values():
        if node["class_type"] == "PreviewAny":
            node["inputs"].pop("preview", None)  # a text that the front end adds by itself
    assert sent == expected
    saved = {key for key, node in sent.items() if node["class_type"] == "DiffSFSRSavePortrait"}
    assert saved and saved <= set(record["outputs"])
    front_end.wait_for_pictures(*SHOW_PICTURES)
    front_end.take_picture(OUTPUT / f"{name}.jpg")
    boxes = front_end.boxes()
    for i, (title, x, y, width, height) in enumerate(boxes):
        for other, u, v, wide, high in boxes[:i]:
            apart = x >= u + wide or u >= x + width or y - 30 >= v + high or v - 30 >= y + height
            assert apart, f"{title} lies over {other}"
