import type { ServerResponse } from 'node:http'
import { GatelodgeError } from '../../errors.js'
import type { AnswerHead } from '../upstream/answer-head.js'
import { signsInConnection } from '../upstream/bound-credentials.js'
import type { Owner } from '../upstream/connection-owner.js'
import { asGatelodgeError } from '../upstream/exchange.js'
import { writeCopy } from '../upstream/reused-buffers.js'
import type { Upstream } from '../upstream/upstream.js'
import { headOf, type Occupant, type UpstreamConnection } from '../upstream/upstream-connection.js'
import { acceptanceOf } from './frames.js'

export interface HandshakeParts {
  /** The request target, sent byte for byte. */
  readonly target: string
  /** Name, value, name, value. */
  readonly headers: readonly string[]
  /** `Sec-WebSocket-Key`, as the client sent it. */
  readonly key: string
  readonly timeoutMs: number
  /** Whose connection it is, where the application signs in connections. */
  readonly owner: Owner
  /** What stands behind the answer comes next, once the connection was released. */
  readonly onAgreed: (head: AnswerHead, connection: UpstreamConnection) => void
  /** The application will not. @returns where its own words go to */
  readonly onRefused: (head: AnswerHead) => ServerResponse
  readonly onFailed: (error: GatelodgeError) => void
}

/** Asks an application for a WebSocket, over a connection of its own. */
export class Handshake implements Occupant {
  readonly #parts: HandshakeParts
  readonly #connection: UpstreamConnection
  readonly #timer: NodeJS.Timeout
  #response: ServerResponse | undefined

  constructor(upstream: Upstream, parts: HandshakeParts) {
    this.#parts = parts
    this.#timer = setTimeout(() => this.#fail(new GatelodgeError('upstream.timeout')), parts.timeoutMs)
    this.#connection = upstream.connect(this, parts.owner)
  }

  /** Whoever asked has gone. */
  abandon(): void {
    clearTimeout(this.#timer)
    this.#connection.destroy()
  }

  onReady(connection: UpstreamConnection): void {
    const { target, headers, owner } = this.#parts
    if (signsInConnection(headers)) connection.bindTo(owner)
    const head = headOf('GET', target, headers)
    connection.send('GET', `${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`, { maySwitch: true })
  }

  onHead(head: AnswerHead): void {
    clearTimeout(this.#timer)
    if (head.status !== 101) this.#response = this.#parts.onRefused(head)
    else if (isAgreement(head, this.#parts.key)) this.#parts.onAgreed(head, this.#connection)
    else this.#fail(new GatelodgeError('upstream.invalid'))
  }

  onBody(piece: Buffer): void {
    const response = this.#response
    if (response === undefined || writeCopy(response, piece)) return
    this.#connection.pause()
    response.once('drain', () => this.#connection.resume())
  }

  onEnd(): void {
    this.#response?.end()
  }

  onError(cause: Error): void {
    // In the middle of its answer the client sees that it is not whole.
    if (this.#response === undefined) this.#fail(asGatelodgeError(cause))
    else this.#response.destroy()
  }

  #fail(error: GatelodgeError): void {
    this.abandon()
    this.#parts.onFailed(error)
  }
}

/** RFC 6455 4.1: whoever only echoes headers, or means another protocol, has not agreed. */
function isAgreement({ headers, connection }: AnswerHead, key: string): boolean {
  const [accept, ...more] = valuesOf('sec-websocket-accept', headers)
  if (accept !== acceptanceOf(key) || more.length > 0) return false
  const isUpgrade = connection.split(',').some((option) => option.trim() === 'upgrade')
  return isUpgrade && valuesOf('upgrade', headers).join().toLowerCase() === 'websocket'
}

function valuesOf(name: string, headers: readonly string[]): string[] {
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === name)
}
