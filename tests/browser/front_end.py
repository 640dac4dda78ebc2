"""ComfyUI's own front end in a headless browser, driven as a user drives it."""

import json
import time
from pathlib import Path

from playwright.sync_api import Locator, Page

SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.Graph.CanvasMenu": False,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,  # text is drawn however small
}
SECONDS = 180  # for what waits; a busy machine is slow

READY = "() => window.app?.extensionManager?.setting && window.app.graph?.nodes.length"
OPEN = """name => window.app.extensionManager.workflow.activeWorkflow?.filename.replace(/ [(]\\d+[)]$/, '') === name"""
SHOWN = """types => window.app.graph.nodes.filter(node => types.includes(node.type)).every(
    node => node.imgs?.length && node.imgs.every(picture => picture.complete && picture.naturalWidth))"""
SET = """([type, values]) => {
    const node = window.app.graph.nodes.find(node => node.type === type)
    for (const [name, value] of Object.entries(values)) node.widgets.find(widget => widget.name === name).value = value
}"""
BOXES = """() => window.app.graph.nodes.map(node => [node.title, ...node.pos, ...node.size])"""
BOUNDS = """() => {
    const above = 50  // a node's title and badge
    const {nodes, groups} = window.app.graph
    const boxes = [...nodes.map(({pos: [x, y], size: [wide, high]}) => [x, y - above, wide, high + above]),
                   ...groups.map(group => [...group.pos, ...group.size])]
    const [left, top] = [0, 1].map(axis => Math.min(...boxes.map(box => box[axis])))
    const [right, bottom] = [0, 1].map(axis => Math.max(...boxes.map(box => box[axis] + box[axis + 2])))
    return [left, top, right - left, bottom - top]
}"""
LOOK_AT = """([left, top, scale, margin]) => {
    const canvas = window.app.canvas
    canvas.deselectAll()
    canvas.ds.scale = scale
    canvas.ds.offset = [margin / scale - left, margin / scale - top]
    canvas.setDirty(true, true)
}"""


class FrontEnd:
    """One browser window on a running ComfyUI.

    url     where ComfyUI answers; its Host cannot be asked while playwright runs, since both want the event loop
    """

    def __init__(self, page: Page, url: str):
        self.page, self.url = page, url
        page.set_default_timeout(SECONDS * 1000)
        for name, value in SETTINGS.items():
            page.request.post(f"{url}/settings/{name}", data=json.dumps(value))
        page.goto(url)
        page.wait_for_function(READY)

    def get(self, path: str) -> dict:
        """The JSON that ComfyUI answers to a path such as "/object_info"."""
        return self.page.request.get(self.url + path).json()

    def show_templates(self) -> None:
        """Open the dialog from the side bar, at this pack's templates."""
        self.page.get_by_role("button", name="Templates").first.click()
        self.page.get_by_text("ComfyUI-DiffSFSR", exact=True).click()

    def card(self, template: str) -> Locator:
        """A template's card in the dialog, scrolled to, with its thumbnail loaded."""
        card = self.page.get_by_test_id(f"template-workflow-{template}")
        card.scroll_into_view_if_needed()
        assert card.locator("img").first.evaluate("picture => picture.decode().then(() => picture.naturalWidth)")
        return card

    def open_template(self, name: str) -> None:
        """Choose a template in the dialog."""
        self.show_templates()
        self.card(name).click()
        self.page.wait_for_function(OPEN, arg=name)
        self.page.wait_for_timeout(1000)  # in which complaints about missing nodes or files appear

    def load(self, workflow: dict) -> None:
        """Open a workflow as from a file that is dropped on the canvas."""
        self.page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
        self.page.wait_for_timeout(1000)  # in which complaints about missing nodes or files appear

    def prompt(self) -> dict[str, dict]:
        """What the graph would send to the host."""
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")

    def set(self, node_type: str, **values: object) -> None:
        """Change values of the one node of a type."""
        self.page.evaluate(SET, [node_type, values])

    def saved(self) -> dict:
        """The graph as the front end would save it."""
        # as text: what is undefined would come as null, which is no workflow any more
        return json.loads(self.page.evaluate("() => JSON.stringify(window.app.graph.serialize())"))

    def messages(self) -> list[str]:
        """What open dialogs and pop-up notes say."""
        return self.page.locator(".p-dialog, .p-toast-message").all_inner_texts()

    def run(self, fresh: bool = True) -> dict:
        """Press Run and wait for a good end; returns the host's record: prompt, outputs, status.

        fresh   nothing is cached of the runs before
        """
        if fresh:
            self.page.request.post(f"{self.url}/free", data={"free_memory": True})
        before = set(self.get("/history"))
        queue, button = self.page.get_by_test_id("queue-button"), self.page.get_by_role("button", name="Run")
        queue.and_(button).or_(queue.locator(button)).first.click()  # on older front ends it is around the button
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.page.wait_for_timeout(200)
            history = self.get("/history")
            new = set(history) - before
            if new:
                record = history[new.pop()]
                said = [message.get("exception_message") for _, message in record["status"]["messages"]]
                assert record["status"]["status_str"] == "success", list(filter(None, said))
                return record
            assert not self.messages()
        raise TimeoutError(f"not finished within {SECONDS} seconds")

    def wait_for_pictures(self, *node_types: str) -> None:
        """Wait until all nodes of these types show their pictures."""
        self.page.wait_for_function(SHOWN, arg=list(node_types))

    def boxes(self) -> list[tuple[str, float, float, float, float]]:
        """(title, left, top, width, height) of every node, without its title bar."""
        return [tuple(box) for box in self.page.evaluate(BOXES)]

    def take_picture(self, path: Path, width: int = 1500, margin: int = 12) -> None:
        """The whole graph as a JPEG of that width, without the bars around it."""
        self.page.mouse.move(800, 600)  # off the buttons, whose tooltips would stay
        left, top, wide, high = self.page.evaluate(BOUNDS)
        scale = (width - 2 * margin) / wide
        self.page.set_viewport_size({"width": width, "height": round(high * scale) + 2 * margin})
        self.page.evaluate("() => window.app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
        self.page.evaluate(LOOK_AT, [left, top, scale, margin])
        self.page.mouse.move(3, 3)  # and off the nodes
        self.page.wait_for_timeout(1000)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, type="jpeg", quality=70, timeout=SECONDS * 1000)
        self.page.evaluate("() => window.app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
        self.page.set_viewport_size({"width": 1600, "height": 1000})
