import { connect, type Socket } from 'node:net'
import { AnswerReader } from '../../bench/generators/answer-reader.js'

/** What browsers send with a form of the same origin. */
export const form = {
  accept: 'text/html',
  'content-type': 'application/x-www-form-urlencoded',
  'sec-fetch-site': 'same-origin',
  origin: 'null',
}

/** An answer as far as it is looked at; cookies as a browser would send them back. */
export interface Reply {
  readonly status: number
  readonly text: string
  readonly cookies: string
}

/** How long an answer may take. */
const ANSWER_MS = 10_000

/** How long a gateway that took no connection is left alone by those who might as well ask the other one. */
const AWAY_MS = 50

/**
 * The way to one gateway, over connections that are kept: a million requests have to cost less here than there. A request is
 * sent once, whatever becomes of its connection.
 */
export class Door {
  readonly #port: number
  readonly #free: Line[] = []
  readonly #all = new Set<Line>()
  #refusedAt = Number.NEGATIVE_INFINITY

  constructor(port: number) {
    this.#port = port
  }

  /** Whether it has just refused a connection. */
  get isAway(): boolean {
    return performance.now() - this.#refusedAt < AWAY_MS
  }

  /** `undefined` where nothing came, or not all of it. */
  send(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    headers: Readonly<Record<string, string>>,
    body = '',
  ): Promise<Reply | undefined> {
    let text = `${method} ${path} HTTP/1.1\r\nhost: localhost:${this.#port}\r\n`
    for (const name in headers) text += `${name}: ${headers[name]}\r\n`
    if (method !== 'GET') text += `content-length: ${Buffer.byteLength(body)}\r\n`
    return (this.#free.pop() ?? this.#open()).ask(`${text}\r\n${body}`)
  }

  close(): void {
    for (const line of this.#all) line.close()
  }

  #open(): Line {
    const line = new Line(this.#port, {
      onFree: () => this.#free.push(line),
      onRefused: () => {
        this.#refusedAt = performance.now()
      },
      onEnd: () => {
        this.#all.delete(line)
        const at = this.#free.indexOf(line)
        if (at >= 0) this.#free.splice(at, 1)
      },
    })
    this.#all.add(line)
    return line
  }
}

/** One of the two by chance; the other one where that has just refused a connection. */
export function anyDoor(doors: readonly [Door, Door]): Door {
  const [one, other] = Math.random() < 0.5 ? doors : [doors[1], doors[0]]
  return one.isAway ? other : one
}

/** One connection: a question, its answer, the next question. */
class Line {
  readonly #socket: Socket
  #answer: ((reply: Reply | undefined) => void) | undefined

  constructor(
    port: number,
    { onFree, onRefused, onEnd }: { onFree: () => void; onRefused: () => void; onEnd: () => void },
  ) {
    const reader = new AnswerReader((status, head, body) => {
      const answer = this.#answer
      this.#answer = undefined
      // Said without being asked, or without saying how long it is: nothing that comes after it can be told apart.
      const isOver = answer === undefined || /\r\n(?:connection: *close|transfer-encoding:)/i.test(head)
      if (isOver) this.#socket.destroy()
      else onFree()
      answer?.({ status, text: body.toString(), cookies: cookiesIn(head) })
    })
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
      .setTimeout(ANSWER_MS, () => this.#socket.destroy())
      .on('data', (chunk) => reader.take(chunk))
      .on('error', (fault) => {
        if ('code' in fault && fault.code === 'ECONNREFUSED') onRefused()
      })
      .on('end', () => this.#socket.destroy())
      .on('close', () => {
        onEnd()
        this.#answer?.(undefined)
      })
  }

  ask(request: string): Promise<Reply | undefined> {
    this.#socket.write(request)
    return new Promise((resolve) => {
      this.#answer = resolve
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}

function cookiesIn(head: string): string {
  if (!/\r\nset-cookie:/i.test(head)) return ''
  return [...head.matchAll(/\r\nset-cookie: *([^;\r]+)/gi)].map(([, pair]) => pair).join('; ')
}
