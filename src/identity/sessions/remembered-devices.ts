import type { Audit, AuditEvent } from '../../audit/audit.js'
import type { Store } from '../../contracts.js'
import type { Account } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import { isCleared } from '../store/clear-rules.js'
import type { ClientFacts } from '../store/client-facts.js'
import { isFromTheFuture } from '../store/clock-skew.js'
import type { Installation } from '../store/installation.js'
import { nameHash } from '../store/name-hash.js'
import { drawToken, hashOf, isSame, isToken } from '../store/random-token.js'
import { Records } from '../store/records.js'
import type { Session } from './session.js'

/** A browser that was told to be remembered: it stands for the second factor of one account. */
interface RememberedDevice {
  readonly id: string
  readonly accountId: string
  /** Of the username, as the budgets of passwords count it. */
  readonly nameHash: string
  /** SHA-256 of the token in base64url. A new one at every use. */
  readonly hash: string
  /** The one before: a browser sends several requests at once, and only one of them gets the new one. */
  readonly before?: { readonly hash: string; readonly until: number }
  /** Of the account when it was remembered. */
  readonly generation: number
  /** Of remembered devices: of this account, and of everybody. */
  readonly revocations: readonly [ofAccount: number, ofAll: number]
  /** When the second factor was given that it stands for. */
  readonly secondFactorAt: number
  readonly rememberedAt: number
  readonly lastUsedAt: number
  readonly address: string
  readonly userAgent: string
  /** Where it was remembered, and what groups its user was in then. */
  readonly site?: string
  readonly groups?: readonly string[]
}

/** What may be shown of it. */
export interface DeviceView {
  readonly id: string
  readonly rememberedAt: number
  readonly lastUsedAt: number
  readonly expiresAt: number
  /** Canonical address at its last use. */
  readonly address: string
  readonly userAgent: string
}

/** A device whose token was right, before anything was done with it. */
export interface KnownDevice {
  readonly id: string
  readonly accountId: string
  /** Whose password budget is the device's own. */
  readonly nameHash: string
  /** When the second factor was given that it stands for. */
  readonly secondFactorAt: number
}

/** Read anew at every look, so that devices that exist follow when the setting changes. */
export interface DeviceSettings {
  /** Left out: no browser is remembered. */
  rememberDeviceSeconds?: number | undefined
}

interface Parts {
  readonly store: Store
  readonly accounts: Accounts
  readonly installation: Installation
  readonly audit: Audit
  readonly settings: DeviceSettings
  readonly now: () => number
}

/**
 * Remembered devices. A token is `<id>.<32 random bytes>`: the id finds the record, of the rest the store has the hash. Each
 * dies with a change of password, a reset of factors, a recovery, a sign-out in that browser, and when revoked.
 */
