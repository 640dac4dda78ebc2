// Load Photo shows the example that is chosen, which lies beside this file and not in the input folder.
import { app } from "../../scripts/app.js"

const NAME = "DiffSFSR.photos"
const EXAMPLE = /^example_\w+[.]jpg$/

function show(node) {
    const name = node.widgets.find((widget) => widget.name === "image").value
    if (EXAMPLE.test(name)) app.nodePreviewImages[node.id] = [new URL(`./examples/${name}`, import.meta.url).href]
    else delete app.nodePreviewImages[node.id]
    node.graph?.setDirtyCanvas(true, true)
}

// the host serves the folder under the pack's name and under its folder's name, and imports both
if (!app.extensions.some((extension) => extension.name === NAME)) {
    app.registerExtension({
        name: NAME,
        nodeCreated(node) {
            if (node.comfyClass !== "DiffSFSRPhoto") return
            const widget = node.widgets.find((widget) => widget.name === "image")
            const { callback } = widget
            widget.callback = function (...given) {
                const result = callback?.apply(this, given)
                show(node)
                return result
            }
            setTimeout(() => show(node)) // the graph gives it its number and its value first
        },
        loadedGraphNode(node) {
            if (node.comfyClass === "DiffSFSRPhoto") show(node)
        },
    })
}
