import type { Audit } from '../audit/audit.js'
import {
  type FactorMessage,
  type Logger,
  type Mail,
  type MailTransport,
  type SecondFactor,
  type SentSecondFactor,
  type Store,
  TransportError,
  type User,
} from '../contracts.js'
import { Delivery, type DeliveryStanding } from './delivery.js'
import type { MailName, Mails, Notice } from './mails.js'
import { type Channel, channelOf, mask } from './mask.js'
import { Quota } from './quota.js'
import { type Asker, codeLifetimeSeconds, type SecretToSend, type Sending, type Trouble } from './sending.js'
import { type OverBudget, SendingBudget, type SendingLimits } from './sending-budget.js'
import { UnprovenBudget } from './unproven-budget.js'
import { type MessageCircumstances, Wording, type WordingSettings } from './wording.js'

export interface MessagesSettings extends WordingSettings {
  /** Whether a code that cannot go by text message goes by mail. */
  readonly fallback: boolean
  readonly limits: SendingLimits
}

interface Parts {
  /** By the name YAML gives them. Those that send nothing are passed over. */
  readonly factors: ReadonlyMap<string, SecondFactor>
  readonly mail?: MailTransport | undefined
  readonly store: Store
  readonly audit: Pick<Audit, 'record'>
  readonly log: Logger
  readonly now: () => number
  readonly settings: MessagesSettings
  /** Between two tries, ms. Left out: real time. */
  readonly wait?: (ms: number) => Promise<unknown>
}

/** Why one way did not work out. */
type Problem = OverBudget | TransportError | 'no-address'

/** What is said to people: codes and links by their methods, mail about their account, all within the budgets. */
export class Messages {
  /** What happened in this process, for the metrics. */
  readonly counts = { sms: 0, email: 0, fallbacks: 0, failures: 0 }
  readonly budget: SendingBudget
  /** For what nobody has proved anything for: asked where it is asked for, before anybody looks who it is about. */
  readonly unproven: UnprovenBudget
  readonly #parts: Parts
  readonly #wording: Wording
  readonly #notices: Quota
  readonly #methods = new Map<string, { readonly factor: SentSecondFactor; readonly way: Delivery<FactorMessage> }>()
  readonly #mail: Delivery<Mail> | undefined
  readonly #underway = new Set<Promise<unknown>>()

  /** @throws TemplateError */
  constructor(parts: Parts) {
    const { factors, mail, settings } = parts
    this.#parts = parts
    this.#wording = new Wording(parts)
    this.#notices = new Quota(parts)
    this.budget = new SendingBudget({ ...parts, limits: settings.limits })
    this.unproven = new UnprovenBudget({ ...parts, limits: settings.limits.unproven })
    for (const [use, factor] of factors) {
      if ('sends' in factor) this.#methods.set(use, { factor, way: this.#way(use, (message) => factor.send(message)) })
    }
    this.#mail = mail && this.#way('mail', (message) => mail.send(message))
  }

  /** Whether there is a mail server to send by. */
  get sendsMail(): boolean {
    return this.#mail !== undefined
  }

