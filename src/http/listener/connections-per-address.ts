import { type AddressRanges, networkKey, parseAddress } from '../../access/client-address.js'
import { Counter } from '../web/counter.js'

/** What of a connection is looked at. */
export interface Peer {
  readonly remoteAddress?: string | undefined
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
}

const own = /^(?:127\.|::1$|::ffff:127\.)/

/** Connections by client: one that opens them without end must not take all there are. */
export class ConnectionsPerAddress {
  readonly #counter = new Counter<string>()
  readonly #known = new WeakSet<Peer>()

  /**
   * Closes the connection at once where its address has too many.
   * @param exempt proxies: all their clients come from there
   */
  enter(socket: Peer, atMost: number, exempt: AddressRanges): void {
    const peer = socket.remoteAddress
    // One that is read anew after an upgrade that was none comes twice.
    if (peer === undefined || own.test(peer) || this.#known.has(socket)) return
    const address = parseAddress(peer)
    if (address !== undefined && exempt.has(address)) return
    const key = networkKey(address)
    if (this.#counter.of(key) >= atMost) {
      socket.destroy()
      return
    }
    this.#known.add(socket)
    this.#counter.add(key)
    socket.once('close', () => this.#counter.remove(key))
  }

  /** Addresses that are connected now. */
  get size(): number {
    return this.#counter.size
  }
}
