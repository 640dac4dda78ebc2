// Load DiffSFSR says when it appears that the face landmarker is missing, and what to type; not only when it is run.
import { app } from "../../scripts/app.js"

const NAME = "DiffSFSR.missing"

if (!app.extensions.some((extension) => extension.name === NAME)) {
    let told = false
    app.registerExtension({
        name: NAME,
        nodeCreated(node) {
            const detail = node.constructor.nodeData?.input?.optional?.face_mesh?.[1]?.missing
            if (told || node.comfyClass !== "DiffSFSRLoad" || !detail) return
            told = true
            app.extensionManager.toast.add({ severity: "warn", summary: "DiffSFSR needs one more file", detail })
        },
    })
}
