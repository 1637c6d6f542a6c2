import { formOf } from '../support/visitor.js'
import type { ChaosCounts } from './counts.js'
import { anyDoor, type Door, form } from './door.js'

/** How long a word that a session ended may take to every gateway. */
const HEARD_MS = 1000

/** How much is asked for in one visit. */
const PARTS = 12

interface Ended {
  readonly cookie: string
  readonly at: number
}

interface Acknowledged {
  readonly cookie: string
  ending: boolean
}

/** Somebody with one browser. What is known of the session is what was acknowledged. */
export class Person {
  readonly #name: string
  readonly #password: string
  readonly #address: string
  readonly #doors: readonly [Door, Door]
  readonly #counts: ChaosCounts
  #session: Acknowledged | undefined
  readonly #ended: Ended[] = []
  #busy = false

  constructor(
    { name, index, password }: { readonly name: string; readonly index: number; readonly password: string },
    doors: readonly [Door, Door],
    counts: ChaosCounts,
  ) {
    this.#name = name
    this.#password = password
    this.#address = `10.1.${index >> 8}.${index & 255}`
    this.#doors = doors
    this.#counts = counts
  }

  /**
   * Loads a page and what belongs to it from one gateway, as far as it is given them; or asks once more with a session that
   * has ended, or without any.
   * @returns whether anything came
   */
  async visit(): Promise<boolean> {
    const door = anyDoor(this.#doors)
    const old = this.#ended[Math.floor(Math.random() * this.#ended.length)]
    if (this.#session === undefined || (old !== undefined && Math.random() < 0.3)) return this.#askShutOut(door, old)
    for (let part = 0; part < PARTS && this.#session !== undefined; part += 1) {
      const status = await this.#askSignedIn(door, this.#session)
      if (status !== 200) return status !== undefined
    }
    return true
  }

  async #askSignedIn(door: Door, session: Acknowledged): Promise<number | undefined> {
    const answer = await this.#askFor(door, session.cookie)
    if (answer?.status === 200 && answer.text !== this.#name) this.#counts.wrongIdentity += 1
    // Ending may have begun while the question was on its way.
    if (answer?.status === 401 && session === this.#session && !session.ending) this.#counts.sessionsLost += 1
    return answer?.status
  }

  async #askShutOut(door: Door, old: Ended | undefined): Promise<boolean> {
    const mayBeKnown = old !== undefined && performance.now() - old.at < HEARD_MS
    const answer = await this.#askFor(door, old?.cookie)
    if (answer?.status === 200 && answer.text !== this.#name) this.#counts.wrongIdentity += 1
    else if (answer?.status === 200 && !mayBeKnown) this.#counts.passedAfterSignOut += 1
    return answer !== undefined
  }

  async #askFor(door: Door, cookie: string | undefined) {
    const answer = await this.#send('GET', '/who', cookie === undefined ? {} : { cookie }, undefined, door)
    if (answer === undefined) return undefined
    this.#counts.pages += 1
    if (answer.status === 401) this.#counts.refused += 1
    else if (answer.status !== 200) this.#unexpected(answer.status)
    return answer
  }

  async comeOrGo(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    try {
      await (this.#session === undefined ? this.#signIn() : this.#signOut(this.#session))
    } finally {
      this.#busy = false
    }
  }

  /**
   * Whatever is open ends by what somebody else does.
   * @param end true when it was acknowledged
   */
  async shutOut(end: () => Promise<boolean>): Promise<void> {
    const session = this.#session
    if (this.#busy || session === undefined) return
    this.#busy = true
    session.ending = true
    try {
      const isOver = await end()
      // Without an answer it may have ended or not: nothing can be said of it any more.
      this.#session = undefined
      if (isOver) this.#hasEnded(session)
    } finally {
      this.#busy = false
    }
  }

  async #signIn(): Promise<void> {
    const page = await this.#send('GET', '/.gatelodge/sign-in', { accept: 'text/html' })
    if (page?.status !== 200) return
    const body = new URLSearchParams({
      ...formOf(page.text).fields,
      username: this.#name,
      password: this.#password,
    }).toString()
    const answer = await this.#send('POST', '/.gatelodge/sign-in', { cookie: page.cookies, ...form }, body)
    if (answer === undefined) return
    const cookie = /(?:^|; )(gatelodge=[^;]+)/.exec(answer.cookies)?.[1]
    if (answer.status !== 303 || cookie === undefined) {
      if (answer.status !== 429) this.#unexpected(answer.status)
      return
    }
    this.#counts.signIns += 1
    this.#session = { cookie, ending: false }
  }

  async #signOut(session: Acknowledged): Promise<void> {
    const page = await this.#send('GET', '/.gatelodge/account', { accept: 'text/html', cookie: session.cookie })
    if (page?.status !== 200) return
    session.ending = true
    const { fields } = formOf(page.text, '/sign-out')
    const body = new URLSearchParams(fields).toString()
    const cookie = [session.cookie, page.cookies].filter((part) => part !== '').join('; ')
    const answer = await this.#send('POST', '/.gatelodge/sign-out', { cookie, ...form }, body)
    // Without an answer it may have ended or not: nothing can be said of it any more.
    this.#session = undefined
    if (answer === undefined) return
    if (answer.status >= 400) {
      this.#unexpected(answer.status)
      return
    }
    this.#counts.signOuts += 1
    this.#hasEnded(session)
  }

  #hasEnded({ cookie }: Acknowledged): void {
    this.#ended.push({ cookie, at: performance.now() })
    if (this.#ended.length > 20) this.#ended.shift()
  }

  /** `undefined` where nothing came, or word that the machinery is away. */
  async #send(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    body?: string,
    door = anyDoor(this.#doors),
  ) {
    const answer = await door.send(method, path, { 'x-forwarded-for': this.#address, ...headers }, body)
    if (answer === undefined || answer.status >= 502) {
      this.#counts.unanswered += 1
      return undefined
    }
    return answer
  }

  #unexpected(status: number): void {
    this.#counts.unexpected[status] = (this.#counts.unexpected[status] ?? 0) + 1
  }

  get name(): string {
    return this.#name
  }

  get isSignedIn(): boolean {
    return this.#session !== undefined
  }
}
