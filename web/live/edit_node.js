// The face editor's place on Edit Expression: opened and closed by a button, over the node's own widgets.
import { forget, known } from "./client.js"
import { Editor } from "./editor.js"
import { widgetOf } from "./graph.js"
import { t } from "./words.js"

const NODE = "DiffSFSREditExpression"
const PROPERTY = "face editor" // of the node: whether it is open
const [WIDE, HIGH] = [880, 650]
const LEAST = 420 // pixels of the editor's height
const LOOK = 700 // ms between looks at the graph and the widgets, which others may change

function hideWidgets(node, hidden) {
    for (const widget of node.widgets) {
        if (widget.name === "face" || widget.name === "edit face") continue
        widget.hidden = hidden
        if (widget.options) widget.options.hidden = hidden
        // a hidden widget keeps its room on the classic canvas, but for this
        if (hidden) widget.computeSize = () => [0, -4]
        else delete widget.computeSize
    }
}

/** @param placed  the node has its size from a workflow */
function open(node, table, placed) {
    if (node.diffsfsrEditor) return
    const editor = (node.diffsfsrEditor = new Editor(node, table))
    const widget = node.addDOMWidget("face", "diffsfsr_face", editor.element, {
        serialize: false, hideOnZoom: false, getMinHeight: () => LEAST, selectOn: [],
    })
    widget.serialize = false
    node.properties[PROPERTY] = true
    hideWidgets(node, true)
    if (!placed) node.setSize([Math.max(node.size[0], WIDE), Math.max(node.computeSize()[1], HIGH)])
    editor.look()
    editor.leave = () => forget(editor.id)
    window.addEventListener("pagehide", editor.leave)
    editor.watch = setInterval(() => !document.hidden && !editor.moving && editor.look(), LOOK)
}

/** Nothing is kept of an editor whose node is gone. */
function leave(node) {
    const editor = node.diffsfsrEditor
    if (!editor) return
    clearInterval(editor.watch)
    window.removeEventListener("pagehide", editor.leave)
    editor.leave()
    delete node.diffsfsrEditor
}

function close(node) {
    leave(node)
    const widget = widgetOf(node, "face")
    widget.onRemove?.()
    if (node.removeWidget) node.removeWidget(widget)
    else node.widgets.splice(node.widgets.indexOf(widget), 1)
    node.properties[PROPERTY] = false
    hideWidgets(node, false)
    node.setSize([320, node.computeSize()[1]])
}

export async function attach(node) {
    if (node.comfyClass !== NODE) return
    const toggle = async (placed) => {
        const table = await known()
        node.diffsfsrEditor ? close(node) : open(node, table, placed)
        button.label = node.diffsfsrEditor ? t("Close the editor") : t("Edit face")
        node.graph?.setDirtyCanvas(true, true)
    }
    const button = node.addWidget("button", "edit face", null, () => toggle(false), { serialize: false })
    button.serialize = false
    button.label = t("Edit face")
    const { onRemoved, onExecuted, onConfigure } = node
    node.onRemoved = function (...given) {
        leave(node)
        return onRemoved?.apply(this, given)
    }
    node.onExecuted = function (output, ...given) {
        const code = output?.diffsfsr_wired?.[0]
        known().then((table) => {
            if (table && code) node.diffsfsrWired = Object.fromEntries(table.blendshapes.map((name, i) => [name, code[i]]))
        })
        return onExecuted?.call(this, output, ...given)
    }
    node.onConfigure = function (...given) {
        node.properties[PROPERTY] ??= false // of a workflow from before there was an editor
        return onConfigure?.apply(this, given)
    }
    if (!(await known())) node.widgets.splice(node.widgets.indexOf(button), 1) // the host serves no faces
    else if ((node.properties[PROPERTY] ?? true) && node.graph) toggle(PROPERTY in node.properties) // new ones have it open
}