  /** How every way out does: those of the methods, and the mail server. */
  standings(): readonly (DeliveryStanding & { readonly name: string })[] {
    const ways = [...this.#methods].map(([name, { way }]) => ({ name, ...way.standing() }))
    return this.#mail === undefined ? ways : [...ways, { name: 'mail', ...this.#mail.standing() }]
  }

  /** Where this method would send for the user, masked; `undefined` where it cannot. */
  destination(method: string, user: User): string | undefined {
    const to = this.#methods.get(method)?.factor.address(user)
    return to === undefined ? undefined : mask(to)
  }

  /** Seconds until the account may be sent another code; `undefined`: now. Takes nothing. */
  waitForCode(accountId: string, method: string): Promise<number | undefined> {
    return this.budget.waitForTurn(accountId, this.#methods.get(method)?.factor.sends ?? 'code')
  }

  /** An address of ours as it stands in messages. @param path under the prefix, with its leading slash */
  link(path: string): string {
    return this.#wording.link(path)
  }

  /**
   * Sends a code or link by the method; a code whose text message the provider fails to take goes by mail, where
   * `mayFallBack` lets it. What providers do is in the answer, never an exception.
   *
   * The attack: with the password and the mailbox but without the phone, asking for codes until a limit says no must not
   * turn the second factor into a mail. So a limit (ours or the provider's own) and an address that is not served are no
   * failures: nothing is sent.
   * @throws `store.unavailable`
   */
  async send(secret: SecretToSend): Promise<Sending> {
    const { user, method, purpose, code } = secret
    const { factor, way } = this.#methods.get(method) ?? refuseMethod(method)
    const spends = secret.byAnybody ? 'help' : factor.sends === 'link' ? 'link' : 'code'
    const turn = await this.budget.takeTurn(user.id, spends, secret.afterEnrolment)
    if (turn !== undefined) return { outcome: 'wait', retryAfterSeconds: turn.retryAfterSeconds }
    const to = factor.address(user)
    const problem = to === undefined ? 'no-address' : await this.#hand(secret, spends, way, to)
    if (problem === undefined) return this.#sent(secret, to ?? '')
    const isMail = to !== undefined && channelOf(to) === 'email'
    const fallback = this.#parts.settings.fallback && secret.mayFallBack === true && isFailure(problem)
    // A code that came by mail proves nothing about the number it was meant for.
    if (!fallback || isMail || purpose === 'enrolment' || code === undefined || this.#mail === undefined) {
      return this.#failed(secret, problem)
    }
    if (user.email === undefined) return this.#failed(secret, 'no-address')
    const { path: _, keep, ...codeAlone } = secret
    const asFallback = keep === undefined ? {} : { keep: (via: Channel) => keep(via, true) }
    const second = await this.#hand({ ...codeAlone, ...asFallback }, 'code', this.#mail, user.email)
    return second === undefined ? this.#sent(secret, user.email, trouble(problem)) : this.#failed(secret, second)
  }

  /**
   * Sends a code to a mail address that is to become the user's: the address counts when the code has come back. Within the
   * same budgets as other codes.
   */
  async confirmAddress(asked: {
    readonly user: User
    readonly to: string
    readonly code: string
    readonly client: Asker
    /** As with {@link send}. */
    readonly keep: () => Promise<void>
  }): Promise<Sending> {
    const { user, to, code, client } = asked
    const lifetimeSeconds = codeLifetimeSeconds.email
    const secret: SecretToSend = { user, method: 'email', purpose: 'enrolment', code, client }
    const turn = await this.budget.takeTurn(user.id, 'code')
    if (turn !== undefined) return { outcome: 'wait', retryAfterSeconds: turn.retryAfterSeconds }
    const { network } = client
    const over = await this.budget.spend({ channel: 'email', purpose: 'code', accountId: user.id, to, network })
    if (over !== undefined) return this.#failed(secret, over)
    await asked.keep()
    try {
      await this.#track(this.#post('address-code', to, { code, minutes: lifetimeSeconds / 60 }, user))
    } catch (error) {
      if (error instanceof TransportError) return this.#failed(secret, error)
      throw error
    }
    await this.#write(secret, { event: 'code.sent', outcome: 'success', details: { via: 'email' } })
    return { outcome: 'sent', via: 'email', to: mask(to), lifetimeSeconds }
  }

  /**
   * Mail to somebody who asked for help with signing in. Never throws, and tells the caller nothing: what the page says must
   * not depend on it. Not to be waited for before answering.
   */
  async help<Name extends 'usernames' | 'no-account' | 'login-link'>(
    name: Name,
    asked: {
      readonly to: string
      readonly username?: string
      readonly client: Asker
      readonly values: Mails[Name]
      /** Of an account whose mailbox was proved to be the asker's: not counted with what strangers ask for. */
      readonly accountId?: string
      /** Called once it may be sent, before it is handed over. Not called where nothing is sent. */
      readonly keep?: () => Promise<void>
    },
  ): Promise<void> {
    await this.#quietly(name, async () => {
      const { to, username = '', client, values, accountId, keep } = asked
      const { network } = client
      const whose = accountId === undefined ? { purpose: 'help' as const } : { purpose: 'link' as const, accountId }
      const over = await this.budget.spend({ channel: 'email', ...whose, to, network })
      if (over !== undefined) return
      await keep?.()
      await this.#post(name, to, values, { username })
    })
  }

