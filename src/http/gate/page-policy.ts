import type { FastifyRequest } from 'fastify'
import { type AccountFacts, type Decision, decide, type Outcome } from '../../access/decide.js'
import { defaultRule, type Policy } from '../../access/policy.js'
import type { Portal } from '../../access/portal.js'
import type { Rule } from '../../access/rule.js'
import type { PathToRead } from '../../access/targets/path-readings.js'
import { readTarget } from '../../access/targets/read-target.js'
import { graceLeft } from '../../identity/second-factors/enrolment-grace.js'
import type { OpenSession } from '../../identity/sessions/sessions.js'
import type { Ask, PasswordInput } from '../../identity/sign-in/sign-in.js'
import type { ClientFacts } from '../../identity/store/client-facts.js'
import { readOnward } from '../portal/onward.js'
import { clientFacts } from './client-facts.js'
import { decideInput, type Who } from './decide-input.js'
import type { Gate } from './gate.js'

interface Parts {
  readonly policy: Policy
  readonly gate: Pick<Gate, 'client'>
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
  readonly portal: Portal
  readonly now: () => number
}

/** The gate's answers to the hosted pages, by the same `decide()`, before there is a request to judge. The pages decide nothing. */
export class PagePolicy {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Where the request comes from, for budgets and audit. */
  client(request: FastifyRequest): ClientFacts {
    const { policy, gate } = this.#parts
    return clientFacts(request, gate.client(request.raw), request.id, policy.site(request.headers.host, '/')?.host)
  }

  /** Tells whether an application is served at this decoded path of the host that was asked. */
  isOnSite(request: FastifyRequest, path: string): boolean {
    return this.#parts.policy.site(request.headers.host, path) !== undefined
  }

  /** Tells whether this very site answers at its own path, on the host that was asked. */
  isServedHere(request: FastifyRequest, { host, path }: { readonly host: string | undefined; readonly path: string }) {
    const site = this.#parts.policy.site(request.headers.host, path)
    return site !== undefined && site.host === host && site.path === path
  }

  /** What a GET of this target on the host that was asked would get; our own targets count as `signed-in`. */
  outcome(request: FastifyRequest, target: string, open: OpenSession): Outcome {
    const rule = this.#rule(request, target)
    return this.#decide(request, target, rule, open).outcome
  }

  /** What policy asks after a right password, on the way to this target. */
  asks(request: FastifyRequest, target: string): PasswordInput['policy'] {
    return (account, user, device) => {
      const open = { account, session: { user, passwordAt: this.#parts.now(), ...device } }
      const rule = this.#rule(request, target)
      // Who signs in on the way to a page that asks nobody wants to be signed in as everywhere else.
      const wanted = rule.access === 'public' ? defaultRule : rule
      // What is barred behind the sign-in is said there, to whoever is signed in; it does not bar the sign-in itself.
      const isBarred = this.#decide(request, target, wanted, open).outcome === 'deny'
      const judged = isBarred ? defaultRule : wanted
      const decision = this.#decide(request, target, judged, open)
      if (this.#mayWait(request, target, judged, open, decision)) return 'enrol-or-later'
      return decision.isGrace ? 'enrol' : asks[decision.outcome]
    }
  }

  /** Whether somebody without a second factor may set one up by the password alone. */
  get mayEnrolByPassword(): boolean {
    return this.#parts.policy.secondFactor.unenrolled === 'enrol'
  }

  /** Tells whether this target asks for a passkey, whatever else was given. */
  wantsPasskey(request: FastifyRequest, target: string): boolean {
    const rule = this.#rule(request, target)
    return [rule, ...(rule.also ?? [])].some(({ proof }) => proof === 'passkey')
  }

  /** Tells whether somebody who is led to set a second factor up on the way to this target may go on without, for now. */
  mayPutOffEnrolment(request: FastifyRequest, target: string, open: OpenSession): boolean {
    const rule = this.#rule(request, target)
    return this.#mayWait(request, target, rule, open, this.#decide(request, target, rule, open))
  }

  /** Tells whether a code that goes by mail, because the text message fails, would be enough for this target. */
  isMailEnough(request: FastifyRequest, target: string, open: OpenSession): boolean {
    const { prefix, now } = this.#parts
    // Changes of the account want the proof itself, whatever a look at the page asks for.
    const { path } = this.#placeOf(request, target).target
    if (path === prefix || path.startsWith(`${prefix}/`)) return false
    const at = now()
    const session = { ...open.session, passwordAt: at, secondFactorAt: at, fellBack: true as const }
    return this.outcome(request, target, { ...open, session }) === 'allow'
  }

  /** Whether whoever is led to set a second factor up could go on without: some time is left, and this place lets it. */
  #mayWait(request: FastifyRequest, target: string, rule: Rule, open: Who, { outcome, isGrace }: Decision): boolean {
    const { policy, now } = this.#parts
    if (outcome !== 'enrol' && isGrace !== true) return false
    if (graceLeft(policy.secondFactor.grace, open.account.grace, now()) === undefined) return false
    return isGrace === true || this.#decide(request, target, rule, open, { grace: true }).outcome === 'allow'
  }

  #rule(request: FastifyRequest, target: string): Rule {
    const { policy, prefix, gate } = this.#parts
    const { host, target: wanted } = this.#placeOf(request, target)
    const { path } = wanted
    if (path === prefix || path.startsWith(`${prefix}/`)) return defaultRule
    const site = policy.site(host, path)
    return site === undefined ? defaultRule : policy.rule(site, wanted, 'GET', gate.client(request.raw))
  }

  /** What a target of ours stands for: at the portal it may be a page of another host. */
  #placeOf(
    { headers }: FastifyRequest,
    target: string,
  ): { readonly host: string | undefined; readonly target: PathToRead & object } {
    const { policy, portal, prefix } = this.#parts
    const place = readOnward(portal, prefix, target)?.place
    const host = place?.host ?? headers.host
    const read = readTarget(policy, host, place?.target ?? target)
    return { host, target: read.path === undefined ? { path: '/' } : read }
  }

  #decide(request: FastifyRequest, target: string, rule: Rule, open: Who, assumed?: Partial<AccountFacts>): Decision {
    const { policy, gate, now } = this.#parts
    const { host, target: wanted } = this.#placeOf(request, target)
    const { path } = wanted
    const site = policy.site(host, path)
    const address = gate.client(request.raw)
    return decide(decideInput(policy, { rule, site, method: 'GET', path, address, who: open, now: now() }, assumed))
  }
}

const asks: Readonly<Record<Outcome, Ask>> = {
  allow: 'none',
  'sign-in': 'none',
  'second-factor': 'second-factor',
  reauthenticate: 'second-factor',
  enrol: 'enrol',
  deny: 'deny',
}
