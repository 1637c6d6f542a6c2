import { setImmediate as afterAnswer } from 'node:timers/promises'
import { LruMap } from 'toad-cache'
import type { Audit } from '../../audit/audit.js'
import type { Logger, Store } from '../../contracts.js'
import type { Account } from '../accounts/account.js'
import type { ClientFacts } from '../store/client-facts.js'
import { hashOf } from '../store/random-token.js'
import { Records } from '../store/records.js'
import type { AppToken, AppTokens } from './app-tokens.js'

/** What a program came with. */
export interface Used {
  /** Of the token, or of the account whose password it was. */
  readonly id: string
  readonly method: 'token' | 'password'
  readonly token?: AppToken
}

/**
 * That programs were here: `api.used` in the audit once a day for each credential and network, and when each token was used
 * last. Beside the way of the request, which neither waits for it nor fails with it.
 */
export class TokenUse {
  readonly #tokens: AppTokens
  readonly #seen: Records<number>
  readonly #store: Store
  readonly #audit: Audit
  readonly #log: Logger
  readonly #now: () => number
  /** Credential and network, and the day on which this process has seen to them. */
  readonly #days = new LruMap<number>(REMEMBERED)
  readonly #underway = new Set<Promise<void>>()

  constructor(parts: { tokens: AppTokens; store: Store; audit: Audit; log: Logger; now: () => number }) {
    this.#tokens = parts.tokens
    this.#store = parts.store
    this.#seen = new Records(parts.store, 'api-used/')
    this.#audit = parts.audit
    this.#log = parts.log
    this.#now = parts.now
  }

  /** Returns at once and never throws. */
  note(client: ClientFacts, account: Account, used: Used): void {
    const day = Math.floor(this.#now() / DAY_MS)
    const place = `${used.id}/${client.network}`
    const isNew = this.#days.get(place) !== day
    const { token } = used
    const wantsTime = token !== undefined && this.#tokens.wantsNote(token)
    if ((!isNew && !wantsTime) || this.#underway.size >= MOST_AT_ONCE) return
    this.#days.set(place, day)
    const done = afterAnswer()
      .then(async () => {
        if (wantsTime) await this.#tokens.noteUse(token, client)
        if (isNew) await this.#record(client, account, used, day)
      })
      .catch((err) =>
        this.#log.warn({ err, requestId: client.requestId }, 'The use of a credential was not written down'),
      )
      .then(() => {
        this.#underway.delete(done)
      })
    this.#underway.add(done)
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.allSettled(this.#underway)
  }

  async #record(client: ClientFacts, account: Account, { id, method, token }: Used, day: number): Promise<void> {
    const isFirst = await this.#seen.add(`${id}/${day}/${hashOf(client.network)}`, day, DAY_MS / 1000)
    if (!isFirst || (await this.#store.increment(`api-used-of/${id}/${day}`, DAY_MS / 1000)) > NETWORKS_A_DAY) return
    await this.#audit.record({
      event: 'api.used',
      outcome: 'success',
      accountId: account.id,
      username: account.username,
      client,
      method,
      ...(token === undefined ? {} : { details: { token: token.id, name: token.name } }),
    })
  }
}

const DAY_MS = 24 * 60 * 60 * 1000
const REMEMBERED = 10_000
const MOST_AT_ONCE = 200

/** A program that comes from everywhere does not fill the audit. */
const NETWORKS_A_DAY = 50