  /** A login link that support sends. @returns whether the mail server took it over */
  async loginLink(
    user: User,
    { path, minutes }: { readonly path: string; readonly minutes: number },
  ): Promise<boolean> {
    const { email } = user
    if (email === undefined) return false
    const values = { link: this.link(path), minutes, bySupport: true }
    return this.#quietly('login-link', () => this.#post('login-link', email, values, { username: user.username }))
  }

  /** A mail to an owner about what needs looking at. @returns whether the mail server took it over */
  async ownerAlert(
    { email, username }: Pick<User, 'username' | 'email'>,
    values: Mails['owner-alert'],
  ): Promise<boolean> {
    if (email === undefined) return false
    return this.#quietly('owner-alert', () => this.#post('owner-alert', email, values, { username }))
  }

  /** Tells a user what happened to the account, at most ten times an hour for each kind. Never throws: it has happened. */
  async notify<Name extends Notice>(
    name: Name,
    about: {
      readonly user: Pick<User, 'id' | 'username' | 'email'>
      readonly values: Mails[Name]
      readonly client?: Asker
      readonly notMe?: string
      /** In place of the user's own address, as when that was changed. */
      readonly to?: string
    },
  ): Promise<void> {
    await this.#quietly(name, async () => {
      const { user, values, to = user.email } = about
      if (to === undefined) return
      const windows = [{ seconds: 60 * 60, count: 10 }]
      if ((await this.#notices.take(`sending/notice/${name}/${user.id}`, windows)) !== undefined) return
      await this.#post(name, to, values, { ...about, username: user.username })
    })
  }

  /**
   * A message of support's. `[loginLink]` becomes the link in the user's mail only: copies keep the word, for whoever reads
   * one must not be able to sign in as the user.
   * @param message.path of the link, under the prefix
   * @returns whether it went to the user, and how many copies went out
   */
  async supportMessage(message: {
    readonly user: User
    readonly title: string
    readonly text: string
    readonly path: string
    readonly copies: readonly string[]
  }): Promise<{ readonly user: boolean; readonly copies: number }> {
    const { user, title, path } = message
    const text = message.text.replace(/[\x00-\x09\x0b-\x1f\x7f]+/g, ' ')
    const last = text.split('[loginLink]').length - 1
    const parts = text.split('[loginLink]').map((piece, i) => ({ text: piece, link: i < last ? this.link(path) : '' }))
    const post = (to: string, what: typeof parts) =>
      this.#quietly('support-message', () => this.#post('support-message', to, { title, parts: what }, user))
    const toUser = user.email !== undefined && (await post(user.email, parts))
    const others = message.copies.filter((to) => to.toLowerCase() !== user.email?.toLowerCase())
    const copies = await Promise.all(others.map((to) => post(to, [{ text, link: '' }])))
    return { user: toUser, copies: copies.filter(Boolean).length }
  }

