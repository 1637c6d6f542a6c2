import type { BrowserEnrolment, BrowserSecondFactor, Json, User } from '../src/contracts.js'
import type { SuiteTest } from './runner.js'

/** A device of the user's that answers questions a script of the page asks. */
export interface BrowserDevice {
  /** Answers the question of `setUp.begin`. */
  enrol(question: Json): Promise<Json>
  /** Answers the question of `ask`, or of `signIn.ask`. */
  answer(question: Json): Promise<Json>
}

/** What the suite needs to know of the factor it is run on. */
export interface BrowserFactorUnderTest {
  readonly user: User
  open(now: () => number): Promise<BrowserSecondFactor>
  /** A new one, which has nothing set up. */
  device(): BrowserDevice
}

const start = 1_763_000_000_000

/** What every factor promises that a script of the page asks for. Run on each such plugin of `plugins/second-factors`. */
export function browserFactorContract(t: SuiteTest, factor: BrowserFactorUnderTest): void {
  const { user } = factor
  const open = () => factor.open(() => start)

  async function enrolled(f: BrowserSecondFactor, device: BrowserDevice, others: readonly Json[] = []) {
    const nonce = nonceOf('enrol')
    const { secret, question } = await f.setUp.begin(user, nonce, others)
    const made = await f.setUp.confirm(secret, nonce, await device.enrol(question))
    if (made === undefined) throw new Error('it was not confirmed')
    return made
  }

  t.test('has a label, and keeps only JSON', async (t) => {
    const f = await open()
    t.ok(f.label.length > 0)
    t.equal(f.asks, 'browser')
    t.equal(f.available(user), true)
    const device = factor.device()
    const nonce = nonceOf('a')
    const { secret, question } = await f.setUp.begin(user, nonce, [])
    const made = (await f.setUp.confirm(secret, nonce, await device.enrol(question))) as unknown as Json
    const asked = await f.ask(user, nonce, [(made as unknown as BrowserEnrolment).enrolment], false)
    for (const kept of [secret, question, made, asked]) t.same(JSON.parse(JSON.stringify(kept)), kept)
  })

  t.test('confirms the answer to its own nonce and to no other', async (t) => {
    const f = await open()
    const device = factor.device()
    const { secret, question } = await f.setUp.begin(user, nonceOf('a'), [])
    const answer = await device.enrol(question)
    t.equal(await f.setUp.confirm(secret, nonceOf('b'), answer), undefined, 'another nonce')
    const made = await f.setUp.confirm(secret, nonceOf('a'), answer)
    t.ok(made)
    t.ok(made !== undefined && made.handle.length > 0 && made.handle.length <= 2048)
    t.equal(made?.scope, f.scope)
  })

  t.test('verifies what the device answers: to this nonce, and of this enrolment', async (t) => {
    const f = await open()
    const [device, other] = [factor.device(), factor.device()]
    const made = await enrolled(f, device)
    const foreign = await enrolled(f, other, [made.enrolment])
    t.not(foreign.handle, made.handle, 'no two have one name')
    const question = await f.ask(user, nonceOf('q'), [made.enrolment, foreign.enrolment], false)
    const answer = await device.answer(question)
    t.equal(f.handleOf(answer), made.handle)
    t.equal(await f.judge(nonceOf('r'), made.enrolment, answer, false), false, 'another nonce')
    t.equal(await f.judge(nonceOf('q'), foreign.enrolment, answer, false), false, 'the answer of another one')
    const verdict = await f.judge(nonceOf('q'), made.enrolment, answer, false)
    t.ok(verdict !== false && 'provesUser' in verdict)
  })

  t.test('a question in place of a sign-in is answered by what was set up', async (t) => {
    const f = await open()
    if (f.signIn === undefined) return
    const device = factor.device()
    const made = await enrolled(f, device)
    const answer = await device.answer(f.signIn.ask(nonceOf('s')))
    t.equal(f.handleOf(answer), made.handle)
    t.not(await f.judge(nonceOf('s'), made.enrolment, answer, true), false)
    t.equal(await f.judge(nonceOf('t'), made.enrolment, answer, true), false, 'another nonce')
  })

  t.test('anything else is no, never an error', async (t) => {
    const f = await open()
    const device = factor.device()
    const made = await enrolled(f, device)
    const nonce = nonceOf('q')
    const { secret, question } = await f.setUp.begin(user, nonce, [])
    const right = await device.answer(await f.ask(user, nonce, [made.enrolment], false))
    const nonsense: Json[] = [null, true, 0, '', 'x', [], {}, { id: made.handle }, JSON.stringify(right)]
    for (const answer of [...nonsense, ...spoiled(right), ...spoiled(await factor.device().enrol(question))]) {
      t.equal(await f.judge(nonce, made.enrolment, answer, false), false, JSON.stringify(answer).slice(0, 60))
    }
    for (const answer of [...nonsense, right, ...spoiled(right)]) {
      t.equal(await f.setUp.confirm(secret, nonce, answer), undefined, JSON.stringify(answer).slice(0, 60))
      t.match(typeof f.handleOf(answer), /^(string|undefined)$/)
    }
  })
}

function nonceOf(text: string): string {
  return Buffer.from(text.padEnd(32, '.')).toString('base64url')
}

/** The answer with each of its texts emptied, cut and made long. */
function spoiled(answer: Json): Json[] {
  const found: Json[] = []
  const walk = (value: Json, put: (value: Json) => Json): void => {
    if (typeof value === 'string') {
      for (const text of ['', value.slice(0, -3), `${value.slice(0, 8)}!`, 'A'.repeat(100_000), '\ud800']) {
        if (text !== value) found.push(put(text))
      }
      found.push(put(7), put(null), put({}))
      return
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'userHandle') continue
      walk(inner as Json, (changed) => put({ ...value, [name]: changed }))
    }
  }
  walk(answer, (changed) => changed)
  return found
}
