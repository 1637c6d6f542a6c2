import type { CheckedSecondFactor, Json, User } from '../src/contracts.js'
import type { SuiteTest } from './runner.js'

/** What the suite needs to know of the factor it is run on. */
export interface CheckedFactorUnderTest {
  readonly user: User
  open(now: () => number): Promise<CheckedSecondFactor>
  /** What the user's device answers now. */
  answer(secret: Json, challenge: Json, now: number): Promise<string>
  /** How long until the device has another answer. */
  readonly nextAnswerMs: number
}

const start = 1_763_000_000_000

/** What every factor promises that judges answers itself. Run on each such plugin of `plugins/second-factors`. */
export function checkedFactorContract(t: SuiteTest, factor: CheckedFactorUnderTest): void {
  const open = async (now: () => number = () => start) => {
    const f = await factor.open(now)
    const { secret, show } = await f.enrol.begin(factor.user)
    return { f, secret, show }
  }

  t.test('has a label, and keeps only JSON', async (t) => {
    const { f, secret, show } = await open()
    t.ok(f.label.length > 0)
    t.equal(f.available(factor.user), true)
    const enrolment = await f.enrol.confirm(secret, await factor.answer(secret, null, start))
    for (const kept of [secret, show, enrolment, await f.begin(factor.user, enrolment ?? null)]) {
      t.same(JSON.parse(JSON.stringify(kept)), kept)
    }
  })

  t.test('every enrolment has a secret of its own', async (t) => {
    const { f } = await open()
    const secrets = await Promise.all(Array.from({ length: 20 }, () => f.enrol.begin(factor.user)))
    t.equal(new Set(secrets.map(({ secret }) => JSON.stringify(secret))).size, 20)
  })

  t.test('confirms by a right answer and by no other', async (t) => {
    const { f, secret } = await open()
    const { secret: other } = await f.enrol.begin(factor.user)
    t.equal(await f.enrol.confirm(secret, await factor.answer(other, null, start)), undefined)
    t.ok(await f.enrol.confirm(secret, await factor.answer(secret, null, start)))
  })

  t.test('verifies what the device answers; an answer is good once', async (t) => {
    let now = start
    const { f, secret } = await open(() => now)
    const first = await factor.answer(secret, null, now)
    const enrolment = await f.enrol.confirm(secret, first)
    if (enrolment === undefined) throw new Error('it was not confirmed')
    t.equal(await f.verify(await f.begin(factor.user, enrolment), enrolment, first), false, 'used up by confirming')
    now += factor.nextAnswerMs
    const challenge = await f.begin(factor.user, enrolment)
    const answer = await factor.answer(secret, challenge, now)
    const verdict = await f.verify(challenge, enrolment, answer)
    if (typeof verdict === 'boolean') throw new Error('a factor that counts says what the enrolment becomes')
    t.equal(await f.verify(challenge, verdict.enrolment, answer), false, 'used up by verifying')
  })

  t.test('anything else is no, never an error', async (t) => {
    const { f, secret } = await open()
    const enrolment = await f.enrol.confirm(secret, await factor.answer(secret, null, start))
    if (enrolment === undefined) throw new Error('it was not confirmed')
    const nonsense = [
      '',
      ' ',
      '0',
      '12345',
      '1234567',
      '000000',
      'abcdef',
      '١٢٣٤٥٦',
      '1e5',
      '0x1234',
      '-12345',
      '+12345',
    ]
    for (const answer of [...nonsense, '123 45', '12345\u0000', '{}', 'null', 'x'.repeat(100_000), '\ud800']) {
      t.equal(await f.verify(null, enrolment, answer), false, JSON.stringify(answer.slice(0, 20)))
      t.equal(await f.enrol.confirm(secret, answer), undefined)
    }
  })
}
