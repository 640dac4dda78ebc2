// Own colours for what travels between the pack's nodes: on wires, and on the sockets of Nodes 2.0.
import { app } from "../../scripts/app.js"

const NAME = "DiffSFSR.types"
const COLOURS = {
    DIFFSFSR: "#f0a35e",
    DIFFSFSR_IDENTITY: "#5fa8ff",
    DIFFSFSR_EXPRESSION: "#7fd18b",
    DIFFSFSR_BACKGROUND: "#d78be0",
}

/** Colours for these types in a table of the canvas; a palette may name others, but not wipe them out. */
function colour(table) {
    for (const [type, own] of Object.entries(COLOURS)) {
        let named = table[type]
        const set = (value) => (named = value)
        Object.defineProperty(table, type, { enumerable: true, configurable: true, get: () => named || own, set })
    }
}

if (!app.extensions.some((extension) => extension.name === NAME)) {
    app.registerExtension({
        name: NAME,
        setup() {
            colour(app.canvas.constructor.link_type_colors)
            colour(app.canvas.default_connection_color_byType)
            const style = document.documentElement.style
            for (const [type, own] of Object.entries(COLOURS)) style.setProperty(`--color-datatype-${type}`, own)
        },
    })
}
