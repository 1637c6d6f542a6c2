import type { Socket } from 'node:net'
import type { UpstreamConnection } from './upstream-connection.js'

/**
 * Upstream connections that are free and belong to one client connection and one person each, as in HAProxy: an application
 * that signs in connections (NTLM, Negotiate) would take the next one on it for the person before. One for each client
 * connection; it ends with that, or when another person's request comes the same way.
 */
export class PrivateConnections {
  /** The one that was unused longest comes first. */
  readonly #of = new Map<Socket, UpstreamConnection>()
  readonly #watched = new WeakSet<Socket>()

  get size(): number {
    return this.#of.size
  }

  /** Takes out the connection that this request continues on. Another person's ends. */
  take(client: Socket, whose: { readonly person: string | undefined }): UpstreamConnection | undefined {
    const connection = this.#of.get(client)
    if (connection === undefined) return undefined
    this.#of.delete(client)
    const { person } = whose
    if (person !== undefined && connection.owner?.person === person && connection.isUsable) return connection
    connection.destroy()
    return undefined
  }

  /** Keeps a free connection for its owner, or ends it where the owner has gone or could be anybody. */
  keep(connection: UpstreamConnection): void {
    const { owner } = connection
    if (owner?.person === undefined || owner.client.destroyed || !connection.isUsable) {
      connection.destroy()
      return
    }
    const { client } = owner
    this.#of.get(client)?.destroy()
    this.#of.delete(client)
    this.#of.set(client, connection)
    if (this.#watched.has(client)) return
    this.#watched.add(client)
    client.once('close', () => this.#end(client))
  }

  /** Ends the one that was unused longest: whoever holds client connections open must not take an application's places. */
  endOldest(): UpstreamConnection | undefined {
    for (const [client, connection] of this.#of) {
      this.#end(client)
      return connection
    }
    return undefined
  }

  /** It was closed, or is used elsewhere. */
  forget(connection: UpstreamConnection): void {
    const client = connection.owner?.client
    if (client !== undefined && this.#of.get(client) === connection) this.#of.delete(client)
  }

  #end(client: Socket): void {
    const connection = this.#of.get(client)
    this.#of.delete(client)
    connection?.destroy()
  }
}
