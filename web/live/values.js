// The state of the face editor, which is nothing but the values of the node's own widgets; and what it can be made of.

/** Groups of sliders; `of` is a widget, or else a blendshape kept in the widget `values`. */
export const GROUPS = [
    ["Brows", [["brows", "Brows"], ["sad_brows", "Inner ends"]]],
    ["Lids", [["lids", "Open"], ["squint", "Squint"]]],
    ["Cheeks", [["mouthUpperUp", "Raise", 0, 0.8], ["mouthDimple", "Dimples", 0, 0.2]]],
    ["Mouth", [["smile", "Smile"], ["frown", "Frown"], ["pucker", "Pucker"], ["mouthStretch", "Stretch", 0, 0.5],
        ["mouthPress", "Press", 0, 0.5], ["mouthFunnel", "Funnel", 0, 0.3], ["mouthRollLower", "Lip in", 0, 0.4]]],
    ["Jaw", [["jaw", "Open"]]],
]
export const GAZE = ["gaze_x", "gaze_y"]
export const BOTH = new Set(["mouthUpperUp", "mouthDimple", "mouthStretch", "mouthPress"]) // blendshapes with two sides
const PLAIN = { intensity: 1, asymmetry: 0, strength: 1, values: "" }

export const rounded = (value) => Math.round(value * 1000) / 1000

export class Face {
    /** @param table  of client.known(); state: {widget: value} */
    constructor(table, state) {
        this.sliders = Object.keys(table.sliders)
        this.lowest = (name) => table.sliders[name]?.lowest ?? 0
        this.sided = new Set(table.sided)
        this.plain = Object.fromEntries([...this.sliders.map((name) => [name, 0]), ...Object.entries(PLAIN)])
        this.load(state)
    }

    load(state) {
        this.state = { ...this.plain, ...state }
        this.extra = {}
        try {
            const read = JSON.parse(this.state.values || "{}")
            if (read && typeof read === "object" && !Array.isArray(read)) this.extra = read
        } catch {} // what somebody is typing; it stays as it is until the editor changes it
    }

    /** The widgets' values, `values` among them. */
    saved() {
        const extra = Object.fromEntries(Object.entries(this.extra).filter(([, value]) => value !== 0))
        const values = Object.keys(extra).length ? JSON.stringify(extra) : ""
        return { ...this.state, values }
    }

    get untouched() {
        const { strength, ...saved } = this.saved()
        return Object.entries(saved).every(([name, value]) => name === "intensity" || value === this.plain[name])
    }

    hasSides(name) {
        return this.sided.has(name) || BOTH.has(name)
    }

    isApart(name) {
        return this.sided.has(name) && this.keys(name).some((key) => key in this.extra)
            || BOTH.has(name) && (this.extra[`${name}Left`] ?? 0) !== (this.extra[`${name}Right`] ?? 0)
    }

    /** The keys in `values` of the picture's left and right side: of the person's right and left. */
    keys(name) {
        return BOTH.has(name) ? [`${name}Right`, `${name}Left`] : [`${name}_right`, `${name}_left`]
    }

    /** [left, right] as seen in the picture. */
    get(name) {
        if (this.sided.has(name)) return this.keys(name).map((key) => rounded((this.state[name] ?? 0) + (this.extra[key] ?? 0)))
        if (BOTH.has(name)) return this.keys(name).map((key) => this.extra[key] ?? 0)
        const value = name in this.state ? this.state[name] : this.extra[name] ?? 0
        return [value, value]
    }

    set(name, left, right = left) {
        ;[left, right] = [rounded(left), rounded(right)]
        const [first, second] = this.keys(name)
        if (BOTH.has(name)) {
            this.#keep(first, left)
            this.#keep(second, right)
        } else if (this.sided.has(name)) {
            const same = left === right
            this.state[name] = same ? left : 0
            this.#keep(first, same ? 0 : left)
            this.#keep(second, same ? 0 : right)
        } else if (name in this.state) this.state[name] = left
        else this.#keep(name, left)
    }

    #keep(key, value) {
        if (value) this.extra[key] = value
        else delete this.extra[key]
    }

    reset() {
        this.load({ intensity: this.state.intensity })
    }

    /** Lay an expression (blendshapes) under the sliders: `share` 1 in place of all that is there, less as a mixture. */
    lay(code, share = 1) {
        const rest = 1 - share
        for (const name of [...this.sliders, "asymmetry"]) this.state[name] = rounded(this.state[name] * rest)
        const names = new Set([...Object.keys(this.extra), ...Object.keys(code)])
        for (const name of names) this.#keep(name, rounded((this.extra[name] ?? 0) * rest + (code[name] ?? 0) * share))
    }
}
