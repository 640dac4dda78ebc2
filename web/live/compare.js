// Before and after, one over the other, at the pictures' true size: on the nodes that show results.
import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"
import { dragged, element, iconButton } from "./controls.js"
import { addButton, sceneBehind } from "./graph.js"
import { t } from "./words.js"

const NODES = ["DiffSFSRSampler", "DiffSFSRSavePortrait"]
const EXAMPLE = /^example_\w+[.]jpg$/ // the pack's own pictures, which do not lie in the input folder

function inputURL(name) {
    if (EXAMPLE.test(name)) return new URL(`../examples/${name}`, import.meta.url).href
    const [path, kind] = name.match(/^(.*?)(?: \[(\w+)\])?$/).slice(1)
    const at = path.lastIndexOf("/")
    const query = { filename: path.slice(at + 1), subfolder: path.slice(0, Math.max(at, 0)), type: kind ?? "input" }
    return api.apiURL(`/view?${new URLSearchParams(query)}`)
}

class Compare {
    constructor(before, results) {
        this.results = results
        this.before = element("img", { alt: "before", src: before, draggable: false })
        this.after = element("img", { alt: "after", draggable: false })
        this.bar = element("div.dsr-split", {}, element("i.pi.pi-arrows-h"))
        this.stage = element("div.dsr-stage", { tabIndex: 0, role: "slider", "aria-label": t("Before and after") }, this.before, this.after, this.bar)
        this.size = element("span")
        this.fit = iconButton("window-maximize", t("Whole picture, or its true size (double-click)"), () => this.#fit())
        const step = (by) => () => this.#show((this.number + by + results.length) % results.length)
        const several = results.length > 1
        this.dialog = element("dialog.dsr-compare", { onclose: () => this.dialog.remove() },
            element("header", {}, element("h2", {}, t("Before and after")), this.size,
                several ? iconButton("chevron-left", t("The one before"), step(-1)) : null,
                several ? iconButton("chevron-right", t("The next one"), step(1)) : null,
                this.fit, iconButton("times", t("Close (Esc)"), () => this.dialog.close())),
            element("div.dsr-room", {}, this.stage))
        const move = (event) => {
            const box = this.stage.getBoundingClientRect()
            this.#split((event.clientX - box.left) / box.width)
        }
        dragged(this.stage, move, move, () => {})
        this.stage.ondblclick = () => this.#fit()
        this.dialog.onkeydown = (event) => {
            event.stopPropagation()
            const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key]
            if (step) this.#split(this.at + step)
        }
        this.after.onload = () => {
            this.stage.style.setProperty("--wide", `${this.after.naturalWidth}px`)
            this.stage.style.aspectRatio = `${this.after.naturalWidth} / ${this.after.naturalHeight}`
            this.size.textContent = `${this.after.naturalWidth} × ${this.after.naturalHeight}`
            const room = this.stage.parentElement // faces are above the middle
            room.scrollTo((room.scrollWidth - room.clientWidth) / 2, (room.scrollHeight - room.clientHeight) / 3)
        }
        document.body.append(this.dialog)
        this.dialog.showModal()
        this.#show(0)
        this.#split(0.5)
        this.stage.focus()
    }

    #show(number) {
        this.number = number
        this.after.src = this.results[number]
    }

    #fit() {
        this.dialog.classList.toggle("fit")
    }

    #split(share) {
        this.at = Math.min(1, Math.max(0, share))
        this.stage.style.setProperty("--at", `${100 * this.at}%`)
        this.stage.setAttribute("aria-valuenow", String(Math.round(100 * this.at)))
    }
}

/**
 * The pictures that a node shows: its outputs, which a change of tabs keeps, or the last preview, which is the sampler's
 * result. Not node.imgs, which only the canvas has.
 */
function resultsOf(node) {
    const { graph } = node
    const place = graph?.rootGraph && graph !== graph.rootGraph ? `${graph.id}:${node.id}` : String(node.id)
    const images = app.nodeOutputs?.[place]?.images?.map((image) => api.apiURL(`/view?${new URLSearchParams(image)}`))
    return images ?? app.nodePreviewImages?.[place] ?? []
}

export function attach(node) {
    if (!NODES.includes(node.comfyClass)) return
    const compare = () => {
        const [before, results] = [sceneBehind(node), resultsOf(node)]
        if (before && results.length) new Compare(inputURL(before), results)
        else {
            const detail = before ? t("there is nothing to compare yet: run the workflow") : t("there is nothing to compare with: the background comes from no picture of the input folder")
            app.extensionManager.toast.add({ severity: "info", summary: t("Before / after"), detail, life: 4000 })
        }
    }
    addButton(node, "Before / after", compare)
    const { getExtraMenuOptions } = node
    node.getExtraMenuOptions = function (canvas, options) {
        if (resultsOf(node).length && sceneBehind(node)) options.unshift({ content: t("Before / after"), callback: compare })
        return getExtraMenuOptions?.apply(this, arguments)
    }
}
