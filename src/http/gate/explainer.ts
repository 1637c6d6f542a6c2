import { AddressRanges } from '../../access/client-address.js'
import { type DecideInput, decide, type SessionFacts } from '../../access/decide.js'
import { type Explanation, explain } from '../../access/explain.js'
import type { Policy } from '../../access/policy.js'
import type { Portal } from '../../access/portal.js'
import type { Outside } from '../../access/scope.js'
import type { User } from '../../contracts.js'
import { type ErrorCode, errors } from '../../errors.js'
import { Cookies } from '../web/cookies.js'
import type { AccountRecord } from './account-facts.js'
import { Gate, type GateSession, type OpenApiClient } from './gate.js'
import { refusalOf } from './refusal.js'
import { scopeOf } from './token-scope.js'
import { waySteps } from './way-through-portal.js'

/** A request nobody has sent. */
export interface ImaginedRequest {
  readonly method: string
  /** As it would be sent: port and all. */
  readonly host: string
  /** The request target, byte for byte. */
  readonly target: string
  /** Where the client is; `undefined`: an address that cannot be read. */
  readonly address: string | undefined
  /** Who it is, and what they are assumed to have proven; without a session, they have proven nothing yet. */
  readonly who?: {
    readonly user: User
    readonly account: AccountRecord
    readonly session?: SessionFacts
    /** Left out, with a session that came by one: a token without limits. */
    readonly token?: NonNullable<OpenApiClient['token']>
  }
  /** ms since 1970. */
  readonly at: number
}

/** What the gate would make of it. */
export type Explained =
  | { readonly kind: 'refused'; readonly error: ErrorCode; readonly status: number; readonly sentence: string }
  | { readonly kind: 'own' }
  | {
      readonly kind: 'judged'
      readonly site: { readonly host: string; readonly path: string; readonly line: number; readonly enforced: boolean }
      readonly explanation: Explanation
      /** Where a browser without a session is led, a step each. None: it stays on this host, or it is no page load. */
      readonly way: readonly string[]
      /** What `decide` was asked. */
      readonly input: DecideInput
      /** What of the request the token does not reach. */
      readonly outside: readonly Outside[]
    }

/**
 * Asks the gate itself, with somebody assumed to be behind the request, and listens to what the gate asks `decide`: so what
 * is explained is what happens.
 */
export class Explainer {
  readonly #policy: Policy
  readonly #prefix: string
  readonly #portal: Portal | undefined

  constructor({ policy, prefix, portal }: { policy: Policy; prefix: string; portal?: Portal }) {
    this.#policy = policy
    this.#portal = portal
    this.#prefix = prefix
  }

  async explain(request: ImaginedRequest): Promise<Explained> {
    const { who, method, host, target, address, at } = request
    let asked: DecideInput | undefined
    const proven = who && assumed({ ...who, session: who.session ?? { passwordAt: at } })
    const isProgram = who !== undefined && (who.session?.token === true || who.account.role === 'api')
    const cookies = new Cookies({ secure: false })
    const gate = new Gate({
      policy: this.#policy,
      prefix: this.#prefix,
      portal: this.#portal,
      cookies,
      trusted: AddressRanges.none,
      sessions: { find: async () => proven },
      programs: async () => proven && { ...proven, token: who?.token },
      now: () => at,
      decide: (input) => {
        asked = input
        return decide(input)
      },
    })
    const credentials = isProgram ? { authorization: 'assumed' } : { cookie: `${cookies.names.session}=assumed` }
    const headers = { host, ...(proven === undefined ? {} : credentials) }
    const verdict = await gate.judge({ method, url: target, headers, socket: { remoteAddress: address } })
    if (verdict.kind === 'own') return { kind: 'own' }
    if (verdict.kind === 'refused') return { kind: 'refused', error: verdict.error, ...errors[verdict.error] }
    if (asked === undefined) throw new Error('the gate decides by being asked')
    // Who has not proven anything yet is somebody all the same: what it takes them to get in depends on who they are.
    const input = who === undefined || who.session !== undefined ? asked : { ...asked, session: undefined }
    const { settings, host: name, path } = verdict.site
    const { path: decoded, ways } = verdict.target
    const scoped = { host, method, path: decoded, ways, address: verdict.client }
    const explanation = explain(input)
    const isPage = !isProgram && (method === 'GET' || method === 'HEAD')
    const page = isPage && settings.enforce !== false ? refusalOf(explanation.decision.outcome)?.page : undefined
    const asks = { portal: this.#portal, prefix: this.#prefix, host: name, target }
    return {
      kind: 'judged',
      way: page === undefined ? [] : waySteps({ ...asks, page }),
      site: { host: name ?? '*', path, line: settings.line, enforced: settings.enforce !== false },
      explanation,
      input,
      outside: who?.token === undefined ? [] : scopeOf(who.token).allOutside(scoped),
    }
  }
}

function assumed({
  user,
  account,
  session,
}: NonNullable<ImaginedRequest['who']> & { readonly session: SessionFacts }): GateSession {
  return { session: { ...session, id: 'assumed', user }, account }
}
