import { until } from '../support/poll.js'
import { type ChaosCounts, ways } from './counts.js'
import type { Door } from './door.js'

/** The program of an owner, which changes things by the management API and remembers what was acknowledged. */
export class Desk {
  readonly #token: string
  readonly #doors: readonly [Door, Door]
  readonly #counts: ChaosCounts
  /** By user, what the reason of the exemption may be, '' for none: what was acknowledged last, and what nobody answered since. */
  readonly #reasons = new Map<string, Set<string>>()
  #number = 0
  #shutOuts = 0

  constructor(token: string, doors: readonly [Door, Door], counts: ChaosCounts) {
    this.#token = token
    this.#doors = doors
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

  /**
   * Ends what somebody has open, by turns in one of the ways there are, and sees to it that they can sign in again.
   * @returns whether it was acknowledged
   */
  async shutOut(name: string): Promise<boolean> {
    const way = ways[this.#shutOuts % ways.length] ?? 'deactivate'
    this.#shutOuts += 1
    const [path, body] = way === 'clear' ? ['/sessions/clear', { user: name }] : [`/users/${name}/${way}`, {}]
    const isOut = (await this.#send(this.#anyone(), 'POST', path, body)) === 200
    if (isOut) this.#counts.revocations[way] += 1
    if (way === 'deactivate') await until('the user to be let in again', () => this.#activate(name))
    return isOut
  }

  /** @returns whether the mail is on its way */
  async sendLoginLink(name: string): Promise<boolean> {
    // Refused where the user is shut out just now.
    return (await this.#send(this.#anyone(), 'POST', `/users/${name}/login-link`, {}, () => {}, [409])) === 200
  }

  async #activate(name: string): Promise<boolean> {
    return (await this.#send(this.#anyone(), 'POST', `/users/${name}/activate`, {})) === 200
  }

  #anyone(): number {
    return Math.random() < 0.5 ? 0 : 1
  }

  /** The status; `undefined` where nothing came, or word that the machinery is away. */
  async #send(
    which: number,
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: object,
    read: (text: string) => void = () => {},
    fits: readonly number[] = [],
  ): Promise<number | undefined> {
    const headers = {
      authorization: `Bearer ${this.#token}`,
      accept: 'application/json',
      'x-forwarded-for': '10.4.0.1',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const url = `/.gatelodge/api/v1${path}`
    const answer = await this.#doors[which]?.send(method, url, headers, body && JSON.stringify(body))
    if (answer === undefined || answer.status >= 502) return undefined
    if (answer.status !== 200 && !fits.includes(answer.status)) {
      const what = `${path.split('/')[3] ?? 'user'} ${answer.status}`
      this.#counts.unexpected[what] = (this.#counts.unexpected[what] ?? 0) + 1
    }
    if (answer.status === 200) read(answer.text)
    return answer.status
  }
}
