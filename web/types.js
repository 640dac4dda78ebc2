// Own colours for what travels between the pack's nodes: on wires, and on the sockets of Nodes 2.0.
import { app } from "../../scripts/app.js"

const NAME = "DiffSFSR.types"
const COLOURS = {
    DIFFSFSR: "#f0a35e",
    DIFFSFSR_IDENTITY: "#5fa8ff",
    DIFFSFSR_EXPRESSION: "#7fd18b",
    DIFFSFSR_BACKGROUND: "#d78be0",
}

if (!app.extensions.some((extension) => extension.name === NAME)) {
    app.registerExtension({
        name: NAME,
        setup() {
            Object.assign(app.canvas.constructor.link_type_colors, COLOURS)
            Object.assign(app.canvas.default_connection_color_byType, COLOURS)
            const style = document.documentElement.style
            for (const [type, colour] of Object.entries(COLOURS)) style.setProperty(`--color-datatype-${type}`, colour)
        },
    })
}