  /** Resolves when nothing is on its way any more: the gateway stops after that. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.allSettled(this.#underway)
  }

  async #hand(
    secret: SecretToSend,
    purpose: 'code' | 'link' | 'help',
    way: Delivery<FactorMessage>,
    to: string,
  ): Promise<Problem | undefined> {
    const { network } = secret.client
    const over = await this.budget.spend({ channel: channelOf(to), purpose, accountId: secret.user.id, to, network })
    if (over !== undefined) return over
    const message = this.#wording.secret(secret, to)
    await secret.keep?.(channelOf(to), false)
    try {
      await this.#track(way.send(message))
      return undefined
    } catch (error) {
      if (error instanceof TransportError) return error
      throw error
    }
  }

  async #sent(secret: SecretToSend, to: string, fellBack?: Trouble): Promise<Sending> {
    const via = channelOf(to)
    this.counts[via] += 1
    if (fellBack !== undefined) {
      this.counts.fallbacks += 1
      await this.#write(secret, { event: 'code.fallback', outcome: 'success', reason: fellBack, details: { via } })
    }
    await this.#write(secret, { event: 'code.sent', outcome: 'success', details: { via } })
    const sent = { outcome: 'sent', via, to: mask(to), lifetimeSeconds: codeLifetimeSeconds[via] } as const
    return fellBack === undefined ? sent : { ...sent, fellBack }
  }

  async #failed(secret: SecretToSend, problem: Problem): Promise<Sending> {
    this.counts.failures += 1
    const reason = trouble(problem)
    await this.#write(secret, { event: 'code.sent', outcome: 'refused', reason })
    if (problem === 'no-address' || problem instanceof TransportError) return { outcome: 'failed', reason }
    return { outcome: 'limited', limit: problem.limit, retryAfterSeconds: problem.retryAfterSeconds }
  }

  #write({ user, client, method }: SecretToSend, what: Parameters<Audit['record']>[0]): Promise<void> {
    return this.#parts.audit.record({ accountId: user.id, username: user.username, client, method, ...what })
  }

  async #post<Name extends MailName>(
    name: Name,
    to: string,
    values: Mails[Name],
    about: MessageCircumstances,
  ): Promise<void> {
    if (this.#mail === undefined) throw new TransportError('refused', 'There is no `mail` in the configuration')
    await this.#mail.send({ to, ...this.#wording.mail(name, values, about) })
    this.counts.email += 1
  }

  /** @returns whether it worked; what went wrong is the operator's to know */
  async #quietly(name: MailName, work: () => Promise<void>): Promise<boolean> {
    try {
      await this.#track(work())
      return true
    } catch (error) {
      this.counts.failures += 1
      const reason = error instanceof Error ? error.message : 'unknown'
      this.#parts.log.error({ mail: name, reason }, 'A mail was not sent')
      return false
    }
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#underway.add(work)
    try {
      return await work
    } finally {
      this.#underway.delete(work)
    }
  }

  #way<Message>(name: string, transport: (message: Message) => Promise<void>): Delivery<Message> {
    const { now, wait, log, audit } = this.#parts
    const changed = (state: 'down' | 'up') => {
      if (state === 'down') log.error({ dependency: name }, 'Messages do not get through; the next try is in a while')
      else log.info({ dependency: name }, 'Messages get through again')
      const outcome = state === 'down' ? 'refused' : 'success'
      const entry = audit.record({ event: `dependency.${state}`, outcome, details: { dependency: name } })
      this.#track(entry).catch(() => log.error({ dependency: name }, 'The audit entry could not be written'))
    }
    return new Delivery({ transport, now, wait, changed })
  }
}

function trouble(problem: Problem): Trouble {
  if (problem === 'no-address') return problem
  if (!(problem instanceof TransportError)) return 'over-budget'
  return problem.isOverQuota ? 'provider-quota' : problem.reason
}

/** Whether the transport itself failed. A limit is none, whoever keeps it: a stranger can use it up. */
function isFailure(problem: Problem): boolean {
  return problem instanceof TransportError && !problem.isOverQuota
}

function refuseMethod(method: string): never {
  throw new Error(`There is no method ${method} that sends anything`)
}
