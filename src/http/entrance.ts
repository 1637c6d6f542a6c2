import type { FastifyRequest } from 'fastify'
import { canonicalTarget } from '../access/canonical-target.js'
import { networkKey } from '../access/client-address.js'
import { type AccountFacts, type Decision, decide, type Outcome } from '../access/decide.js'
import { defaultRule, type Policy, type Rule } from '../access/policy.js'
import type { ClientFacts } from '../identity/client-facts.js'
import { graceLeft } from '../identity/grace.js'
import type { OpenSession } from '../identity/sessions.js'
import type { Ask, PasswordInput } from '../identity/sign-in.js'
import { accountFacts, type Gate } from './gate.js'
import type { Entrance } from './pages/parts.js'

interface Parts {
  readonly policy: Policy
  readonly gate: Pick<Gate, 'client'>
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
  readonly now: () => number
}

/** What the hosted pages ask of the gate: the same `decide()`, before there is a request to judge. */
export class SiteEntrance implements Entrance {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  client(request: FastifyRequest): ClientFacts {
    const { policy, gate } = this.#parts
    const address = gate.client(request.raw)
    const site = policy.site(request.headers.host, '/')?.host
    return {
      address: address?.text ?? 'unreadable',
      network: networkKey(address),
      userAgent: request.headers['user-agent'] ?? '',
      requestId: request.id,
      ...(site === undefined ? {} : { site }),
    }
  }

  isOnSite(request: FastifyRequest, path: string): boolean {
    return this.#parts.policy.site(request.headers.host, path) !== undefined
  }

  outcome(request: FastifyRequest, target: string, open: OpenSession): Outcome {
    const rule = this.#rule(request, target)
    return this.#decide(request, target, rule, open).outcome
  }

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

  mayPutOffEnrolment(request: FastifyRequest, target: string, open: OpenSession): boolean {
    const rule = this.#rule(request, target)
    return this.#mayWait(request, target, rule, open, this.#decide(request, target, rule, open))
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
    const path = canonicalTarget(target)?.path ?? '/'
    if (path === prefix || path.startsWith(`${prefix}/`)) return defaultRule
    const site = policy.site(request.headers.host, path)
    return site === undefined ? defaultRule : policy.rule(site, path, 'GET', gate.client(request.raw))
  }

  #decide(
    request: FastifyRequest,
    target: string,
    rule: Rule,
    open: Who,
    assumed: Partial<AccountFacts> = {},
  ): Decision {
    const { policy, gate, now } = this.#parts
    const address = gate.client(request.raw)
    const path = canonicalTarget(target)?.path ?? '/'
    const site = policy.site(request.headers.host, path)
    const { secondFactor } = policy
    const at = now()
    return decide({
      rule,
      network: policy.network(address, site),
      method: 'GET',
      path,
      address,
      account: { ...accountFacts(open, { site: site?.host, address, now: at, grace: secondFactor.grace }), ...assumed },
      session: open.session,
      secondFactor,
      now: at,
    })
  }
}

type Who = Parameters<typeof accountFacts>[0]

const asks: Readonly<Record<Outcome, Ask>> = {
  allow: 'none',
  'sign-in': 'none',
  'second-factor': 'second-factor',
  reauthenticate: 'second-factor',
  enrol: 'enrol',
  deny: 'deny',
}
