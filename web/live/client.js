// What the pack's own routes answer: labels and sliders, and faces with an expression.
import { api } from "../../../scripts/api.js"

const PREFIX = "/diffsfsr"
const HANDLES = "X-DiffSFSR-Handles"

let table

/** Sliders, labels and their codes; null where the host serves no faces (DIFFSFSR_LIVE=0). */
export function known(checkpoint = "") {
    table ??= api.fetchApi(`${PREFIX}/labels?${new URLSearchParams({ checkpoint })}`).then((answer) => (answer.ok ? answer.json() : null), () => null)
    return table
}

/** The list of the user's own files anew, with the rest; labels have their codes as a checkpoint has them. */
export function refreshed(checkpoint) {
    table = undefined
    return known(checkpoint)
}

/** The bundled picture that shows a label; of: "people" who do not exist, or rendered "heads". */
export function referenceURL(label, variant = 0, of = "people") {
    return api.apiURL(`${PREFIX}/label?label=${encodeURIComponent(label)}&variant=${variant}&of=${of}`)
}

async function get(name, query) {
    const answer = await api.fetchApi(`${PREFIX}/${name}?${new URLSearchParams(query)}`)
    if (!answer.ok) throw await reason(answer)
    return answer.json()
}

function post(name, body, more = {}) {
    const headers = { "Content-Type": "application/json" }
    return api.fetchApi(`${PREFIX}/${name}`, { method: "POST", headers, body: JSON.stringify(body), ...more })
}

/** Labels for free text, best first: [{label, score, degree}]; none where no word is known. */
export const find = (text) => get("find", { text }).catch(() => [])

/** The values of one of the user's files. */
export const file = (name) => get("file", { name })

const reason = async (answer) => new Error((await answer.json().catch(() => ({}))).error ?? answer.statusText)

/** What the face of a photo does itself, as values; null where the same node has asked for another meanwhile. */
export async function own(node, photo, checkpoint) {
    const answer = await post("photo", { node, photo, checkpoint })
    if (answer.status === 204) return null
    if (!answer.ok) throw await reason(answer)
    return answer.json()
}

/** A face: {picture: Blob, handles}; null where the same node has asked for another meanwhile. `more` goes to fetch. */
export async function face(question, more) {
    const answer = await post("face", question, more)
    if (answer.status === 204) return null
    if (!answer.ok) throw await reason(answer)
    return { picture: await answer.blob(), handles: JSON.parse(answer.headers.get(HANDLES) ?? "{}") }
}

/** A name under which a node asks; of the browser's own random numbers, which plain http has as well. */
export const newName = () => Array.from(crypto.getRandomValues(new Uint32Array(3)), (part) => part.toString(36)).join("")

export const forget = (node) => post("forget", { node }, { keepalive: true }).catch(() => {})

/** Questions of which the last one counts: one is under way, one waits, all between are dropped. A larger one gives way. */
export class Stream {
    /**
     * @param show  async, is given {picture, handles} in the order of the questions
     * @param fail  is given the error
     */
    constructor(show, fail) {
        Object.assign(this, { show, fail, waiting: null, underWay: null })
    }

    ask(question) {
        this.waiting = question
        if (!this.underWay) this.#answer()
        else if (this.underWay.size > question.size) this.left.abort()
    }

    async #answer() {
        while (this.waiting) {
            const question = (this.underWay = this.waiting)
            this.waiting = null
            this.left = new AbortController()
            try {
                const answer = await face(question, { signal: this.left.signal })
                if (answer) await this.show(answer, question)
            } catch (error) {
                if (!this.left.signal.aborted) this.fail(error)
            }
        }
        this.underWay = null
    }
}
