import type { AuditRecord } from '../audit/audit.js'
import type { AuditLine, AuditOut, Json, Logger, Store, User } from '../contracts.js'
import type { Messages } from './messages.js'

/** What owners may be told of. */
export type OwnerAlert = 'lockouts' | 'budgets' | 'dependencies' | 'owners' | 'policy' | 'approvals'

const titles: Readonly<Record<OwnerAlert, string>> = {
  lockouts: 'Sign-ins were locked after many failures',
  budgets: 'A limit of sending was reached',
  dependencies: 'Something the gateway depends on went down or came back',
  owners: 'Somebody became an owner',
  policy: 'Policy was changed',
  approvals: 'A second factor waits for an owner',
}

interface Parts {
  readonly store: Store
  readonly messages: Pick<Messages, 'ownerAlert'>
  readonly owners: () => Promise<readonly Pick<User, 'username' | 'email'>[]>
  readonly log: Logger
  readonly now: () => number
  /** All unless told otherwise. */
  readonly kinds?: readonly OwnerAlert[]
  /** Between two looks for what waits, ms. */
  readonly everyMs?: number
}

/** What waits until the next mail of its kind may go. */
interface Waiting {
  /** Of the last mail. */
  readonly sentAt: number
  readonly lines: readonly string[]
  readonly more: number
}

/**
 * Mails owners what needs looking at, as it is written to the audit. The first of a kind goes at once; what follows within ten
 * minutes waits and goes as one mail. What waits is in the store, and of several processes one sends it.
 */
export class OwnerMails implements AuditOut {
  readonly name = 'owner-mails'
  readonly #parts: Parts
  readonly #kinds: readonly OwnerAlert[]
  readonly #timer: NodeJS.Timeout
  #sending: Promise<unknown> = Promise.resolve()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#kinds = parts.kinds ?? (Object.keys(titles) as OwnerAlert[])
    this.#timer = setInterval(() => this.#send(this.#kinds), parts.everyMs ?? EVERY_MS).unref()
  }

  /** Takes them over when they are kept; mails go on their own, and nobody waits for a mail server. */
  async deliver(entries: readonly AuditLine[]): Promise<void> {
    const found = new Set<OwnerAlert>()
    for (const { text } of entries) {
      const record: AuditRecord = JSON.parse(text)
      const kind = kindOf(record)
      if (kind === undefined || !this.#kinds.includes(kind)) continue
      await this.#keep(kind, [sentence(kind, record)])
      found.add(kind)
    }
    if (found.size > 0) this.#send([...found])
  }

  /** Resolves when no mail is on its way any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#sending
  }

  #send(kinds: readonly OwnerAlert[]): void {
    const sending = Promise.all(kinds.map((kind) => this.#sendOne(kind))).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : 'unknown'
      this.#parts.log.warn({ reason }, 'Owners could not be told; it is tried again')
    })
    this.#sending = Promise.all([this.#sending, sending])
  }

  async #sendOne(kind: OwnerAlert): Promise<void> {
    const { now, messages } = this.#parts
    let taken: Waiting | undefined
    await this.#change(kind, (waiting) => {
      const isDue = waiting.lines.length > 0 && now() - waiting.sentAt >= PAUSE_MS
      taken = isDue ? waiting : undefined
      return isDue ? { sentAt: now(), lines: [], more: 0 } : waiting
    })
    if (taken === undefined) return
    const { lines, more } = taken
    const owners = (await this.#parts.owners()).filter(({ email }) => email !== undefined)
    const values = { title: titles[kind], lines, more, minutes: PAUSE_MS / 60_000 }
    const sent = await Promise.all(owners.map((owner) => messages.ownerAlert(owner, values)))
    // To be tried again after the pause: what broke may be the mail server itself.
    if (owners.length > 0 && !sent.some(Boolean)) await this.#keep(kind, lines, more)
  }

  #keep(kind: OwnerAlert, added: readonly string[], andMore = 0): Promise<void> {
    return this.#change(kind, ({ sentAt, lines, more }) => {
      const all = [...lines, ...added]
      return { sentAt, lines: all.slice(0, LINES), more: more + andMore + Math.max(0, all.length - LINES) }
    })
  }

  /** Atomic over all processes. `change` returns its argument to leave it. */
  async #change(kind: OwnerAlert, change: (waiting: Waiting) => Waiting): Promise<void> {
    const { store } = this.#parts
    const key = `audit-mail/${kind}`
    for (;;) {
      const kept = await store.get(key)
      const before = (kept ?? { sentAt: 0, lines: [], more: 0 }) as unknown as Waiting
      const after = change(before)
      if (after === before) return
      const value = after as unknown as Json
      if (kept === undefined ? await store.add(key, value) : await store.replace(key, kept, value)) return
    }
  }
}

const PAUSE_MS = 10 * 60_000
const EVERY_MS = 15_000
const LINES = 20

/** A delay of some seconds after a slip is no lockout. */
const LOCKOUT_SECONDS = 60

function kindOf({ event, outcome, details = {} }: AuditRecord): OwnerAlert | undefined {
  if (event === 'factor.enrolled' && outcome === 'intended') return 'approvals'
  if (outcome === 'intended' || outcome === 'failed') return undefined
  if (event === 'policy.changed' && outcome === 'success') return 'policy'
  if (event === 'dependency.down' || event === 'dependency.up') return 'dependencies'
  if (event === 'throttle.on') {
    if (details['channel'] !== undefined) return 'budgets'
    if (details['until'] !== undefined) return 'lockouts'
    const seconds = details['seconds']
    return typeof seconds === 'number' && seconds >= LOCKOUT_SECONDS ? 'lockouts' : undefined
  }
  const isOwner = details['role'] === 'owner' || event === 'admin.owner-link' || ownersIn(details).length > 0
  return event.startsWith('admin.') && outcome === 'success' && isOwner ? 'owners' : undefined
}

function howLong({ until, seconds }: NonNullable<AuditRecord['details']>): string {
  if (until !== undefined) return 'until a mailed link or support unlocks it'
  return `for ${Math.round(Number(seconds) / 60)} minutes`
}

/** Those that came with an import. */
function ownersIn({ owners }: NonNullable<AuditRecord['details']>): readonly unknown[] {
  return Array.isArray(owners) ? owners : []
}

function sentence(
  kind: OwnerAlert,
  { time, event, username, by, reason, address, method, details = {} }: AuditRecord,
): string {
  const when = `${time.slice(0, 16).replace('T', ' ')} UTC`
  const whose = username ?? (ownersIn(details).join(', ') || 'an unknown name')
  const author = by ?? (kind === 'policy' ? username : reason)
  const words: Readonly<Record<OwnerAlert, string>> = {
    lockouts: `${whose}, ${howLong(details)} (${details['budget']})${address ? `, from ${address}` : ''}`,
    budgets: `${details['channel']}: ${reason}`,
    dependencies: `${details['dependency']} ${event === 'dependency.down' ? 'does not answer' : 'answers again'}`,
    owners: `${whose} (${event}${author ? `, ${author}` : ''})`,
    approvals: `${whose} set up ${method} and waits for an owner to approve or refuse it`,
    policy: `${details['key'] ?? reason ?? event}${author ? `, by ${author}` : ''}`,
  }
  return `${when}: ${words[kind]}`.slice(0, 300)
}
