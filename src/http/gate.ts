import type { IncomingMessage } from 'node:http'
import { type CanonicalTarget, canonicalTarget } from '../access/canonical-target.js'
import {
  type Address,
  type AddressRanges,
  clientAddress,
  linesOf,
  networkKey,
  parseAddress,
} from '../access/client-address.js'
import { type Decision, decide, type SessionFacts } from '../access/decide.js'
import type { Policy, Rule, Site, SiteSettings } from '../access/policy.js'
import type { Outside, ScopeSettings } from '../access/scope.js'
import type { User } from '../contracts.js'
import { type ErrorCode, GatelodgeError } from '../errors.js'
import type { ProgramRequest } from '../identity/programs.js'
import { type AccountRecord, accountFacts } from './account-facts.js'
import type { Cookies } from './cookies.js'
import { preflightRule } from './preflight.js'
import { scopedRequest, scopeOf } from './token-scope.js'

export { accountFacts } from './account-facts.js'
export { isPageLoad } from './page-load.js'

/** A session that opens something now, as `Sessions.find` of the identity room gives it. */
export interface OpenSession {
  readonly session: SessionFacts & { readonly id: string; readonly user: User }
  readonly account: AccountRecord
}

/** What is judged of a request: also one that another proxy holds and only asks about. */
export type Judgeable = Pick<IncomingMessage, 'url' | 'method' | 'headers'> & {
  readonly socket: Pick<IncomingMessage['socket'], 'remoteAddress'>
}

/** Finds who is behind a request. All that the gate asks of the identity room. */
export interface SessionFinder {
  /** What `find` would give, where that is known at once. */
  known?(token: string): OpenSession | undefined
  /** @throws when the store cannot be asked */
  find(token: string | undefined): Promise<OpenSession | undefined>
}

/** A program that opens something now, as `Programs.find` of the identity room gives it. */
export interface OpenProgram extends OpenSession {
  /** Present when it came with an app token. */
  readonly token?: { readonly scopes: ScopeSettings; readonly admin: boolean } | undefined
  /** Said with the answer, in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The same again, for what is still under way. `undefined`: it has ended. */
  still?(): Promise<OpenProgram | undefined>
}

/** Finds the program behind `Authorization`, on rules for programs: API accounts and application tokens. */
export type ProgramFinder = (authorization: string, request: ProgramRequest) => Promise<OpenProgram | undefined>

/** What is to be done with a request. */
export type Verdict<S extends SiteSettings = SiteSettings> = Own | Refused | Judged<S>

/** For the gateway's own pages. */
export interface Own {
  readonly kind: 'own'
  readonly target: CanonicalTarget
  readonly client: Address | undefined
}

/** Nothing that could be judged. */
export interface Refused {
  readonly kind: 'refused'
  readonly error: ErrorCode
}

/** For an application, with the decision; only `allow` opens. */
export interface Judged<S extends SiteSettings = SiteSettings> {
  readonly kind: 'judged'
  readonly site: Site<S>
  readonly rule: Rule
  readonly target: CanonicalTarget
  readonly client: Address | undefined
  readonly decision: Decision
  /** Not looked for where nobody is asked who they are. */
  readonly session?: OpenSession | undefined
  /** `Authorization` was for us. */
  readonly program?: boolean
  /** What of the request the scope of its token does not reach. */
  readonly outside?: Outside | undefined
  /** Said with the answer, in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * On a site that is only observed: what the request would have met, and who it came from. It passes, and nobody is said to be
   * behind it.
   */
  readonly observed?: { readonly decision: Decision; readonly session: OpenSession | undefined }
}

export interface GateParts<S extends SiteSettings> {
  readonly policy: Policy<S>
  readonly sessions: SessionFinder
  readonly programs?: ProgramFinder | undefined
  readonly trusted: AddressRanges
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
  readonly cookies: Cookies
  readonly now: () => number
  /** In place of the one there is, for whoever wants to see what it is asked. */
  readonly decide?: typeof decide
}

/** Judges a request by its head, before anything of its body is read. Decides nothing itself: `decide` does. */
export class Gate<S extends SiteSettings = SiteSettings> {
  readonly #parts: GateParts<S>
  /** Who sent requests with credentials, which are costly to look at again while the request lasts. */
  readonly #programs = new WeakMap<Judgeable, OpenProgram>()

  readonly #decide: typeof decide

  readonly #question: Own

  constructor(parts: GateParts<S>) {
    this.#parts = parts
    this.#decide = parts.decide ?? decide
    const path = `${parts.prefix}/forward-auth`
    this.#question = { kind: 'own', target: { forward: path, path, query: '' }, client: undefined }
  }

  get prefix(): string {
    return this.#parts.prefix
  }