export class RememberedDevices {
  readonly #records: Records<RememberedDevice>
  readonly #byAccount: Records<true>
  readonly #revocations: Records<number>
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#records = new Records(parts.store, 'device/')
    this.#byAccount = new Records(parts.store, 'device-of/')
    this.#revocations = new Records(parts.store, 'device-revocations/')
    this.#parts = parts
  }

  /** For how long a browser is remembered; `undefined`: not at all. */
  get rememberSeconds(): number | undefined {
    return this.#parts.settings.rememberDeviceSeconds
  }

  /**
   * Remembers the browser that just gave the second factor in this session.
   * @returns the token for its cookie; `undefined` where none is remembered, or nothing was proven
   */
  async remember(session: Session, client: ClientFacts): Promise<string | undefined> {
    const { secondFactorAt, accountId } = session
    if (this.rememberSeconds === undefined || secondFactorAt === undefined || session.fellBack) return undefined
    const now = this.#parts.now()
    const id = drawToken().slice(0, ID_LENGTH)
    const secret = drawToken()
    const device: RememberedDevice = {
      id,
      accountId,
      nameHash: nameHash(session.user.username),
      hash: hashOf(secret),
      generation: session.generation,
      revocations: await this.#revocationsOf(accountId),
      secondFactorAt,
      rememberedAt: now,
      lastUsedAt: now,
      ...seenAs(client),
      ...(client.site === undefined ? {} : { site: client.site }),
      groups: session.user.groups,
    }
    await this.#records.set(id, device, this.#keptSeconds())
    await this.#byAccount.set(`${accountId}/${id}`, true, this.#keptSeconds())
    await this.#record('device.remembered', device, { client })
    return `${id}.${secret}`
  }

  /** The device of this token, if it stands for anything now. Changes nothing. */
  async find(token: string | undefined): Promise<KnownDevice | undefined> {
    const device = await this.#find(token)
    if (device === undefined || !(await this.#isAlive(device))) return undefined
    return isRight(device, token, this.#parts.now()) ? device : undefined
  }

  /**
   * Lets it stand for the second factor, and replaces its token.
   * @returns the new token; none when another request of the same browser got it. `undefined`: it does not count
   */
  async use(token: string | undefined, client: ClientFacts): Promise<{ readonly token?: string } | undefined> {
    const found = await this.#find(token)
    if (found === undefined || token === undefined || !(await this.#isAlive(found))) return undefined
    const now = this.#parts.now()
    const given = hashOf(secretOf(token))
    const secret = drawToken()
    let used: 'new' | 'before' | undefined
    await this.#records.change(
      found.id,
      (device) => {
        used = device && which(device, given, now)
        if (device === undefined || used !== 'new') return device
        const before = { hash: device.hash, until: now + GRACE_MS }
        return { ...device, hash: hashOf(secret), before, lastUsedAt: now, ...seenAs(client) }
      },
      this.#keptSeconds(),
    )
    if (used === undefined) return undefined
    await this.#record('device.used', found, { client })
    return used === 'new' ? { token: `${found.id}.${secret}` } : {}
  }

  /** A token that was replaced a while ago means that two have it, and only one is the user: the device is revoked. */
  async noteReplay(token: string | undefined, client: ClientFacts): Promise<void> {
    const device = await this.#find(token)
    if (token === undefined || device?.before === undefined || this.#parts.now() < device.before.until) return
    if (!isSame(device.before.hash, hashOf(secretOf(token)))) return
    await this.revoke(device.accountId, device.id, { client, reason: 'old-token' })
  }

  /** The account's devices that count now. */
  async list(accountId: string): Promise<readonly DeviceView[]> {
    const found: DeviceView[] = []
    for await (const [key] of this.#byAccount.all(`${accountId}/`)) {
      const device = await this.#records.get(key.slice(accountId.length + 1))
      if (device === undefined || !(await this.#isAlive(device))) continue
      const { id, rememberedAt, lastUsedAt, address, userAgent } = device
      found.push({ id, rememberedAt, lastUsedAt, expiresAt: this.#expiresAt(device), address, userAgent })
    }
    return found
  }

  /** Which of the account's devices a browser is, for a list of them: by the cookie alone. */
  idOf(token: string | undefined): string | undefined {
    return token !== undefined && isDeviceToken(token) ? token.slice(0, ID_LENGTH) : undefined
  }

  /** @returns whether there was such a device of this account */
  async revoke(
    accountId: string,
    id: string,
    { client, reason = 'revoked' }: { client?: ClientFacts | undefined; reason?: string } = {},
  ): Promise<boolean> {
    const device = await this.#records.get(id)
    if (device?.accountId !== accountId || !(await this.#records.delete(id))) return false
    await this.#byAccount.delete(`${accountId}/${id}`)
    await this.#record('device.revoked', device, { client, reason })
    return true
  }

  /** Forgets the browser that has this token, as by signing out in it. A wrong token revokes nothing. */
  async forget(token: string | undefined, client: ClientFacts): Promise<boolean> {
    const device = await this.#find(token)
    if (device === undefined || !isRight(device, token, this.#parts.now())) return false
    return this.revoke(device.accountId, device.id, { client, reason: 'signed-out' })
  }

  /** Every device of the account, also one that is being remembered at this moment. */
  async revokeAll(
    accountId: string,
    { client, reason = 'all-of-account' }: { client?: ClientFacts | undefined; reason?: string } = {},
  ): Promise<void> {
    await this.#revocations.change(`of/${accountId}`, (count = 0) => count + 1)
    for await (const [key] of this.#byAccount.all(`${accountId}/`)) {
      await this.revoke(accountId, key.slice(accountId.length + 1), { client, reason })
    }
  }

  /** Every device of everybody. */
  async clear(client?: ClientFacts): Promise<void> {
    await this.#revocations.change('all', (count = 0) => count + 1)
    const entry = client === undefined ? {} : { client }
    await this.#parts.audit.record({
      event: 'device.revoked',
      outcome: 'success',
      ...entry,
      reason: 'all-of-everybody',
    })
  }

  async #find(token: string | undefined): Promise<RememberedDevice | undefined> {
    if (this.rememberSeconds === undefined || token === undefined || !isDeviceToken(token)) return undefined
    return this.#records.get(token.slice(0, ID_LENGTH))
  }

  async #isAlive(device: RememberedDevice): Promise<boolean> {
    const { accounts, now } = this.#parts
    if (now() >= this.#expiresAt(device) || isFromTheFuture(device.rememberedAt, now())) return false
    const account: Account | undefined = await accounts.find(device.accountId)
    if (account?.status !== 'active' || account.generation !== device.generation) return false
    const { rememberedAt: since, site, groups, address } = device
    const { cleared } = await this.#parts.installation.standing()
    if (isCleared(cleared, { since, sites: site === undefined ? [] : [site], groups, address }, true)) return false
    const [ofAccount, ofAll] = await this.#revocationsOf(device.accountId)
    return device.revocations[0] === ofAccount && device.revocations[1] === ofAll
  }

  #expiresAt({ rememberedAt }: RememberedDevice): number {
    return rememberedAt + (this.rememberSeconds ?? 0) * 1000
  }

  async #revocationsOf(accountId: string): Promise<readonly [number, number]> {
    const [ofAccount, ofAll] = await Promise.all([
      this.#revocations.get(`of/${accountId}`),
      this.#revocations.get('all'),
    ])
    return [ofAccount ?? 0, ofAll ?? 0]
  }

  /** Whether it counts is decided at every look, by the setting of that moment. */
  #keptSeconds(): number {
    return Math.max(this.rememberSeconds ?? 0, KEPT_SECONDS)
  }

  async #record(
    event: Extract<AuditEvent, `device.${string}`>,
    { id, accountId }: Pick<RememberedDevice, 'id' | 'accountId'>,
    more: { client?: ClientFacts | undefined; reason?: string },
  ): Promise<void> {
    const account = await this.#parts.accounts.find(accountId)
    await this.#parts.audit.record({
      event,
      outcome: 'success',
      accountId,
      ...(account === undefined ? {} : { username: account.username }),
      ...(more.client === undefined ? {} : { client: more.client }),
      ...(more.reason === undefined ? {} : { reason: more.reason }),
      details: { device: id },
    })
  }
}

const ID_LENGTH = 16
const GRACE_MS = 60_000
const KEPT_SECONDS = 400 * 24 * 60 * 60

function isDeviceToken(token: string): boolean {
  return token[ID_LENGTH] === '.' && isToken(secretOf(token)) && /^[\w-]+$/.test(token.slice(0, ID_LENGTH))
}

function secretOf(token: string): string {
  return token.slice(ID_LENGTH + 1)
}

function isRight(device: RememberedDevice, token: string | undefined, now: number): boolean {
  return token !== undefined && which(device, hashOf(secretOf(token)), now) !== undefined
}

function which({ hash, before }: RememberedDevice, given: string, now: number): 'new' | 'before' | undefined {
  if (isSame(hash, given)) return 'new'
  return before !== undefined && now < before.until && isSame(before.hash, given) ? 'before' : undefined
}

function seenAs({ address, userAgent }: ClientFacts) {
  return { address, userAgent: userAgent.slice(0, 256) }
}
