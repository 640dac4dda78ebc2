// What the pack adds to the front end. Nothing of it is needed: the nodes work by their own widgets without.
import { app } from "../../../scripts/app.js"
import { attach as attachCompare } from "./compare.js"
import { attach as attachEditor } from "./edit_node.js"
import { attach as attachPicker } from "./picker.js"

const NAME = "DiffSFSR.live"

// the host serves the folder under the pack's name and under its folder's name, and imports both
if (!app.extensions.some((extension) => extension.name === NAME)) {
    app.registerExtension({
        name: NAME,
        nodeCreated(node) {
            attachPicker(node)
            attachEditor(node)
            attachCompare(node)
        },
    })
}
