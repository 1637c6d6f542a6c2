import type { IncomingMessage } from 'node:http'
import { type Address, type AddressRanges, clientAddress, linesOf, parseAddress } from '../../access/client-address.js'
import { type Decision, decide, type SessionFacts } from '../../access/decide.js'
import { defaultRule, type Policy, type Site, type SiteSettings } from '../../access/policy.js'
import type { Portal } from '../../access/portal.js'
import type { Rule } from '../../access/rule.js'
import type { Outside, ScopeSettings } from '../../access/scope.js'
import { type CanonicalTarget, maximumOwnLength } from '../../access/targets/canonical-target.js'
import { OwnPrefix } from '../../access/targets/own-prefix.js'
import { readTarget, type Unread } from '../../access/targets/read-target.js'
import type { Spelling } from '../../access/targets/spellings.js'
import type { WellKnown } from '../../access/well-known.js'
import type { User } from '../../contracts.js'
import { type ErrorCode, GatelodgeError } from '../../errors.js'
import type { ApiClientRequest } from '../../identity/api-clients/api-clients.js'
import { People } from '../upstream/people.js'
import type { Cookies } from '../web/cookies.js'
import { type AccountRecord, accountFacts } from './account-facts.js'
import { clientFacts } from './client-facts.js'
import { decideInput } from './decide-input.js'
import type { IgnoredForwarding } from './ignored-forwarding.js'
import { overridesOf } from './method-override.js'
import { preflightRule } from './preflight.js'
import { scopedRequest, scopeOf } from './token-scope.js'
import { type Destination, destinationsOf } from './webdav-destination.js'

export { isPageLoad } from '../web/request-kind.js'

/** A session that opens something now, as `Sessions.find` of the identity room gives it. */
export interface GateSession {
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
  known?(token: string, host?: string): GateSession | undefined
  /**
   * @param host the token is a branch's: it opens something at this host alone
   * @throws when the store cannot be asked
   */
  find(token: string | undefined, host?: string): Promise<GateSession | undefined>
}

/** A program that opens something now, as `Programs.find` of the identity room gives it. */
export interface OpenApiClient extends GateSession {
  /** Present when it came with an app token. */
  readonly token?: { readonly scopes: ScopeSettings; readonly admin: boolean } | undefined
  /** Said with the answer, in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The same again, for what is still under way. `undefined`: it has ended. */
  still?(): Promise<OpenApiClient | undefined>
}

/** Finds the program behind `Authorization`, on rules for programs: API accounts and application tokens. */
export type ApiClientFinder = (authorization: string, request: ApiClientRequest) => Promise<OpenApiClient | undefined>

/** What is to be done with a request. */
export type Verdict<S extends SiteSettings = SiteSettings> = Own | Refused<S> | Judged<S>

/** For the gateway's own pages. */
export interface Own {
  readonly kind: 'own'
  readonly target: CanonicalTarget
  readonly client: Address | undefined
}

/** Nothing that could be judged. */
export interface Refused<S extends SiteSettings = SiteSettings> {
  readonly kind: 'refused'
  readonly error: ErrorCode
  /** Where it could have been judged if its site let such paths pass. */
  readonly spelling?: { readonly site: Site<S>; readonly key: Spelling }
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
  readonly session?: GateSession | undefined
  /** A program: it sent credentials for us. */
  readonly program?: boolean
  /** It sent them in the header of our own, right or wrong: `Authorization` is the application's. */
  readonly ownHeader?: boolean
  /** What of the request the scope of its token does not reach. */
  readonly outside?: Outside | undefined
  /** Said with the answer, in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * On a site that is only observed: what the request would have met, and who it came from. It passes, and nobody is said to be
   * behind it.
   */
  readonly observed?: { readonly decision: Decision; readonly session: GateSession | undefined }
}

