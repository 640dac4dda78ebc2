// A button on Expression by Label that opens the sheet; what is chosen goes into the node's own widgets.
import { forget, known, newName } from "./client.js"
import { addButton, checkpointFor, photoFor, setWidget, widgetOf } from "./graph.js"
import { openSheet } from "./sheet.js"

const NODE = "DiffSFSRExpressionByLabel"

export async function attach(node) {
    if (node.comfyClass !== NODE) return
    const button = addButton(node, "Choose from pictures", async () => {
        const table = await known()
        const id = newName()
        const value = (name) => widgetOf(node, name).value
        openSheet({
            table, node: id, photo: photoFor(node), checkpoint: checkpointFor(node),
            current: { label: value("label"), variant: Math.min(value("variant"), table.labels[value("label")].codes.length - 1), intensity: value("intensity") },
            pick: (chosen) => {
                for (const name of ["label", "variant", "intensity"]) setWidget(node, name, chosen[name])
                node.graph?.change?.()
                node.graph?.setDirtyCanvas(true, true)
            },
            ended: () => forget(id),
        })
    })
    if (!(await known())) node.widgets.splice(node.widgets.indexOf(button), 1)
}
