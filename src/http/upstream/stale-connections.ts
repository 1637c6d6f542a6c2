/** How long requests that cannot be sent twice keep off connections that were used before. */
const distrustMs = 60_000

/** Methods that may be sent again (RFC 9110, 9.2.2); those of WebDAV that are only read with as well (RFC 4918, 5323, 3253). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PROPFIND', 'SEARCH', 'REPORT'])

/** Whether it does no harm to send the request a second time. */
export function isIdempotent(method: string | undefined): boolean {
  return method !== undefined && idempotent.has(method)
}

/** Remembers that an application closes connections it has kept when it should answer on them. */
export class Distrust {
  #until = 0

  raise(): void {
    this.#until = performance.now() + distrustMs
  }

  get isRaised(): boolean {
    return this.#until > 0 && performance.now() < this.#until
  }
}
