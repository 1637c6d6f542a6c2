import type { Audit } from '../../audit/audit.js'
import type { DeniedRequests } from '../../audit/denied-requests.js'
import type { AuditEntry } from '../../audit/entry.js'
import type { SecondFactor, SentSecondFactor, User, UserDirectory } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import { codeLifetimeSeconds } from '../../messages/sending.js'
import { type Account, isOff, usableEnrolments } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import { TypedNames } from '../accounts/typed-names.js'
import type { Locks } from '../attempts/locks.js'
import type { Link, LinkKind, Links, LiveLink } from '../links/links.js'
import { canUseLink } from '../links/login-links.js'
import { LOGIN_LINK } from '../second-factors/factors.js'
import type { AnswerOutcome, PasswordInput, PasswordOutcome } from '../second-factors/outcomes.js'
import type { AfterAnswer } from '../store/after-answer.js'
import type { ClientFacts } from '../store/client-facts.js'
import { nameHash } from '../store/name-hash.js'
import { hashOf } from '../store/random-token.js'
import type { SignIn } from './sign-in.js'

export interface LinkSignInParts {
  readonly links: Links
  readonly signIn: SignIn
  readonly directory: UserDirectory
  readonly byEmail?: boolean | undefined
  readonly accounts: Accounts
  /** By the name YAML gives them. */
  readonly factors: ReadonlyMap<string, SecondFactor>
  readonly messages: Pick<Messages, 'send'>
  readonly afterAnswer: AfterAnswer
  readonly audit: Audit
  readonly locks: Pick<Locks, 'liftPasswordLock'>
  /** Links that are none are sent by anybody, as often as they like: they are written down in numbers. */
  readonly refusals?: Pick<DeniedRequests, 'condense'>
}

/** What the page may show before the button is pressed. */
export type LinkView =
  | {
      /** `here`: the browser that asked. `elsewhere`: another one, which has to confirm. */
      readonly state: 'here' | 'elsewhere'
      readonly kind: LinkKind
      readonly purpose: Link['purpose']
      readonly username: string
      /** Where to go on to: as it was when the link was asked for. */
      readonly returnTo?: string
    }
  /** The second step of a sign-in in another browser: nothing can be done with it in this one. */
  | { readonly state: 'other-browser' }
  /** Expired, used, revoked or never ours. */
  | { readonly state: 'over' }

export interface Redemption {
  /** The value of this browser's pending cookie. */
  readonly pendingToken: string | undefined
  /** The visitor was told that another browser asked for it, and wants it all the same. */
  readonly isConfirmed: boolean
  readonly returnTo: string
  readonly policy: PasswordInput['policy']
  readonly client: ClientFacts
  readonly sessionToken?: string
  /** Nobody asked to be kept signed in. */
  readonly isBrief?: boolean
}

export type LinkOutcome =
  | Exclude<PasswordOutcome, { outcome: 'refused' }>
  | Extract<AnswerOutcome, { outcome: 'session' }>
  /** Nothing was done, and the link is as good as it was. */
  | { readonly outcome: 'unconfirmed' }
  | { readonly outcome: 'over' }

/** Signing in by a link: looked at as often as one likes, redeemed once. */
export class LinkSignIn {
  readonly #parts: LinkSignInParts
  readonly #method: Offered | undefined
  readonly #names: TypedNames

  constructor(parts: LinkSignInParts) {
    this.#parts = parts
    this.#method = offered(parts.factors)
    this.#names = new TypedNames(parts)
  }

  /** Whether a link may be asked for in place of the password. */
  get isOffered(): boolean {
    return this.#method !== undefined
  }

  /**
   * Mails the user a link to sign in with. Returns at once and never throws: whether there is such a user shows in the
   * mailbox and nowhere else.
   */
  askFor(
    username: string,
    asked: { readonly client: ClientFacts; readonly pendingToken: string; readonly returnTo: string },
  ): void {
    const method = this.#method
    if (method === undefined) return
    this.#parts.afterAnswer.begin('magic-link', asked.client, () => this.#mail(method, username, asked))
  }

