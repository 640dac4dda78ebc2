// The face in the editor: the picture, and the places at which it is held and dragged.
import { dragged, element } from "./controls.js"
import { t } from "./words.js"

const SIDE = 512 // pixels of the picture, however large it is shown
const GAIN = 9 // a slider's way for the picture's side
const NEAR = 0.07 // of the side: so far from a handle it is held
// handle -> what dragging it moves: [slider, axis (1 = down), factor, side]; side 0 is the picture's left
const HOLDS = {
    mouth_left: [["smile", 1, -1, 0], ["stretch", 0, -0.6, 0]],
    mouth_right: [["smile", 1, -1, 1], ["stretch", 0, 0.6, 1]],
    lips: [["jaw", 1, 0.7]], chin: [["jaw", 1, 0.7]],
    lid_left: [["lids", 1, -1.6, 0]], lid_right: [["lids", 1, -1.6, 1]],
    brow_left: [["brows", 1, -1.2, 0]], brow_right: [["brows", 1, -1.2, 1]],
    brow_inner_left: [["sad_brows", 1, -1.2, 0]], brow_inner_right: [["sad_brows", 1, -1.2, 1]],
    iris_left: [["gaze_x", 0, 2], ["gaze_y", 1, -2]], iris_right: [["gaze_x", 0, 2], ["gaze_y", 1, -2]],
}
const NAMES = {
    mouth_left: "corner of the mouth", mouth_right: "corner of the mouth", lips: "jaw", chin: "jaw", lid_left: "lid",
    lid_right: "lid", brow_left: "brow", brow_right: "brow", brow_inner_left: "inner end of the brow",
    brow_inner_right: "inner end of the brow", iris_left: "gaze", iris_right: "gaze",
}

export class FaceView {
    /**
     * @param on  {start(): moves what is dragged: (slider, change, side | undefined) => void, input(): while it moves,
     *            change(): at rest, retry(): what failed is to be tried again}
     */
    constructor(on) {
        this.canvas = element("canvas", { width: SIDE, height: SIDE, tabIndex: 0, "aria-label": "Face; drag its parts" })
        this.marks = element("canvas.dsr-marks", { width: SIDE, height: SIDE })
        this.note = element("div.dsr-note", { role: "status", onclick: () => this.note.classList.contains("lost") && on.retry() })
        this.element = element("div.dsr-face", {}, this.canvas, this.marks, this.note)
        this.handles = {}
        this.held = null
        this.canvas.addEventListener("pointermove", (event) => this.held ?? this.#mark(this.#nearest(event)))
        this.canvas.addEventListener("pointerleave", () => this.held ?? this.#mark(null))
        let from, move
        dragged(
            this.canvas,
            (event) => {
                this.held = this.#nearest(event)
                if (!this.held) return false
                from = this.#at(event)
                move = on.start()
                this.#mark(this.held)
            },
            (event) => {
                const at = this.#at(event)
                const way = [at[0] - from[0], at[1] - from[1]]
                for (const [slider, axis, factor, side] of HOLDS[this.held]) {
                    move(slider, way[axis] * factor * GAIN, event.altKey ? undefined : side)
                }
                on.input()
            },
            () => {
                this.held = null
                this.#mark(null)
                on.change()
            },
        )
    }

    /** Shows a picture and where it can be held. */
    async show({ picture, handles }) {
        const bitmap = await createImageBitmap(picture)
        const pen = this.canvas.getContext("2d")
        pen.imageSmoothingQuality = "high"
        pen.drawImage(bitmap, 0, 0, SIDE, SIDE)
        bitmap.close()
        this.handles = handles
        if (this.held) this.#mark(this.held)
        this.say("")
        this.element.dataset.shown = String(Number(this.element.dataset.shown ?? 0) + 1)
    }

    /** A word over the picture, or none. kind: "bad" for what went wrong, "lost" for what can be tried again */
    say(text, kind = "") {
        this.note.textContent = text
        this.note.classList.toggle("bad", kind !== "")
        this.note.classList.toggle("lost", kind === "lost")
    }

    #at(event) {
        const box = this.canvas.getBoundingClientRect()
        return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    }

    #nearest(event) {
        const [x, y] = this.#at(event)
        let best = null, least = NEAR
        for (const [name, [u, v]] of Object.entries(this.handles)) {
            const away = Math.hypot(u - x, v - y)
            if (name in HOLDS && away < least) [best, least] = [name, away]
        }
        return best
    }

    #mark(name) {
        this.canvas.style.cursor = name ? (this.held ? "grabbing" : "grab") : "default"
        this.canvas.title = name && !this.held ? `${t("Drag the")} ${t(NAMES[name])}` : ""
        const pen = this.marks.getContext("2d")
        pen.clearRect(0, 0, SIDE, SIDE)
        if (!name) return
        for (const [each, [x, y]] of Object.entries(this.handles)) {
            pen.beginPath()
            pen.arc(x * SIDE, y * SIDE, each === name ? 9 : 4, 0, 7)
            pen.lineWidth = 2
            pen.strokeStyle = "rgba(0, 0, 0, .55)"
            pen.fillStyle = each === name ? "rgba(255, 255, 255, .85)" : "rgba(255, 255, 255, .5)"
            pen.fill()
            pen.stroke()
        }
    }
}
