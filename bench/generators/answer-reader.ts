import type { Target } from './orders.js'

const headEnd = Buffer.from('\r\n\r\n')

/** Reads small whole answers, one after the other, without a parser of headers: it must cost less than what is measured. */
export class AnswerReader {
  readonly #onAnswer: (status: number, head: string, body: Buffer) => void
  #received: Buffer = Buffer.alloc(0)

  /** @param onAnswer gets the head without the empty line at its end */
  constructor(onAnswer: (status: number, head: string, body: Buffer) => void) {
    this.#onAnswer = onAnswer
  }

  take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const end = this.#received.indexOf(headEnd)
    if (end < 0) return
    const head = this.#received.toString('latin1', 0, end)
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
    if (this.#received.length < end + 4 + length) return
    const body = this.#received.subarray(end + 4)
    this.#received = Buffer.alloc(0)
    this.#onAnswer(Number(head.slice(9, 12)), head, body)
  }
}

/** One request to that path for each of the cookies and the like, ready to be written. */
export function requestsOf({ path, host = 'localhost', headers }: Pick<Target, 'path' | 'host' | 'headers'>): Buffer[] {
  const head = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\n`
  return headers.map((lines) => Buffer.from(`${head}${lines}\r\n`))
}
