// All expressions as pictures: searched, chosen by mouse or keyboard, and kept as favourites.
import { face, find, referenceURL } from "./client.js"
import { element, iconButton, Line } from "./controls.js"
import { t } from "./words.js"

const FAVOURITES = "diffsfsr.favourites" // in the browser's own storage
const CLUSTERS = ["love", "joy", "surprise", "anger", "sadness", "fear"]
const PERSON = "diffsfsr.person"
const OF = "diffsfsr.of" // whose the bundled pictures are

const favourites = new Set(JSON.parse(localStorage.getItem(FAVOURITES) ?? "[]"))

class Sheet {
    /**
     * @param table    of client.known()
     * @param node     name under which faces are asked for
     * @param photo    of the input folder; the user's own person, if there is one
     * @param checkpoint  by which expressions are counted; undefined for the bundled one
     * @param current  {label, variant, intensity} or null
     * @param mixes    whether an expression can be mixed in by parts; then the user's files are offered as well
     * @param pick     is given {label, variant, intensity, share} or {name, share}
     */
    constructor(options) {
        Object.assign(this, options)
        this.chosen = this.current ?? { label: "joy", variant: 0, intensity: 1 }
        this.share = 1
        this.cards = new Map() // element -> {label} or {name}
        this.queue = []
        this.urls = []
        this.of = localStorage.getItem(OF) === "heads" ? "heads" : "people"
        this.shown = localStorage.getItem(PERSON) !== "off" && Boolean(this.photo)
        this.search = element("input", { type: "search", placeholder: t("Search: a word, or what the face is to show …"), oninput: () => this.#find() })
        this.body = element("div.dsr-groups")
        this.dialog = element("dialog.dsr-sheet", { onclose: () => this.#end(), onkeydown: (event) => this.#key(event) },
            this.#head(), this.body, this.#foot())
        this.dialog.addEventListener("pointerdown", (event) => event.target === this.dialog && this.dialog.close())
        this.seen = new IntersectionObserver((entries) => {
            for (const { target, isIntersecting } of entries) isIntersecting ? this.#want(target) : this.#leave(target)
        }, { root: this.body, rootMargin: "120px" })
        document.body.append(this.dialog)
        this.dialog.showModal()
        this.#fill(this.#groups())
        this.#choose(this.chosen, true)
        this.search.focus()
    }

    #head() {
        this.person = element("button.dsr-text", { type: "button", title: t("The pictures show your own person"), onclick: () => this.#turn() },
            element("i.pi.pi-user"), t("My person"))
        this.person.hidden = !this.photo
        this.person.classList.toggle("on", this.shown)
        this.heads = element("button.dsr-text", { type: "button", title: t("The pictures show a rendered head"), onclick: () => this.#turn("heads") }, t("Rendered heads"))
        this.heads.classList.toggle("on", !this.shown && this.of === "heads")
        return element("header", {}, element("h2", {}, t("Expressions")), element("label.dsr-search", {}, element("i.pi.pi-search"), this.search),
            this.person, this.heads, iconButton("times", t("Close (Esc)"), () => this.dialog.close()))
    }

    #foot() {
        this.large = element("img", { alt: "" })
        this.name = element("strong")
        this.why = element("p")
        this.variants = element("div.dsr-variants", { role: "radiogroup", "aria-label": t("Variant") })
        this.intensity = new Line(t("Intensity"), 0, 1.5, t("1 is the expression as it is"), {
            input: (value) => this.#choose({ ...this.chosen, intensity: value }), change: () => {},
        })
        this.part = new Line(t("Mix in"), 0, 1, t("1: in place of what is set; less: mixed with it"), {
            input: (value) => (this.share = this.part.value = value), change: () => {},
        })
        this.part.value = 1
        const use = element("button.dsr-use", { type: "button", onclick: () => this.#pick() }, t("Use it"))
        return element("footer", {}, this.large, element("div.dsr-about", {}, this.name, this.why, this.variants),
            element("div.dsr-lines", {}, this.intensity.element, this.mixes ? this.part.element : null), use)
    }

    // ---- what is there to choose

    #groups() {
        const { labels, files } = this.table
        const groups = new Map()
        const liked = Object.keys(labels).filter((label) => favourites.has(label))
        if (liked.length) groups.set("favourites", liked)
        if (this.mixes && files.length) groups.set("your files", files.map((name) => ({ name })))
        for (const cluster of CLUSTERS) groups.set(cluster, Object.keys(labels).filter((label) => labels[label].cluster === cluster))
        const others = Object.keys(labels).filter((label) => !CLUSTERS.includes(labels[label].cluster))
        if (others.length) groups.set("others", others)
        return groups
    }

    #fill(groups) {
        this.seen.disconnect()
        this.queue = []
        this.cards.clear()
        this.body.replaceChildren()
        this.body.scrollTop = 0
        for (const [title, members] of groups) {
            const grid = element("div.dsr-grid")
            for (const member of members) grid.append(typeof member === "string" ? this.#card(member) : this.#fileCard(member.name))
            this.body.append(element("section", {}, element("h3", {}, t(title), element("small", {}, String(members.length))), grid))
        }
        if (!this.cards.size) this.body.append(element("p.dsr-none", {}, t("No expression is known by that; try another word.")))
    }

    #card(label) {
        const star = element("span.dsr-star", { title: t("Favourite"), role: "button" }, element(`i.pi.pi-star${favourites.has(label) ? "-fill" : ""}`))
        star.classList.toggle("on", favourites.has(label))
        star.onclick = (event) => {
            event.stopPropagation()
            favourites.delete(label) || favourites.add(label)
            localStorage.setItem(FAVOURITES, JSON.stringify([...favourites]))
            star.classList.toggle("on", favourites.has(label))
            star.firstChild.className = `pi pi-star${favourites.has(label) ? "-fill" : ""}`
        }
        const several = this.table.labels[label].codes.length
        const card = element("button.dsr-card", {
            type: "button", tabIndex: -1, "data-label": label,
            title: several > 1 ? `${label}: ${several} variants` : label,
            onclick: () => this.#choose({ ...this.chosen, label, variant: 0, name: undefined }),
            ondblclick: () => this.#pick(),
        }, element("img", { loading: "lazy", src: referenceURL(label, 0, this.of), alt: label, width: 96, height: 96 }),
            element("span", {}, label), star)
        this.cards.set(card, { label })
        this.seen.observe(card)
        return card
    }

    #fileCard(name) {
        const card = element("button.dsr-card.dsr-file", { type: "button", tabIndex: -1, title: name,
            onclick: () => this.#choose({ name, intensity: 1 }), ondblclick: () => this.#pick() },
        element("i.pi.pi-file"), element("span", {}, name.replace(/_\d+_[.]safetensors$|[.]\w+$/, "")))
        this.cards.set(card, { name })
        return card
    }

    async #find() {
        const text = this.search.value.trim().toLowerCase()
        const number = (this.asked = (this.asked ?? 0) + 1)
        if (!text) return this.#fill(this.#groups()), this.#choose(this.chosen, true)
        const { labels } = this.table
        const spelt = Object.keys(labels).filter((label) => label.includes(text))
        const meant = Object.keys(labels).filter((label) => !spelt.includes(label) && labels[label].words.some((word) => ` ${word}`.includes(` ${text}`)))
        this.#fill(new Map([["found", [...spelt, ...meant]]].filter(([, all]) => all.length)))
        await new Promise((later) => setTimeout(later, 200)) // somebody is typing
        if (number !== this.asked) return
        const best = await find(text)
        if (number !== this.asked) return
        const asked = best.map((each) => each.label).filter((label) => !spelt.includes(label))
        const all = [...new Set([...spelt, ...asked, ...meant])]
        if (all.length) this.#fill(new Map([["found", all]]))
        if (all.length) this.#choose({ ...this.chosen, name: undefined, label: all[0], variant: 0, intensity: best[0]?.degree ?? 1 })
    }

    // ---- what is chosen

    #choose(chosen, jump = false) {
        this.chosen = chosen
        const { label, variant, intensity, name } = chosen
        for (const [card, of] of this.cards) card.classList.toggle("chosen", name ? of.name === name : of.label === label)
        const card = this.body.querySelector(".chosen")
        card?.scrollIntoView({ block: jump ? "center" : "nearest" })
        this.name.textContent = name ?? label
        const about = name ? null : this.table.labels[label]
        this.why.textContent = about ? about.why[variant] : t("One of your files.")
        this.intensity.value = intensity
        this.variants.replaceChildren(...(about && about.codes.length > 1 ? about.codes : []).map((_, i) =>
            element("button", { type: "button", role: "radio", "aria-checked": String(i === variant), title: about.why[i],
                onclick: () => this.#choose({ ...this.chosen, variant: i }) }, String(i + 1))))
        this.large.hidden = Boolean(name)
        if (!name) this.#enlarge()
    }

    #enlarge() {
        const { label, variant, intensity } = this.chosen
        if (!this.shown) return (this.large.src = referenceURL(label, variant, this.of))
        clearTimeout(this.soon)
        this.soon = setTimeout(async () => {
            const answer = await this.#face({ label, variant, intensity }, 256)
            if (answer && this.chosen.label === label) this.large.src = answer
        }, 60)
    }

    #pick() {
        const { label, variant, intensity, name } = this.chosen
        this.pick(name ? { name, intensity, share: this.share } : { label, variant, intensity, share: this.share })
        this.dialog.close()
    }

    #key(event) {
        event.stopPropagation()
        if (event.key === "Enter" && !event.target.closest?.("header button, footer")) return event.preventDefault(), this.#pick()
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
        if (!step || event.target.type === "range" || event.target.type === "number") {
            if (event.key === "/" && event.target !== this.search) event.preventDefault(), this.search.focus()
            return
        }
        if (event.target === this.search && this.search.value && step[0]) return // within the text
        event.preventDefault()
        const cards = [...this.cards.keys()]
        const now = this.body.querySelector(".chosen") ?? cards[0]
        const box = now.getBoundingClientRect()
        const next = step[0] ? cards[cards.indexOf(now) + step[0]] : nearest(cards, box, step[1])
        if (next) next.click()
    }

    // ---- the user's own person

    /** To and from the user's own person, or the rendered heads; otherwise the bundled person is shown. */
    #turn(heads) {
        const on = heads ? this.shown || this.of === "people" : false
        this.shown = heads ? false : !this.shown
        this.of = on ? "heads" : "people"
        localStorage.setItem(PERSON, this.shown ? "on" : "off")
        localStorage.setItem(OF, this.of)
        this.person.classList.toggle("on", this.shown)
        this.heads.classList.toggle("on", on)
        this.#fill(this.#groups())
        this.#choose(this.chosen, true)
    }

    #want(card) {
        if (!this.shown || card.dataset.own) return
        card.dataset.own = "asked"
        this.queue.push(card)
        if (!this.busy) this.#work()
    }

    #leave(card) {
        if (card.dataset.own !== "asked" || !this.queue.includes(card)) return
        this.queue.splice(this.queue.indexOf(card), 1)
        delete card.dataset.own
    }

    /** Cards in view, one after the other. */
    async #work() {
        this.busy = true
        while (this.queue.length && this.dialog.open) {
            const card = this.queue.shift()
            if (!card.isConnected) continue
            const url = await this.#face({ label: card.dataset.label, variant: 0, intensity: 1 }, 128)
            if (url) card.querySelector("img").src = url
            card.dataset.own = url ? "shown" : "failed"
        }
        this.busy = false
    }

    async #face(wired, size) {
        this.known ??= new Map()
        const key = JSON.stringify([wired, size])
        if (!this.known.has(key)) {
            try {
                // a turn for each size, so that neither drops the other
                const answer = await face({ node: this.node, turn: String(size), photo: this.photo, checkpoint: this.checkpoint, size, wired })
                if (!answer) return null
                const url = URL.createObjectURL(answer.picture)
                this.urls.push(url)
                this.known.set(key, url)
            } catch (error) {
                this.why.textContent = error.message
                return null
            }
        }
        return this.known.get(key)
    }

    #end() {
        this.seen.disconnect()
        this.urls.forEach(URL.revokeObjectURL)
        this.dialog.remove()
        this.ended?.()
    }
}

/** The card in the next row, upwards (-1) or downwards (1), that lies most straight above or below. */
function nearest(cards, box, way) {
    const beyond = cards.map((card) => [card, card.getBoundingClientRect()]).filter(([, at]) => way * (at.top - box.top) > 10)
    const away = ([, at]) => Math.abs(at.left - box.left) + 4 * Math.abs(at.top - box.top)
    return beyond.sort((a, b) => away(a) - away(b))[0]?.[0]
}

export const openSheet = (options) => new Sheet(options)
