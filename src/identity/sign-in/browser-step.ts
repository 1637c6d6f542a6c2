import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../../contracts.js'
import type { Notices } from '../notices/notices.js'
import type { Confirmed, Enrolment, Enrolments } from '../second-factors/enrolments.js'
import type { Factors } from '../second-factors/factors.js'
import type { AnswerOutcome } from '../second-factors/outcomes.js'
import { type Challenge, type Enrolling, isStanding, type PendingSignIns } from '../sessions/pending-sign-ins.js'
import type { ClientFacts } from '../store/client-facts.js'
import { drawToken } from '../store/random-token.js'
import type { LivePending, PendingCheck } from './pending-check.js'

interface Parts {
  readonly enrolments: Enrolments
  readonly pending: PendingSignIns
  readonly factors: Factors
  readonly pendingCheck: PendingCheck
  readonly notices: Notices
  readonly now: () => number
}

/** What is done with an instance whose first answer was right. */
type Take = (confirmed: Confirmed) => Promise<boolean>

/**
 * Factors that a script of the page asks. Each question has a nonce of its own that the gateway drew; it is taken back, by one
 * caller over all processes, before an answer to it is judged.
 */
export class BrowserStep {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Puts the question anew where the one that stands was answered, or is too old to be answered in peace. */
  async renew({ pending, account }: LivePending): Promise<void> {
    const { factors, now } = this.#parts
    const { challenge, user, via } = pending
    if (challenge === undefined || factors.inBrowser(challenge.method) === undefined || this.#isFresh(challenge)) return
    const asked = await factors.ask(user, account, challenge.enrolmentId, via, now())
    if (asked === undefined) return
    // Two tabs at once: the question that was kept is the one to show.
    await this.#parts.pending.change(pending, (at) =>
      at.challenge?.method === asked.method && this.#isFresh(at.challenge) ? at : { ...at, challenge: asked },
    )
  }

  /** A new secret and its question, or what was shown to this pending sign-in a moment ago. */
  async begin({ pending, account }: LivePending, method: string, isRenewed: boolean): Promise<Enrolling | undefined> {
    const { factors, now } = this.#parts
    const factor = factors.inBrowser(method)
    if (factor === undefined) return undefined
    const { enrolling } = pending
    if (enrolling?.method === method && (!isRenewed || this.#isFresh(enrolling))) return enrolling
    const nonce = drawToken()
    const { secret, question } = await factor.setUp.begin(pending.user, nonce, await factors.openAll(account, method))
    const made = { method, secret, show: question, asked: { nonce, at: now() } }
    const kept = await this.#parts.pending.change(pending, (at) =>
      at.enrolling?.method === method && this.#isFresh(at.enrolling) ? at : { ...at, enrolling: made },
    )
    return kept?.enrolling
  }

  /** Judges the answer to the question that stands. */
  async answer(live: LivePending, text: string, client: ClientFacts): Promise<AnswerOutcome> {
    const { enrolments, factors, pending, pendingCheck } = this.#parts
    const { challenge, via } = live.pending
    const factor = challenge && factors.inBrowser(challenge.method)
    if (challenge === undefined || factor === undefined) return { outcome: 'expired' }
    const nonce = await this.#take(live, challenge)
    if (nonce === undefined) return { outcome: 'no-question' }
    const { method } = challenge
    return pendingCheck.finish(live, { method, text, isMade: true, client }, async (answer) => {
      const said = readJson(answer)
      const used = said === undefined ? undefined : await this.#named(live, method, factor.handleOf(said))
      const opened = used && (await enrolments.open(used, live.account))
      if (said === undefined || used === undefined || opened === undefined) return undefined
      const { name } = used
      const verdict = await factor.judge(nonce, opened.value, said, false)
      if (verdict === false) return { verdict: undefined, name }
      if ('refused' in verdict) {
        await enrolments.spend(used, answer, verdict.enrolment)
        this.#parts.notices.tell('factor-copied', { user: live.pending.user, values: { name }, client })
        return { verdict: 'copied', name }
      }
      if (factors.mustProveUser(method, via) && !verdict.provesUser) return { verdict: undefined, name }
      // Of two answers at once to what counts nothing both are good; of what counts, one.
      const grown = isDeepStrictEqual(verdict.enrolment, opened.value) ? undefined : verdict.enrolment
      if (!(await enrolments.spend(used, answer, grown, seen(used, verdict)))) return undefined
      return { verdict: () => pending.win(live.pending), name }
    })
  }

  /**
   * Judges the first answer of what is being set up.
   * @param name what the user wants to call it
   */
  async confirm<Other>(
    live: LivePending,
    { text, name, client }: { readonly text: string; readonly name: string | undefined; readonly client: ClientFacts },
    take: Take,
    instead: Other | undefined,
  ): Promise<AnswerOutcome | Other> {
    const { enrolments, factors, pending, pendingCheck } = this.#parts
    const { enrolling } = live.pending
    const factor = enrolling && factors.inBrowser(enrolling.method)
    if (enrolling === undefined || factor === undefined) return { outcome: 'expired' }
    const nonce = await this.#take(live, enrolling)
    if (nonce === undefined) return { outcome: 'no-question' }
    const { method, secret } = enrolling
    const guess = { method, text, isMade: true, client }
    return pendingCheck.finish<Other>(
      live,
      guess,
      async (answer) => {
        const said = readJson(answer)
        const made = said === undefined ? undefined : await factor.setUp.confirm(secret, nonce, said)
        if (made === undefined || made.handle.length > LONGEST_HANDLE) return undefined
        // Somebody else's as well: it was made with another nonce then, so this is an attack, or a broken device.
        if ((await enrolments.whose(method, made.handle)) !== undefined) return undefined
        const called = name ?? (await this.#freeName(live, made.about.kind ?? factor.label))
        const verdict = async () => (await pending.win(live.pending)) && take({ ...made, method, name: called })
        return { verdict, name: called }
      },
      instead,
    )
  }

  /** @returns the nonce, for the one caller that may judge an answer to it */
  async #take(live: LivePending, { asked }: Pick<Challenge, 'asked'>): Promise<string | undefined> {
    const { pending, now } = this.#parts
    if (asked === undefined || !isStanding(asked, now()) || !(await pending.take(live.pending, asked))) return undefined
    return asked.nonce
  }

  async #named({ account }: LivePending, method: string, handle: string | undefined): Promise<Enrolment | undefined> {
    if (handle === undefined) return undefined
    const all = await this.#parts.enrolments.list(account)
    return all.find((each) => each.method === method && each.handle === handle)
  }

  /** The second of a kind is called so. */
  async #freeName({ account }: LivePending, wanted: string): Promise<string> {
    const taken = new Set((await this.#parts.enrolments.list(account)).map(({ name }) => name))
    for (let count = 2; taken.has(wanted) && count <= taken.size + 1; count += 1) {
      if (!taken.has(`${wanted} ${count}`)) return `${wanted} ${count}`
    }
    return wanted
  }

  #isFresh({ asked }: Pick<Challenge, 'asked'>): boolean {
    return asked !== undefined && isStanding(asked, this.#parts.now(), SPARE_MS)
  }
}

/** What is seen of it from now on. */
export function seen({ about }: Pick<Enrolment, 'about'>, { isSynced }: { readonly isSynced?: boolean }) {
  return isSynced === undefined ? about : { ...about, isSynced }
}

/** `undefined`: no JSON. */
export function readJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** A page that is shown has a question with so much time left. */
const SPARE_MS = 90_000
const LONGEST_HANDLE = 2048
