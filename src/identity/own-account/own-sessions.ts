import { missingProof } from '../sessions/fresh-proof.js'
import type { DeviceView, RememberedDevices } from '../sessions/remembered-devices.js'
import type { OpenSession, Session, Sessions } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { OwnFactorRefusal } from './own-factors.js'

export type EndedOthers =
  | { readonly outcome: 'done'; readonly token: string }
  | { readonly outcome: 'unproven' }
  | { readonly outcome: 'gone' }

/** Where a user is signed in or remembered, and the end of it. */
export class OwnSessions {
  readonly #sessions: Sessions
  readonly #devices: Pick<RememberedDevices, 'list' | 'revoke'>
  readonly #now: () => number

  constructor(parts: { sessions: Sessions; devices: Pick<RememberedDevices, 'list' | 'revoke'>; now: () => number }) {
    this.#sessions = parts.sessions
    this.#devices = parts.devices
    this.#now = parts.now
  }

  /** This one first, then the latest. */
  async list({ session: here }: OpenSession): Promise<readonly Session[]> {
    const found: Session[] = []
    for await (const { session } of this.#sessions.list(here.accountId)) found.push(session)
    return found.sort((a, b) => Number(b.id === here.id) - Number(a.id === here.id) || b.openedAt - a.openedAt)
  }

  /** Ends one of the user's own sessions; the id of anybody else's is one that does not exist. */
  async end(open: OpenSession, id: string, client: ClientFacts): Promise<OwnFactorRefusal | undefined> {
    if (missingProof(open, this.#now())) return 'unproven'
    const isOwn = (await this.list(open)).some((session) => session.id === id)
    return isOwn && (await this.#sessions.endOne(id, 'signed-out-elsewhere', client)) ? undefined : 'gone'
  }

  /** Ends everything but this session, which goes on under a new token. */
  async endOthers(open: OpenSession, client: ClientFacts): Promise<EndedOthers> {
    if (missingProof(open, this.#now())) return { outcome: 'unproven' }
    const renewed = await this.#sessions.renew(open, { client, reason: 'all-others' })
    return renewed === undefined ? { outcome: 'gone' } : { outcome: 'done', token: renewed.token }
  }

  /** Browsers in which no second factor is asked for, those used last first. */
  async devices({ session }: OpenSession): Promise<readonly DeviceView[]> {
    const found = await this.#devices.list(session.accountId)
    return found.toSorted((a, b) => b.lastUsedAt - a.lastUsedAt)
  }

  /** From now on that browser is asked for the second factor again. */
  async forgetDevice(open: OpenSession, id: string, client: ClientFacts): Promise<OwnFactorRefusal | undefined> {
    if (missingProof(open, this.#now())) return 'unproven'
    return (await this.#devices.revoke(open.session.accountId, id, { client })) ? undefined : 'gone'
  }
}