  /**
   * At once where nobody has to be known, as on public rules: those keep their speed when the store is away.
   * @param requestId for the record
   * @param isUnderWay it was let in before and is looked at again: that counts as no use of its credentials
   * @throws `store.unavailable` and its like, as a rejection: what cannot be judged does not pass
   */
  judge(request: Judgeable, requestId = '', isUnderWay = false): Verdict<S> | Promise<Verdict<S>> {
    const { policy, prefix } = this.#parts
    // What a proxy asks about is judged by what it says in the headers, and not by this address.
    if (rawTarget(request) === this.#question.target.forward) return this.#question
    const target = canonicalTarget(rawTarget(request))
    if (target === undefined) return { kind: 'refused', error: 'request.target' }
    const client = this.client(request)
    const { path } = target
    if (path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')) {
      const network = policy.networkOfOwnPages(client, request.headers.host)
      const barred = network?.access === 'deny' && !isForMachines(path.slice(prefix.length))
      return barred ? { kind: 'refused', error: 'access.denied' } : { kind: 'own', target, client }
    }
    const site = policy.site(request.headers.host, path)
    if (site === undefined) return { kind: 'refused', error: 'site.unknown' }
    const method = request.method ?? ''
    const rule = preflightRule(policy, site, path, request, client) ?? policy.rule(site, path, method, client)
    const facts = { site, rule, target, client, requestId, isUnderWay }
    if (needsNobody(rule)) return this.#judged(request, facts, undefined)
    return this.#judgeKnown(request, facts)
  }

  /** Who sent it: from the socket, or whom trusted proxies name. `undefined`: it cannot be read. */
  client(request: Judgeable): Address | undefined {
    const peer = request.socket.remoteAddress
    const forwarded = request.headers['x-forwarded-for']
    if (forwarded !== undefined) return clientAddress(peer, linesOf(forwarded), this.#parts.trusted)
    return peer === undefined ? undefined : parseAddress(peer)
  }

  #judgeKnown(request: Judgeable, facts: RequestFacts<S>): Judged<S> | Promise<Judged<S>> {
    const { cookies, sessions } = this.#parts
    const token = cookies.read(request.headers.cookie, cookies.names.session)
    if (token === undefined) return this.#judgeUnknown(request, facts)
    const known = sessions.known?.(token)
    if (known !== undefined) return this.#judged(request, facts, known)
    return sessions.find(token).then((session) => {
      return session === undefined ? this.#judgeUnknown(request, facts) : this.#judged(request, facts, session)
    })
  }

  /** Nobody by the cookie; on rules for programs there may be one by `Authorization`. */
  #judgeUnknown(request: Judgeable, facts: RequestFacts<S>): Judged<S> | Promise<Judged<S>> {
    const { authorization } = request.headers
    const { programs } = this.#parts
    if (authorization === undefined || facts.rule.clients !== 'api' || programs === undefined) {
      return this.#judged(request, facts, undefined)
    }
    const known = this.#programs.get(request)
    const found = known?.still?.() ?? programs(authorization, this.#programRequest(request, facts))
    // Where everything passes, nobody is turned away for what may be the application's own credentials.
    const seen = facts.site.settings.enforce === false ? found.catch(withoutThrottle) : found
    return seen.then((program) => {
      if (program === undefined) return this.#judged(request, facts, undefined)
      this.#programs.set(request, program)
      return this.#judgedProgram(request, facts, program)
    })
  }

  #programRequest(request: Judgeable, { site, client, requestId, isUnderWay }: RequestFacts<S>): ProgramRequest {
    return {
      isUnderWay,
      client: {
        address: client?.text ?? 'unreadable',
        network: networkKey(client),
        userAgent: request.headers['user-agent'] ?? '',
        requestId,
        ...(site.host === undefined ? {} : { site: site.host }),
      },
      mayUsePassword: (account, user) => {
        const circumstances = { site: site.host, address: client, now: this.#parts.now() }
        const { role, exempt } = accountFacts({ account, session: { user } }, circumstances)
        return role === 'api' || exempt === true
      },
    }
  }

  #judgedProgram(request: Judgeable, facts: RequestFacts<S>, program: OpenProgram): Judged<S> {
    const { token, headers } = program
    const outside = token && scopeOf(token).outside(scopedRequest(request, facts))
    const session = outside === undefined ? program.session : { ...program.session, outside }
    const judged = this.#judged(request, facts, { session, account: program.account })
    return { ...judged, program: true, outside, headers }
  }

  #judged(request: Judgeable, facts: RequestFacts<S>, session: OpenSession | undefined): Judged<S> {
    const { policy, now } = this.#parts
    const { site, rule, target, client } = facts
    const at = now()
    const decision = this.#decide({
      rule,
      network: policy.network(client, site),
      method: request.method ?? '',
      path: target.path,
      address: client,
      account:
        session &&
        accountFacts(session, { site: site.host, address: client, now: at, grace: policy.secondFactor.grace }),
      session: session?.session,
      secondFactor: policy.secondFactor,
      now: at,
    })
    if (decision.outcome !== 'allow' && site.settings.enforce === false) {
      // Whoever is not let in by what was decided must not be named to the application as if they were.
      const passes: Decision = { ...decision, outcome: 'allow' }
      const observed = { decision, session }
      return { kind: 'judged', site, rule, target, client, decision: passes, session: undefined, observed }
    }
    return { kind: 'judged', site, rule, target, client, decision, session }
  }
}

/** A program that would have been told to come again later. */
function withoutThrottle(error: unknown): undefined {
  if (error instanceof GatelodgeError && (error.statusCode === 429 || error.code === 'password.busy')) return undefined
  throw error
}

interface RequestFacts<S extends SiteSettings> {
  readonly site: Site<S>
  readonly rule: Rule
  readonly target: CanonicalTarget
  readonly client: Address | undefined
  readonly requestId: string
  readonly isUnderWay: boolean
}

/** The request target as it came: the router may have been given another one to go by. */
export function rawTarget(request: Pick<IncomingMessage, 'url'> & { readonly originalUrl?: string }): string {
  return request.originalUrl ?? request.url ?? ''
}

/**
 * Asked by load balancers, container engines and proxies in front, which no rule about clients is meant for. What a proxy
 * asks about is judged with the address of its client.
 */
function isForMachines(path: string): boolean {
  return path === '/healthz' || path === '/readyz' || isForwardAuth(path)
}

/** @param path under our prefix */
export function isForwardAuth(path: string): boolean {
  return path === '/forward-auth' || path.startsWith('/forward-auth/')
}

function needsNobody({ access, also }: Rule): boolean {
  if (access !== 'public' && access !== 'deny') return false
  return also === undefined || also.every(needsNobody)
}
