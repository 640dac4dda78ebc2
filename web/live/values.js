// The state of the face editor, which is nothing but the values of the node's own widgets; and what it can be made of.

/** Groups of sliders: [name, label]. Those that are no widget of the node are kept in its widget `values`. */
export const GROUPS = [
    ["Brows", [["brows", "Brows"], ["sad_brows", "Inner ends"]]],
    ["Lids", [["lids", "Lids"], ["squint", "Squint"]]],
    ["Cheeks", [["cheeks", "Cheeks"], ["dimples", "Dimples"]]],
    ["Mouth", [["smile", "Smile"], ["frown", "Frown"], ["pucker", "Pucker"], ["stretch", "Stretch"], ["press", "Press"],
        ["funnel", "Funnel"], ["lip_in", "Lip in"]]],
    ["Jaw", [["jaw", "Jaw"]]],
]
export const GAZE = ["gaze_x", "gaze_y"]
const PLAIN = { intensity: 1, asymmetry: 0, strength: 1, values: "" }

export const rounded = (value) => Math.round(value * 1000) / 1000

export class Face {
    /** @param table  of client.known(); state: {widget: value} */
    constructor(table, state) {
        this.sliders = Object.keys(table.sliders)
        this.lowest = (name) => (table.sliders[name] ?? table.more[name])?.lowest ?? 0
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
        return this.sided.has(name)
    }

    isApart(name) {
        return this.keys(name).some((key) => key in this.extra)
    }

    /** The keys in `values` of the picture's left and right side: of the person's right and left. */
    keys(name) {
        return [`${name}_right`, `${name}_left`]
    }

    /** [left, right] as seen in the picture. */
    get(name) {
        const both = (name in this.state ? this.state[name] : this.extra[name]) ?? 0
        return this.keys(name).map((key) => rounded(both + (this.extra[key] ?? 0)))
    }

    set(name, left, right = left) {
        ;[left, right] = [rounded(left), rounded(right)]
        const same = left === right
        if (name in this.state) this.state[name] = same ? left : 0
        else this.#keep(name, same ? left : 0)
        for (const [i, key] of this.keys(name).entries()) this.#keep(key, same ? 0 : [left, right][i])
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
