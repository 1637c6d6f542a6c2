import type { DeniedRequests } from '../../audit/denied-requests.js'
import type { SpentForms } from '../../identity/attempts/spent-forms.js'
import type { ClientFacts } from '../../identity/store/client-facts.js'
import type { UnprovenBudget } from '../../messages/unproven-budget.js'
import { FormTokens, LIFETIME_SECONDS } from '../web/form-token.js'
import { StrangerLimits, type StrangerRoute } from './stranger-limits.js'

interface Parts {
  readonly unproven: Pick<UnprovenBudget, 'look' | 'take'>
  readonly spentForms: Pick<SpentForms, 'spend'>
  readonly formTokens: Pick<FormTokens, 'ageSeconds'>
  readonly refusals?: Pick<DeniedRequests, 'condense'> | undefined
  readonly now: () => number
}

/** Why something that anybody may ask for is not done now. */
export type NotNow =
  /** Too much was asked for, by this network or by all. The form is as good as it was. */
  | { readonly why: 'busy' | 'early'; readonly retryAfterSeconds: number }
  /** The form was sent before. */
  | { readonly why: 'spent' }

/**
 * What somebody may do at our pages who has proved nothing. Attackers ask without end: for each thing that costs a mail, an
 * entry in the audit or a write there is a limit by network before any of it happens, and what is over it is written down in
 * numbers.
 */
export class Strangers {
  readonly #parts: Parts
  readonly #limits: StrangerLimits

  constructor(parts: Parts) {
    this.#parts = parts
    this.#limits = new StrangerLimits(parts)
  }

  /**
   * To be asked first: it looks at the memory of this process alone.
   * @returns seconds until the network may go on; `undefined`: now
   */
  enter(route: StrangerRoute, client: ClientFacts): number | undefined {
    const wait = this.#limits.take(route, client.network)
    if (wait !== undefined) this.#note(route, 'network rate', client)
    return wait
  }

  /**
   * Whether a mail may be asked for now, by a form whose token was checked. The token is used up where it may, so each mail
   * takes a form of its own. A form that is too young is kept: with the same token it is old enough in a moment.
   * @throws `store.unavailable`
   */
  async ask(route: StrangerRoute, token: string, client: ClientFacts): Promise<NotNow | undefined> {
    const { unproven, spentForms, formTokens } = this.#parts
    const held = await unproven.look(client.network, formTokens.ageSeconds(token))
    // People are quick, and use the back button: neither is written down.
    if (held?.limit === 'early') return { why: 'early', retryAfterSeconds: held.retryAfterSeconds }
    if (held !== undefined) {
      this.#note(route, `${held.limit} limit`, client)
      return { why: 'busy', retryAfterSeconds: held.retryAfterSeconds }
    }
    if (!(await spentForms.spend(FormTokens.nameOf(token), LIFETIME_SECONDS))) return { why: 'spent' }
    const over = await unproven.take(client.network)
    if (over === undefined) return undefined
    this.#note(route, `${over.limit} limit`, client)
    return { why: 'busy', retryAfterSeconds: over.retryAfterSeconds }
  }

  #note(method: StrangerRoute, reason: string, client: ClientFacts): void {
    const kind = `${client.network} ${method} ${reason}`
    this.#parts.refusals?.condense(kind, { event: 'access.denied', outcome: 'refused', client, method, reason })
  }
}