export interface GateParts<S extends SiteSettings> {
  readonly policy: Policy<S>
  readonly sessions: SessionFinder
  readonly programs?: ApiClientFinder | undefined
  readonly trusted: AddressRanges
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
  /** Which hosts own pages are served under; any, and every host for itself, where there is none. */
  readonly portal?: Portal | undefined
  /** Paths outside of the prefix that are ours. */
  readonly wellKnown?: WellKnown | undefined
  readonly cookies: Cookies
  /** Of the header for app tokens beside `Authorization`, in lower case. */
  readonly tokenHeader?: string | undefined
  readonly now: () => number
  /** Told of a proxy that nobody trusts. */
  readonly ignored?: IgnoredForwarding | undefined
  /** In place of the one there is, for whoever wants to see what it is asked. */
  readonly decide?: typeof decide
}

/** Judges a request by its head, before anything of its body is read. Decides nothing itself: `decide` does. */
export class Gate<S extends SiteSettings = SiteSettings> {
  readonly #parts: GateParts<S>
  /** Who sent requests with credentials, which are costly to look at again while the request lasts. */
  readonly #programs = new WeakMap<Judgeable, OpenApiClient>()

  readonly #decide: typeof decide

  readonly #question: Own
  readonly #own: OwnPrefix
  readonly #ownStart: string

  /** Tells apart who comes over one client connection. */
  readonly people: People

