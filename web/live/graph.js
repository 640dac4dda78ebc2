// What a node's place in the graph says: whose photo is painted, in which scene, and what is wired to it; its widgets.
import { t } from "./words.js"

const LABEL = "DiffSFSRExpressionByLabel"
const LOAD = "DiffSFSRLoad"
const FROM_IMAGE = "DiffSFSRExpressionFromImage"

/** The name in the input folder of the photo that the graph paints with this node's expression, or null. */
export function photoFor(node) {
    return through(node, "identity") ?? through(node, "background") ?? anywhere(node, ["DiffSFSREncodeIdentity", "DiffSFSRExtractBackground"])
}

/** The checkpoint that the graph loads, by whose neutral face expressions are counted; undefined for the bundled one. */
export function checkpointFor(node) {
    return widgetOf(node.graph?.nodes?.find((each) => each.type === LOAD) ?? {}, "checkpoint")?.value
}

/** The name of the picture into which it is painted, or null. */
export function sceneFor(node) {
    return through(node, "background") ?? anywhere(node, ["DiffSFSRExtractBackground"])
}

/** The picture of the input folder in which a node's result is painted, or null. */
export function sceneBehind(node) {
    const seen = new Set([node])
    for (const each of seen) {
        const origin = inputNode(each, "background")
        const found = origin && pictureBehind(origin)
        if (found) return found
        for (const slot of (each.inputs ?? []).keys()) {
            const before = each.getInputNode?.(slot)
            if (before) seen.add(before)
        }
    }
    return null
}

/**
 * What is wired to the input `expression`: {} for nothing, {label, ...}, {picture, intensity, values of the last run}, or
 * the values of the last run; null if unknown.
 */
export function wiredTo(node) {
    const origin = inputNode(node, "expression")
    if (!origin) return {}
    if (origin.type === LABEL && origin.mode === 0) {
        const value = (name) => origin.widgets?.find((widget) => widget.name === name)?.value
        return { label: value("label"), variant: value("variant"), intensity: value("intensity") }
    }
    const value = (name) => widgetOf(origin, name)?.value
    if (origin.type === FROM_IMAGE && !inputNode(origin, "neutral")) {
        return { picture: pictureBehind(origin), intensity: value("intensity"), ...(node.diffsfsrWired && { values: node.diffsfsrWired }) }
    }
    return node.diffsfsrWired ?? null
}

export function widgetOf(node, name) {
    return node.widgets?.find((widget) => widget.name === name)
}

/** A button on a node, which no workflow keeps. Nodes 2.0 show a button's name, the canvas its label: they are the same. */
export function addButton(node, text, press) {
    const button = node.addWidget("button", t(text), null, press, { serialize: false })
    button.serialize = false
    button.label = t(text)
    return button
}

export function setWidget(node, name, value) {
    const widget = widgetOf(node, name)
    if (!widget || widget.value === value) return
    widget.value = value
    widget.callback?.(value)
}

function inputNode(node, name) {
    const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1
    return slot < 0 ? null : node.getInputNode?.(slot) ?? null
}

/** The picture behind an input of the nodes that this node's outputs lead to. */
function through(node, name) {
    const seen = new Set([node])
    for (const each of seen) {
        for (const [slot] of (each.outputs ?? []).entries()) {
            for (const next of each.getOutputNodes?.(slot) ?? []) {
                if (next) seen.add(next)
            }
        }
        const origin = inputNode(each, name)
        const found = origin && pictureBehind(origin)
        if (found) return found
    }
    return null
}

function anywhere(node, types) {
    for (const type of types) {
        for (const each of node.graph?.nodes ?? []) {
            const found = each.type === type ? pictureBehind(each) : null
            if (found) return found
        }
    }
    return null
}

/** The first picture of the input folder that leads to a node. */
function pictureBehind(node) {
    const seen = new Set([node])
    for (const each of seen) {
        const named = widgetOf(each, "image")?.value
        if (typeof named === "string" && named && each.inputs?.every((input) => input.link == null || input.widget)) return named
        for (const slot of (each.inputs ?? []).keys()) {
            const origin = each.getInputNode?.(slot)
            if (origin) seen.add(origin)
        }
    }
    return null
}
