// The face editor's place on Edit Expression: opened and closed by a button, over the node's own widgets.
import { forget, known } from "./client.js"
import { element } from "./controls.js"
import { Editor } from "./editor.js"
import { t } from "./words.js"

const NODE = "DiffSFSREditExpression"
const PROPERTY = "face editor" // of the node: whether it is open
const [WIDE, HIGH] = [880, 650]
const LEAST = 450 // pixels of the open editor's height, its button's among them
const CLOSED = 38 // of the button's alone
const LOOK = 700 // ms between looks at the graph and the widgets, which others may change

/**
 * On the classic canvas. In Nodes 2.0 style.css does it: there the list of a node's widgets is a copy from when it was
 * last wired, which neither hides, shows, adds nor removes any. For the same reason the editor's widget is there always.
 */
function hideWidgets(node, hidden) {
    for (const widget of node.widgets) {
        if (widget.name === "face") continue
        widget.hidden = hidden
        // a hidden widget keeps its room on the classic canvas, but for this
        if (hidden) widget.computeSize = () => [0, -4]
        else delete widget.computeSize
    }
}

/** @param placed  the node has its size from a workflow */
function open(node, table, frame, placed) {
    const editor = (node.diffsfsrEditor = new Editor(node, table))
    frame.append(editor.element)
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
    editor.element.remove()
    delete node.diffsfsrEditor
}

function close(node) {
    leave(node)
    node.properties[PROPERTY] = false
    hideWidgets(node, false)
    node.setSize([320, node.computeSize()[1]])
}

export async function attach(node) {
    if (node.comfyClass !== NODE) return
    const button = element("button.dsr-open", { type: "button", onclick: () => toggle(false) })
    const frame = element("div.dsr-frame", {}, button)
    const height = () => (node.diffsfsrEditor ? LEAST : CLOSED)
    const widget = node.addDOMWidget("face", "diffsfsr_face", frame, {
        serialize: false, hideOnZoom: false, selectOn: [],
        getMinHeight: height, getMaxHeight: () => (node.diffsfsrEditor ? undefined : CLOSED),
    })
    widget.serialize = false
    const say = () => {
        const opened = Boolean(node.diffsfsrEditor)
        button.textContent = opened ? t("Close the editor") : t("Edit face")
        frame.classList.toggle("open", opened)
        node.graph?.setDirtyCanvas(true, true)
    }
    const toggle = async (placed) => {
        button.textContent = t("loading …") // the first question of all waits for the host's networks
        const table = await known()
        if (node.diffsfsrEditor) close(node)
        else open(node, table, frame, placed)
        say()
    }
    say()
    const { onRemoved, onExecuted, onConfigure } = node
    node.onRemoved = function (...given) {
        leave(node)
        return onRemoved?.apply(this, given)
    }
    node.onExecuted = function (output, ...given) {
        const code = output?.diffsfsr_wired?.[0]
        if (node.diffsfsrEditor) delete output?.images // it shows the person itself
        known().then((table) => {
            if (table && code) node.diffsfsrWired = Object.fromEntries(table.blendshapes.map((name, i) => [name, code[i]]))
        })
        return onExecuted?.call(this, output, ...given)
    }
    node.onConfigure = function (...given) {
        node.properties[PROPERTY] ??= false // of a workflow from before there was an editor
        return onConfigure?.apply(this, given)
    }
    if (!(await known())) {
        frame.remove()
        node.removeWidget?.(widget) // the host serves no faces
    } else if ((node.properties[PROPERTY] ?? true) && node.graph) toggle(PROPERTY in node.properties) // new ones have it open
}