  constructor(parts: GateParts<S>) {
    this.#parts = parts
    this.#decide = parts.decide ?? decide
    this.people = new People(parts.cookies, parts.trusted)
    this.#own = new OwnPrefix(parts.prefix)
    this.#ownStart = `${parts.prefix}/`
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
    const { policy, portal, wellKnown } = this.#parts
    const raw = rawTarget(request)
    // What a proxy asks about is judged by what it says in the headers or behind this address, and not by the address itself.
    if (isQuestion(raw, this.#question.target.forward)) return this.#question
    const longest = raw.startsWith(this.#ownStart) ? maximumOwnLength : undefined
    const target = readTarget(policy, request.headers.host, raw, longest)
    if (target.path === undefined) return unreadable(target)
    const client = this.client(request)
    const { path } = target
    const place = this.#own.placeOf(target)
    if (place === 'alias') return { kind: 'refused', error: 'request.target' }
    if (place === 'own') return this.#judgeOwn(request, target, client)
    const isWellKnown = wellKnown?.has(request.method, request.headers.host, path) && isPlain(target)
    if (isWellKnown) return this.#judgeOwn(request, target, client)
    const site = policy.site(request.headers.host, path)
    if (site === undefined) {
      const isStart = path === '/' && portal?.startsAt(request.headers.host) === true
      return isStart ? this.#judgeOwn(request, target, client) : { kind: 'refused', error: 'site.unknown' }
    }
    const overrides = overridesOf(request)
    if (overrides === undefined) return { kind: 'refused', error: 'request.method-override' }
    const destinations = destinationsOf(policy, request, site, overrides)
    if (destinations === 'unclear') return { kind: 'refused', error: 'request.target' }
    const own = this.#ruleOf(site, target, request, client, overrides)
    const rule =
      destinations.length === 0 ? own : allOf([own, ...this.#rulesOfWriting(request, overrides, destinations, client)])
    const facts = { site, rule, target, client, requestId, isUnderWay, overrides, destinations }
    if (needsNobody(rule)) return this.#judged(request, facts, undefined)
    return this.#judgeKnown(request, facts)
  }

  #ruleOf(
    site: Site<S>,
    target: CanonicalTarget,
    request: Judgeable,
    client: Address | undefined,
    overrides: readonly string[],
  ): Rule {
    const { policy } = this.#parts
    const method = request.method ?? ''
    if (overrides.length > 0) {
      return allOf([method, ...overrides].map((each) => policy.rule(site, target, each, client)))
    }
    return preflightRule(policy, site, target, request, client) ?? policy.rule(site, target, method, client)
  }

  /** What is moved there is written there: as with `PUT`, whichever of the methods a rule names. */
  #rulesOfWriting(
    { method = '' }: Judgeable,
    overrides: readonly string[],
    destinations: readonly Destination<S>[],
    client: Address | undefined,
  ): readonly Rule[] {
    const methods = [method, ...overrides, 'PUT']
    return destinations.flatMap(({ site, target }) => {
      return methods.map((each) => this.#parts.policy.rule(site, target, each, client))
    })
  }

  /** Whether the browser sent a cookie of a session, whatever it is worth. */
  sendsSession({ headers }: Pick<Judgeable, 'headers'>): boolean {
    const { cookies } = this.#parts
    return cookies.read(headers.cookie, cookies.names.session) !== undefined
  }

  /** Who sent it: from the socket, or whom trusted proxies name. `undefined`: it cannot be read. */
  client(request: Judgeable): Address | undefined {
    const peer = request.socket.remoteAddress
    const forwarded = request.headers['x-forwarded-for']
    if (forwarded !== undefined) {
      const { trusted, ignored } = this.#parts
      const client = clientAddress(peer, linesOf(forwarded), trusted)
      if (ignored?.isDone === false && client !== undefined && isPeer(client, peer) && !trusted.has(client))
        ignored.note(client)
      return client
    }
    return peer === undefined ? undefined : parseAddress(peer)
  }

  /** Nothing of ours answers to a host that is none of ours, but for what machines ask. */
  #judgeOwn({ headers }: Judgeable, target: CanonicalTarget, client: Address | undefined): Own | Refused<S> {
    const { policy, prefix, portal } = this.#parts
    const page = target.path.slice(prefix.length)
    if (isForMachines(page)) return { kind: 'own', target, client }
    if (portal?.serves(headers.host) === false && page !== JWKS) return { kind: 'refused', error: 'site.unknown' }
    const network = policy.networkOfOwnPages(client, headers.host)
    return network?.access === 'deny' ? { kind: 'refused', error: 'access.denied' } : { kind: 'own', target, client }
  }

  #judgeKnown(request: Judgeable, facts: RequestFacts<S>): Judged<S> | Promise<Judged<S>> {
    const { cookies, sessions, portal } = this.#parts
    const token = cookies.read(request.headers.cookie, cookies.names.session)
    if (token === undefined) return this.#judgeUnknown(request, facts)
    const host = portal?.branchHost(facts.site.host)
    const known = sessions.known?.(token, host)
    if (known !== undefined) return this.#judged(request, facts, known)
    return sessions.find(token, host).then((session) => {
      return session === undefined ? this.#judgeUnknown(request, facts) : this.#judged(request, facts, session)
    })
  }

  /** Nobody by the cookie; on rules for programs there may be one by `Authorization`. */
  #judgeUnknown(request: Judgeable, facts: RequestFacts<S>): Judged<S> | Promise<Judged<S>> {
    const { programs, tokenHeader } = this.#parts
    // As a token and never as a password: nothing else is looked for under this name.
    const own = tokenHeader === undefined ? undefined : request.headers[tokenHeader]
    const authorization = own === undefined ? request.headers.authorization : `Bearer ${own}`
    if (authorization === undefined || facts.rule.clients !== 'api' || programs === undefined) {
      return this.#judged(request, facts, undefined)
    }
    const ownHeader = own !== undefined
    const known = this.#programs.get(request)
    const found = known?.still?.() ?? programs(authorization, this.#programRequest(request, facts))
    // Where everything passes, nobody is turned away for what may be the application's own credentials.
    const seen = facts.site.settings.enforce === false ? found.catch(withoutThrottle) : found
    return seen.then((program) => {
      if (program === undefined) return { ...this.#judged(request, facts, undefined), ownHeader }
      this.#programs.set(request, program)
      return { ...this.#judgedProgram(request, facts, program), ownHeader }
    })
  }

  #programRequest(request: Judgeable, { site, client, requestId, isUnderWay }: RequestFacts<S>): ApiClientRequest {
    return {
      isUnderWay,
      client: clientFacts(request, client, requestId, site.host),
      mayUsePassword: (account, user) => {
        const circumstances = { site: site.host, address: client, now: this.#parts.now() }
        const { role, exempt } = accountFacts({ account, session: { user } }, circumstances)
        return role === 'api' || exempt === true
      },
    }
  }

  #judgedProgram(request: Judgeable, facts: RequestFacts<S>, program: OpenApiClient): Judged<S> {
    const { token, headers } = program
    const scope = token && scopeOf(token)
    const asked = scopedRequest(request, facts)
    const methods = [asked.method, ...facts.overrides]
    const all = methods.map((method) => ({ ...asked, method }))
    for (const { host, target } of facts.destinations) {
      all.push(...methods.map((method) => ({ ...asked, host, method, path: target.path, ways: target.ways })))
    }
    const outside = scope && all.map((each) => scope.outside(each)).find((part) => part !== undefined)
    const session = outside === undefined ? program.session : { ...program.session, outside }
    const judged = this.#judged(request, facts, { session, account: program.account })
    return { ...judged, program: true, outside, headers }
  }

  #judged(request: Judgeable, facts: RequestFacts<S>, session: GateSession | undefined): Judged<S> {
    const { policy, now } = this.#parts
    const { site, rule, target, client } = facts
    const { path } = target
    const asked = { rule, site, method: request.method ?? '', path, address: client, who: session, now: now() }
    const decision = this.#decide(decideInput(policy, asked))
    if (decision.outcome !== 'allow' && site.settings.enforce === false) {
      // Whoever is not let in by what was decided must not be named to the application as if they were.
      const passes: Decision = { ...decision, outcome: 'allow' }
      const observed = { decision, session }
      return { kind: 'judged', site, rule, target, client, decision: passes, session: undefined, observed }
    }
    return { kind: 'judged', site, rule, target, client, decision, session }
  }
}

/** By what an operator would have to let pass. */
const spelled = {
  encodedSlash: 'request.encoded-slash',
  emptySegment: 'request.empty-segment',
  backslash: 'request.backslash',
  doubleEscape: 'request.double-escape',
} as const satisfies Record<Spelling, ErrorCode>

function unreadable<S extends SiteSettings>({ site, spelling: key }: Unread<S>): Refused<S> {
  if (site === undefined || key === undefined) return { kind: 'refused', error: 'request.target' }
  return { kind: 'refused', error: spelled[key], spelling: { site, key } }
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
  /** Methods that headers say it really has. */
  readonly overrides: readonly string[]
  /** What it writes besides. */
  readonly destinations: readonly Destination<S>[]
}

/** A rule that lets pass what all of these do. */
function allOf(rules: readonly Rule[]): Rule {
  const [rule = defaultRule, ...also] = new Set(rules.flatMap((each) => [each, ...(each.also ?? [])]))
  return also.length === 0 ? rule : { ...rule, also }
}

/** The request target as it came: the router may have been given another one to go by. */
export function rawTarget(request: Pick<IncomingMessage, 'url'> & { readonly originalUrl?: string }): string {
  return request.originalUrl ?? request.url ?? ''
}

/** Public keys: applications fetch them by whatever name they know this server. */
const JWKS = '/jwks.json'

/**
 * Asked by load balancers, container engines and proxies in front, which no rule about clients is meant for. What a proxy
 * asks about is judged with the address of its client.
 */
function isForMachines(path: string): boolean {
  return path === '/healthz' || path === '/readyz' || isForwardAuth(path)
}

function isQuestion(raw: string, question: string): boolean {
  return raw.startsWith(question) && (raw.length === question.length || raw[question.length] === '/')
}

/** @param path under our prefix */
export function isForwardAuth(path: string): boolean {
  return path === '/forward-auth' || path.startsWith('/forward-auth/')
}

/** Written as it is read: of another spelling the application may make something else. */
function isPlain({ forward, path, query, ways }: CanonicalTarget): boolean {
  return ways === undefined && forward.slice(0, forward.length - query.length) === path
}

function needsNobody({ access, also }: Rule): boolean {
  if (access !== 'public' && access !== 'deny') return false
  return also === undefined || also.every(needsNobody)
}

function isPeer(client: Address, peer: string | undefined): boolean {
  return peer !== undefined && client === parseAddress(peer)
}
