import type { Agent } from 'undici'
import type { RunningGateway } from '../support/gateway.js'
import type { ChaosCounts } from './counts.js'
import { send } from './sending.js'

/** The program of an owner, which changes things by the management API and remembers what was acknowledged. */
export class Desk {
  readonly #token: string
  readonly #agent: Agent
  readonly #gateways: readonly RunningGateway[]
  readonly #counts: ChaosCounts
  /** By user, what the reason of the exemption may be, '' for none: what was acknowledged last, and what nobody answered since. */
  readonly #reasons = new Map<string, Set<string>>()
  #number = 0

  constructor(token: string, agent: Agent, gateways: readonly RunningGateway[], counts: ChaosCounts) {
    this.#token = token
    this.#agent = agent
    this.#gateways = gateways
    this.#counts = counts
  }

  /** Exempts a user for a new reason, and looks at the other gateway which one is written there. */
  async changeReason(name: string): Promise<void> {
    this.#number += 1
    const reason = `reason ${this.#number}`
    const possible = this.#reasons.get(name) ?? new Set([''])
    this.#reasons.set(name, possible)
    possible.add(reason)
    const which = this.#number % 2
    if ((await this.#send(which, 'PUT', `/users/${name}/exemption`, { reason })) !== 200) return
    this.#counts.changes += 1
    this.#reasons.set(name, new Set([reason]))
    await this.check(name, 1 - which)
  }

  /** Counts a change that was acknowledged and is not there. */
  async check(name: string, which = 0): Promise<void> {
    const possible = this.#reasons.get(name)
    if (possible === undefined) return
    let found: string | undefined
    const status = await this.#send(which, 'GET', `/users/${name}`, undefined, (text) => {
      found = (JSON.parse(text) as { exemption?: { reason?: string } }).exemption?.reason
    })
    if (status === 200 && !possible.has(found ?? '')) this.#counts.changesLost += 1
  }

  /** Everybody whose reason was changed. */
  get changed(): readonly string[] {
    return [...this.#reasons.keys()]
  }

  /** @returns whether it was acknowledged */
  async deactivate(name: string): Promise<boolean> {
    const done = (await this.#send(this.#number % 2, 'POST', `/users/${name}/deactivate`, {})) === 200
    if (done) this.#counts.changes += 1
    return done
  }

  async activate(name: string): Promise<boolean> {
    return (await this.#send(this.#number % 2, 'POST', `/users/${name}/activate`, {})) === 200
  }

  /** The status; `undefined` where nothing came, or word that the machinery is away. */
  async #send(
    which: number,
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: object,
    read: (text: string) => void = () => {},
  ): Promise<number | undefined> {
    const headers = {
      authorization: `Bearer ${this.#token}`,
      accept: 'application/json',
      'x-forwarded-for': '10.4.0.1',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const url = `/.gatelodge/api/v1${path}`
    const answer = await send(this.#agent, this.#gateways[which], method, url, headers, body && JSON.stringify(body))
    if (answer === undefined || answer.status >= 502) return undefined
    if (answer.status !== 200) {
      const what = `${path.split('/')[3] ?? 'user'} ${answer.status}`
      this.#counts.unexpected[what] = (this.#counts.unexpected[what] ?? 0) + 1
      return answer.status
    }
    read(answer.text)
    return answer.status
  }
}
