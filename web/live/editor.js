// The face editor on Edit Expression. Its state is the node's own widgets; without it the node works by these.
import { file, newName, own, refreshed, Stream } from "./client.js"
import { element, iconButton, Line, Pad } from "./controls.js"
import { FaceView } from "./face.js"
import { checkpointFor, photoFor, sceneFor, setWidget, widgetOf, wiredTo } from "./graph.js"
import { openSheet } from "./sheet.js"
import { Face, GAZE, GROUPS } from "./values.js"
import { t } from "./words.js"

const REST = 180 // ms without another change, after which the picture is made anew at full size
const STEPS = 100 // that can be taken back

export class Editor {
    constructor(node, table) {
        this.node = node
        this.table = table
        this.id = newName()
        this.face = new Face(table, this.#read())
        this.past = []
        this.future = []
        this.view = new FaceView({ retry: () => this.#again(), start: () => this.#grab(), input: () => this.#move(() => {}), change: () => this.#rest() })
        this.stream = new Stream(
            (answer, question) => this.#shown(answer, question),
            (error) => this.#fail(error),
        )
        this.lines = new Map()
        this.element = element("div.dsr-editor", { tabIndex: -1 }, this.#left(), this.#right())
        this.element.addEventListener("keydown", (event) => this.#key(event))
        for (const kind of ["pointerdown", "wheel"]) this.element.addEventListener(kind, (event) => event.stopPropagation())
        this.#draw()
    }

    // ---- what is on it

    #left() {
        this.back = iconButton("undo", t("Undo (Ctrl+Z)"), () => this.undo())
        this.again = iconButton("refresh", t("Redo (Ctrl+Shift+Z)"), () => this.redo())
        this.again.classList.add("dsr-redo")
        this.inScene = iconButton("image", t("Show the person in the scene"), () => this.#toggleScene())
        const bar = element("div.dsr-bar", {},
            element("button.dsr-text", { type: "button", title: t("One of the 135 expressions, or a file of yours"), onclick: () => this.#expressions() },
                element("i.pi.pi-face-smile"), t("Expressions")),
            this.back, this.again,
            iconButton("eraser", t("Reset all"), () => this.do(() => this.face.reset())),
            iconButton("copy", t("Copy as JSON"), () => this.copy()),
            iconButton("clipboard", t("Paste JSON"), () => this.paste()),
            this.inScene,
        )
        return element("div.dsr-left", {}, this.view.element, bar)
    }

    #right() {
        const box = element("div.dsr-right")
        for (const [title, sliders] of GROUPS) {
            if (title === "Cheeks") box.append(this.#gaze())
            const group = element("fieldset", {}, element("legend", {}, t(title)))
            for (const [name, label] of sliders) group.append(this.#slider(name, t(label)))
            box.append(group)
        }
        const whole = element("fieldset", {}, element("legend", {}, t("All")))
        whole.append(this.#line("strength", t("Strength"), 0, 1.5, t("Of all that is set; 0 is a neutral face")))
        whole.append(this.#line("asymmetry", t("One side"), -1, 1, this.table.asymmetry))
        box.append(whole)
        return box
    }

    #slider(name, label) {
        const [lowest, highest] = [this.face.lowest(name), 1]
        const title = (this.table.sliders[name] ?? this.table.more[name]).meaning
        if (!this.face.hasSides(name)) return this.#line(name, label, lowest, highest, title)
        const make = (side, text) => new Line(text, lowest, highest, title, {
            input: (value) => this.#move(() => {
                if (side === null) this.face.set(name, value)
                else this.face.set(name, ...this.face.get(name).map((was, i) => (i === side ? value : was)))
            }),
            change: () => this.#rest(),
        })
        const lines = { both: make(null, label), sides: [make(0, `${label} L`), make(1, `${label} R`)] }
        const link = iconButton("link", t("Part left and right, as seen in the picture"), () => {
            lines.apart = !lines.apart
            if (!lines.apart) {
                const [left, right] = this.face.get(name)
                this.do(() => this.face.set(name, (left + right) / 2))
            }
            this.#draw()
        })
        link.classList.add("dsr-link")
        const box = element("div.dsr-sided", {}, element("div.dsr-lines", {}, lines.both.element, ...lines.sides.map((line) => line.element)), link)
        this.lines.set(name, {
            draw: () => {
                const [left, right] = this.face.get(name)
                const apart = lines.apart || this.face.isApart(name)
                lines.apart = apart
                lines.both.value = left
                lines.sides[0].value = left
                lines.sides[1].value = right
                box.classList.toggle("apart", apart)
                link.firstChild.className = apart ? "pi pi-arrows-h" : "pi pi-link"
                link.title = apart ? t("Join left and right") : t("Part left and right, as seen in the picture")
            },
        })
        return box
    }

    #line(name, label, lowest, highest, title) {
        const line = new Line(label, lowest, highest, title, {
            input: (value) => this.#move(() => this.face.set(name, value)),
            change: () => this.#rest(),
        })
        this.lines.set(name, { draw: () => (line.value = this.face.get(name)[0]) })
        return line.element
    }

    #gaze() {
        const pad = new Pad(t("Gaze: drag; double-click looks ahead"), {
            input: (x, y) => this.#move(() => {
                this.face.set("gaze_x", x)
                this.face.set("gaze_y", y)
            }),
            change: () => this.#rest(),
        })
        this.lines.set("gaze", { draw: () => pad.show(...GAZE.map((name) => this.face.get(name)[0])) })
        return element("fieldset.dsr-gaze", {}, element("legend", {}, t("Gaze")), pad.element)
    }

    // ---- what happens

    /** A change in one go, which can be taken back. */
    do(change) {
        this.#move(change)
        this.#rest()
    }

    undo() {
        if (!this.past.length) return
        this.future.push(this.saved)
        this.#restore(this.past.pop())
    }

    redo() {
        if (!this.future.length) return
        this.past.push(this.saved)
        this.#restore(this.future.pop())
    }

    #restore(state) {
        this.saved = state
        this.face.load(JSON.parse(state))
        this.#write()
        this.node.graph?.change?.()
        this.#draw()
        this.ask(512)
    }

    /** What of a drag on the face moves the sliders, from where they are now. */
    #grab() {
        this.#startFromPhoto()
        const from = new Map()
        return (name, change, side) => {
            if (!from.has(name)) from.set(name, this.face.get(name))
            const apart = side !== undefined && this.face.hasSides(name) && this.face.isApart(name)
            const lowest = name.startsWith("gaze") ? -1 : this.face.lowest(name)
            const values = from.get(name).map((was, i) => (apart && i !== side ? was : Math.min(1, Math.max(lowest, was + change))))
            this.face.set(name, ...values)
        }
    }

