import type { Scope } from './scope.js'
import { type Answer, type Extra, Visitor } from './visitor.js'

/** One browser at several hosts of one gateway: cookies of each host apart, redirects between them followed by hand. */
export class Roamer {
  readonly #t: Scope
  readonly #port: number
  readonly #visitors = new Map<string, Visitor>()

  /** @param port where every host is reached */
  constructor(t: Scope, port: number) {
    this.#t = t
    this.#port = port
  }

  /** As this browser is known at a host: with that host's cookies alone. */
  at(host: string): Visitor {
    let visitor = this.#visitors.get(host)
    if (visitor === undefined) {
      visitor = new Visitor(this.#t, `http://127.0.0.1:${this.#port}`)
      this.#visitors.set(host, visitor)
    }
    return visitor
  }

  /** A page load. @param address in full */
  get(address: string, headers: Extra['headers'] = {}): Promise<Answer> {
    const { host, hostname, pathname, search } = new URL(address)
    return this.at(hostname).get(pathname + search, { headers: { host, ...headers } })
  }

  post(address: string, fields: Readonly<Record<string, string>>, headers: Extra['headers'] = {}): Promise<Answer> {
    const { host, hostname, pathname, search } = new URL(address)
    return this.at(hostname).post(pathname + search, fields, { headers: { host, ...headers } })
  }

  /** Follows redirects to the end. @returns the last answer, and every address on the way, that of the answer last */
  async follow(address: string, most = 20): Promise<{ readonly answer: Answer; readonly way: readonly string[] }> {
    const way = [address]
    for (let hop = 0; hop < most; hop += 1) {
      const here = way.at(-1) ?? ''
      const answer = await this.get(here)
      const { location } = answer.headers
      if (typeof location !== 'string') return { answer, way }
      way.push(new URL(location, here).href)
    }
    throw new Error(`went round:\n${way.join('\n')}`)
  }
}