  /** What the link would do in this browser. Changes nothing, however often: mail scanners follow links too. */
  async look(token: string, pendingToken: string | undefined): Promise<LinkView> {
    const live = await this.#parts.links.find(token)
    if (live === undefined) return { state: 'over' }
    const { link, account } = live
    const isHere = isOf(link, pendingToken)
    if (link.purpose === 'second-factor') {
      if (!isHere) return { state: 'other-browser' }
      if ((await this.#parts.signIn.pending(pendingToken))?.mode !== 'verify') return { state: 'over' }
    }
    return {
      state: isHere ? 'here' : 'elsewhere',
      kind: link.kind,
      purpose: link.purpose,
      username: account.username,
      ...(link.returnTo === undefined ? {} : { returnTo: link.returnTo }),
    }
  }

  /** Uses the link up and goes on from it, as far as policy lets it. */
  async redeem(token: string, redemption: Redemption): Promise<LinkOutcome> {
    const live = await this.#parts.links.find(token)
    if (live === undefined) return this.#refuse(redemption, 'not-live')
    const isHere = isOf(live.link, redemption.pendingToken)
    if (live.link.purpose === 'second-factor') {
      return isHere ? this.#asSecondFactor(live, redemption) : this.#refuse(redemption, 'other-browser', live)
    }
    if (!isHere && !redemption.isConfirmed) return { outcome: 'unconfirmed' }
    return this.#inPlaceOfPassword(live, redemption)
  }

  async #asSecondFactor(live: LiveLink, redemption: Redemption): Promise<LinkOutcome> {
    const { signIn, links } = this.#parts
    const { pendingToken, client } = redemption
    const method = live.link.method ?? ''
    const result = await signIn.answerByLink(pendingToken, { method, client }, () => links.win(live.link))
    if (result.outcome !== 'session') return this.#refuse(redemption, 'not-live', live)
    await this.#record('success', redemption, live)
    return result
  }

  async #inPlaceOfPassword(live: LiveLink, redemption: Redemption): Promise<LinkOutcome> {
    const { directory, links, signIn } = this.#parts
    const { link, account } = live
    const [user] = await directory.find({ id: link.accountId })
    const ask = user === undefined ? 'deny' : redemption.policy(account, user)
    // Not used up by a place it may not be used from.
    if (user === undefined || ask === 'deny') return this.#refuse(redemption, 'policy', live)
    if (!(await links.win(link))) return this.#refuse(redemption, 'not-live', live)
    await this.#record('success', redemption, live)
    await this.#liftLock(account, user, redemption)
    const { generation, installation, method } = link
    // Of somebody who has no second factor it proves none: setting one up, or a recovery code, is asked for all the same.
    const isBoth = method !== undefined && usableEnrolments(account).length > 0 && this.#countsAsBoth(method)
    const { client, returnTo, sessionToken, isBrief = false } = redemption
    return signIn.proceed({
      account: { ...account, generation },
      user,
      installation,
      method: method ?? LOGIN_LINK,
      provesBoth: isBoth,
      // What policy asks for beside the password, the link has given too.
      ask: isBoth && ask === 'second-factor' ? 'none' : ask,
      client,
      returnTo,
      isBrief,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    })
  }

  /** Whoever reads the mailbox is not who guessed. */
  async #liftLock(account: Account, { username }: User, { client }: Redemption): Promise<void> {
    if (!(await this.#parts.locks.liftPasswordLock(username))) return
    const details = { budget: 'password', until: 'link' }
    const who = { accountId: account.id, username: account.username }
    await this.#parts.audit.record({ event: 'throttle.off', outcome: 'success', client, ...who, details })
  }

  async #mail(
    { use, factor }: Offered,
    username: string,
    asked: { readonly client: ClientFacts; readonly pendingToken: string; readonly returnTo: string },
  ): Promise<void> {
    const { directory, links, messages, audit } = this.#parts
    const { client, pendingToken, returnTo } = asked
    const [user] = await directory.find({ username: await this.#names.resolve(username) })
    const account = user && (await this.#openTo(user))
    const isBarred = account === undefined || isOff(account, use)
    if (user === undefined || isBarred || factor.address(user) === undefined) {
      const who = account ? { accountId: account.id, username: account.username } : { nameHash: nameHash(username) }
      await audit.record({ event: 'code.sent', outcome: 'refused', client, method: use, ...who })
      return
    }
    const { path, keep } = links.draw()
    await messages.send({
      user,
      method: use,
      client,
      path,
      purpose: 'sign-in',
      byAnybody: true,
      keep: () =>
        keep({
          kind: 'magic',
          purpose: 'sign-in',
          account,
          browser: hashOf(pendingToken),
          method: use,
          returnTo,
          lifetimeSeconds: codeLifetimeSeconds.email,
        }),
    })
  }

  async #openTo(user: User): Promise<Account | undefined> {
    const account = await this.#parts.accounts.open(user)
    return canUseLink(account) ? account : undefined
  }

  #countsAsBoth(use: string): boolean {
    const factor = this.#parts.factors.get(use)
    return factor !== undefined && 'sends' in factor && factor.link?.countsAs === 'both'
  }

  async #refuse(redemption: Redemption, reason: string, live?: LiveLink): Promise<LinkOutcome> {
    await this.#record('refused', redemption, live, reason)
    return { outcome: 'over' }
  }

  #record(
    outcome: 'success' | 'refused',
    { client }: Redemption,
    live: LiveLink | undefined,
    reason?: string,
  ): Promise<void> {
    const { link, account } = live ?? {}
    const { audit, refusals } = this.#parts
    const entry: AuditEntry = {
      event: 'sign-in.link',
      outcome,
      client,
      ...(account === undefined ? {} : { accountId: account.id, username: account.username }),
      ...(link === undefined ? {} : { method: link.method ?? LOGIN_LINK, details: { purpose: link.purpose } }),
      ...(reason === undefined ? {} : { reason }),
    }
    if (live !== undefined || refusals === undefined) return audit.record(entry)
    refusals.condense(`${client.network} link`, entry)
    return Promise.resolve()
  }
}

interface Offered {
  readonly use: string
  readonly factor: SentSecondFactor
}

function offered(factors: ReadonlyMap<string, SecondFactor>): Offered | undefined {
  for (const [use, factor] of factors) {
    if ('sends' in factor && factor.link?.signIn === true && factor.link.countsAs !== 'second-factor') {
      return { use, factor }
    }
  }
  return undefined
}

function isOf({ browser }: Link, pendingToken: string | undefined): boolean {
  return browser !== undefined && pendingToken !== undefined && hashOf(pendingToken) === browser
}
