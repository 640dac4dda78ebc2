// Small parts of the front end's look: elements, sliders with one or two thumbs' worth of sides, and the pad of the gaze.

const style = document.createElement("link")
style.rel = "stylesheet"
style.href = new URL("./style.css", import.meta.url).href
document.head.append(style)

/** element("button.quiet", {title, onclick}, "text", child, ...) */
export function element(kind, properties = {}, ...children) {
    const [tag, ...classes] = kind.split(".")
    const made = document.createElement(tag)
    made.classList.add(...classes)
    for (const [name, value] of Object.entries(properties)) {
        if (name.startsWith("aria-") || name.startsWith("data-")) made.setAttribute(name, value)
        else made[name] = value
    }
    made.append(...children.filter((child) => child != null))
    return made
}

/** A button with one of PrimeVue's icons, which the host brings along. */
export function iconButton(icon, title, onclick) {
    return element("button.dsr-icon", { type: "button", title, onclick, "aria-label": title }, element(`i.pi.pi-${icon}`))
}

/**
 * One line: name, track, number. Double-click puts it back to 0, arrow keys and the wheel (over the number) move it.
 * @param on  {input(value), change()}: while it is moved, and when it rests
 */
export class Line {
    constructor(name, lowest, highest, title, on) {
        this.range = element("input", { type: "range", min: lowest, max: highest, step: 0.01, title, "aria-label": name })
        this.number = element("input.dsr-number", { type: "number", min: lowest, max: highest, step: 0.05, "aria-label": `${name}, number` })
        this.name = element("span.dsr-name", { title: title || name }, name)
        this.element = element("div.dsr-line", {}, this.name, this.range, this.number)
        this.range.oninput = () => on.input(this.range.valueAsNumber)
        this.range.onchange = on.change
        this.range.ondblclick = () => (on.input(0), on.change())
        this.number.onchange = () => {
            const value = this.number.valueAsNumber
            on.input(Math.min(highest, Math.max(lowest, Number.isFinite(value) ? value : 0)))
            on.change()
        }
        Object.assign(this, { lowest, highest })
    }

    set value(value) {
        this.range.value = value
        if (document.activeElement !== this.number) this.number.value = String(Math.round(value * 100) / 100)
        const share = (at) => (100 * (Math.min(this.highest, Math.max(this.lowest, at)) - this.lowest)) / (this.highest - this.lowest)
        const [from, to] = [share(0), share(value)].sort((a, b) => a - b)
        this.range.style.setProperty("--from", `${from}%`)
        this.range.style.setProperty("--to", `${to}%`)
        this.element.classList.toggle("moved", Math.abs(value) > 0.001)
    }
}

/** A square in which a point is dragged: x to the right, y up, both -1..1. */
export class Pad {
    constructor(title, on) {
        this.point = element("span.dsr-point")
        this.element = element("div.dsr-pad", { title, tabIndex: 0, role: "slider", "aria-label": title }, this.point)
        const move = (event) => {
            const box = this.element.getBoundingClientRect()
            const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
            const [x, y] = at.map((share) => Math.round(Math.min(1, Math.max(-1, 2 * share - 1)) * 100) / 100)
            on.input(Math.abs(x) < 0.06 ? 0 : x, Math.abs(y) < 0.06 ? 0 : -y)
        }
        dragged(this.element, move, move, on.change)
        this.element.ondblclick = () => (on.input(0, 0), on.change())
        this.element.onkeydown = (event) => {
            const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[event.key]
            if (!step) return
            event.preventDefault()
            const [x, y] = this.value.map((was, i) => Math.min(1, Math.max(-1, was + step[i])))
            on.input(x, y)
            on.change()
        }
        this.value = [0, 0]
    }

    show(x, y) {
        this.value = [x, y]
        this.element.setAttribute("aria-valuetext", `${x}, ${y}`)
        this.point.style.left = `${50 + 50 * x}%`
        this.point.style.top = `${50 - 50 * y}%`
        this.element.classList.toggle("moved", x !== 0 || y !== 0)
    }
}

/** Pointer down, moves and up on an element, however far they lead; `start` may answer false. */
export function dragged(on, start, move, end) {
    on.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || start(event) === false) return
        event.preventDefault()
        event.stopPropagation()
        on.focus?.({ preventScroll: true })
        on.setPointerCapture(event.pointerId)
        const up = () => {
            on.removeEventListener("pointermove", move)
            end()
        }
        on.addEventListener("pointermove", move)
        on.addEventListener("lostpointercapture", up, { once: true })
    })
}
