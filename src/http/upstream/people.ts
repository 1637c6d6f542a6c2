import type { IncomingMessage } from 'node:http'
import { type AddressRanges, parseAddress } from '../../access/client-address.js'
import type { Cookies } from '../web/cookies.js'

/** Of a request that came through another proxy, which may send several people's over one connection. */
const relayed = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'] as const

/** Tells the people apart whose requests come over one client connection. */
export class People {
  readonly #cookies: Cookies
  readonly #trusted: AddressRanges

  /** @param trusted proxies in front */
  constructor(cookies: Cookies, trusted: AddressRanges) {
    this.#cookies = cookies
    this.#trusted = trusted
  }

  /**
   * Two requests of one client connection are one person's where this gives the same for both. A session's cookie need not be
   * good for that: nobody else knows it, so it also tells people apart on public rules.
   * @param sessionId of the session or program that was judged, if any
   * @returns `undefined` where several people may share the connection and nothing tells them apart
   */
  of(request: IncomingMessage, sessionId: string | undefined): string | undefined {
    const { headers, socket } = request
    const token = this.#cookies.read(headers.cookie, this.#cookies.names.session)
    if (token !== undefined) return `cookie ${token}`
    if (sessionId !== undefined) return `session ${sessionId}`
    if (relayed.some((name) => headers[name] !== undefined)) return undefined
    const peer = parseAddress(socket.remoteAddress ?? '')
    return peer === undefined || this.#trusted.has(peer) ? undefined : 'nobody'
  }
}