    /** A slider moves: the picture follows. */
    #move(change) {
        if (!this.moving) this.#startFromPhoto()
        this.moving = true
        change()
        this.#write()
        this.#draw()
        this.ask(256)
    }

    /** A slider rests. */
    #rest() {
        this.moving = false
        const state = JSON.stringify(this.face.saved())
        if (state !== this.saved) {
            this.past.push(this.saved)
            if (this.past.length > STEPS) this.past.shift()
            this.saved = state
            this.future = []
            this.node.graph?.change?.() // not while it moves: drawing the whole graph takes long
        }
        this.#draw()
    }

    /** The first thing that is set is set on what the face does in the photo, so that nothing else moves. */
    #startFromPhoto() {
        const blank = this.saved === JSON.stringify(new Face(this.table, { intensity: this.face.state.intensity }).saved())
        if (!blank || !this.own || Object.keys(this.wired ?? {}).length || this.wired === null) return
        Object.assign(this.face.extra, this.own)
    }

    /** What went wrong stays on the picture until a click tries it again. */
    #fail(error) {
        this.view.say(`${error.message} (${t("click to try again")})`, "lost")
    }

    #again() {
        this.photo = this.own ? this.photo : undefined
        if (this.own) this.ask(512)
        else this.look()
    }

    #toggleScene() {
        this.withScene = !this.withScene
        this.inScene.classList.toggle("on", this.withScene)
        this.ask(512)
    }

    async #expressions() {
        this.table = (await refreshed(this.checkpoint)) ?? this.table
        openSheet({
            table: this.table, node: this.id, photo: this.photo, checkpoint: this.checkpoint, current: null, mixes: true,
            pick: async ({ label, variant, intensity, name, share }) => {
                const code = name ? await file(name) : this.table.labels[label].codes[variant]
                this.do(() => this.face.lay(Object.fromEntries(Object.entries(code).map(([key, value]) => [key, clamp(value * (intensity ?? 1))])), share))
            },
        })
    }

    copy() {
        const text = JSON.stringify(this.face.saved(), null, 1)
        if (navigator.clipboard) navigator.clipboard.writeText(text)
        else { // plain http from another machine has no clipboard but this
            const field = element("textarea", { value: text })
            this.element.append(field)
            field.select()
            document.execCommand("copy")
            field.remove()
        }
        this.view.say(t("copied"))
    }

    async paste() {
        try {
            const given = JSON.parse(await (navigator.clipboard?.readText() ?? window.prompt(t("Paste JSON"))))
            const names = Object.keys(this.face.plain)
            const state = Object.keys(given).some((name) => names.includes(name))
                ? Object.fromEntries(Object.entries(given).filter(([name]) => names.includes(name)))
                : { values: JSON.stringify(given) } // blendshapes, as Expression from Values has them
            this.do(() => this.face.load(state))
        } catch {
            this.view.say(t("the clipboard holds no JSON"), "bad")
        }
    }

    #key(event) {
        if (event.target.type === "number") return
        if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
            event.shiftKey ? this.redo() : this.undo()
            event.preventDefault()
        }
        event.stopPropagation()
    }

    // ---- pictures

    /** The picture of what is set now. */
    async ask(size) {
        clearTimeout(this.resting)
        if (!this.photo) return
        this.wired = this.#wired()
        const nothing = this.face.untouched && !Object.keys(this.wired ?? {}).length && this.face.state.strength > 0
        this.asked = {
            node: this.id, photo: this.photo, scene: this.withScene ? this.scene : undefined, size,
            checkpoint: this.checkpoint,
            wired: this.wired ?? {}, edit: this.face.saved(), untouched: nothing,
        }
        this.stream.ask(this.asked)
    }

    /** What is wired, as the routes take it: the expression of a picture is known if it is this very photo's. */
    #wired() {
        const wired = wiredTo(this.node)
        if (!wired || !("picture" in wired)) return wired
        if (wired.picture !== this.photo || !this.own) return wired.values ?? null
        return Object.fromEntries(Object.entries(this.own).map(([name, value]) => [name, clamp(value * wired.intensity)]))
    }

    async #shown(answer, question) {
        await this.view.show(answer)
        // not while another waits: a slow machine would make nothing but large ones
        if (question === this.asked && question.size < 512) this.resting = setTimeout(() => this.ask(512), REST)
        if (question.untouched) this.view.say(t("as in the photo; nothing is set"))
        else if (this.wired === null) this.view.say(t("run once, to see it with what is wired"))
    }

    /** Looks again at the graph and at the widgets, which others may have changed. */
    async look() {
        const photo = photoFor(this.node), checkpoint = checkpointFor(this.node)
        const other = photo !== this.photo || checkpoint !== this.checkpoint
        this.scene = sceneFor(this.node)
        this.inScene.hidden = !this.scene || this.scene === photo
        const state = this.#read()
        const changed = JSON.stringify(state) !== JSON.stringify({ ...state, ...this.face.saved() })
        const wired = JSON.stringify(wiredTo(this.node))
        if (changed) {
            this.face.load(state)
            this.saved = JSON.stringify(this.face.saved())
            this.#draw()
        }
        if (other || changed || wired !== this.seenWired) {
            this.seenWired = wired
            if (other) {
                this.photo = photo
                this.checkpoint = checkpoint
                this.own = null
                if (photo) {
                    this.view.say(t("reading the photo …"))
                    const meanwhile = () => photo !== this.photo || checkpoint !== this.checkpoint // another was chosen
                    const read = await own(this.id, photo, checkpoint).catch((error) => void (meanwhile() || this.#fail(error)))
                    if (meanwhile()) return
                    this.own = read
                }
            }
            if (!photo) this.view.say(t("connect a photo: Load Image, Encode Identity and a sampler after this node"))
            else if (this.own) this.ask(512)
        }
    }

    #read() {
        const names = [...Object.keys(this.table.sliders), "asymmetry", "intensity", "strength", "values"]
        return Object.fromEntries(names.map((name) => [name, widgetOf(this.node, name)?.value]).filter(([, value]) => value !== undefined))
    }

    #write() {
        for (const [name, value] of Object.entries(this.face.saved())) setWidget(this.node, name, value)
    }

    #draw() {
        this.saved ??= JSON.stringify(this.face.saved())
        for (const line of this.lines.values()) line.draw()
        this.back.disabled = !this.past.length
        this.again.disabled = !this.future.length
    }
}

const clamp = (value) => Math.round(1000 * Math.min(1, Math.max(-1, value))) / 1000
