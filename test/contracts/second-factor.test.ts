import t from 'tap'
import totp from '../../plugins/second-factors/totp.js'
import type { CheckedSecondFactor, Json } from '../../src/contracts.js'
import { checkedFactorContract } from '../../testing/second-factor.js'
import { codeAt, START } from '../support/core.js'
import { build, lentHost } from '../support/lent-host.js'

const user = { id: '1', username: 'ada@example.com', groups: [] }
const STEP = 30_000

async function open(now: () => number, options: object = {}): Promise<CheckedSecondFactor> {
  const factor = await build(totp, options, lentHost({ now }))
  if ('sends' in factor || 'asks' in factor) throw new Error('an app judges answers itself')
  return factor
}

t.test('totp keeps the contract', async (t) => {
  checkedFactorContract(t, {
    user,
    open,
    answer: async (secret, _challenge, now) => codeAt(String(secret), now),
    nextAnswerMs: STEP,
  })
})

t.test('totp: the codes of RFC 6238, appendix B, shortened to six digits', async (t) => {
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
  const vectors = [
    [59, '287082'],
    [1111111109, '081804'],
    [1111111111, '050471'],
    [1234567890, '005924'],
    [2000000000, '279037'],
    [20000000000, '353130'],
  ] as const
  for (const [second, code] of vectors) {
    const factor = await open(() => second * 1000)
    t.same(await factor.enrol.confirm(secret, code), { secret, lastStep: Math.floor(second / 30) }, String(second))
  }
})

t.test('totp: this step and the one before; the one after by setting', async (t) => {
  for (const [options, accepted] of [
    [{}, [-1, 0]],
    [{ ahead: true }, [-1, 0, 1]],
  ] as const) {
    // At the first and at the last moment of a step.
    for (const now of [START - (START % STEP), START - (START % STEP) + STEP - 1]) {
      const factor = await open(() => now, options)
      const { secret } = await factor.enrol.begin(user)
      const right: number[] = []
      for (let step = -4; step <= 4; step += 1) {
        const enrolment = await factor.enrol.confirm(secret, codeAt(String(secret), now + step * STEP))
        if (enrolment !== undefined) right.push(step)
      }
      t.same(right, accepted)
    }
  }
})

t.test('totp: the last step only grows, and a clock set back is no error', async (t) => {
  let now = START
  const factor = await open(() => now)
  const { secret } = await factor.enrol.begin(user)
  const code = (ms: number) => codeAt(String(secret), ms)
  const step = Math.floor(START / STEP)
  t.same(await factor.verify(null, { secret, lastStep: step - 1 }, code(now)), {
    enrolment: { secret, lastStep: step },
  })
  t.equal(await factor.verify(null, { secret, lastStep: step }, code(now)), false)
  t.equal(
    await factor.verify(null, { secret, lastStep: step - 1 }, code(now - STEP)),
    false,
    'an older one after a newer',
  )
  t.equal(await factor.verify(null, { secret, lastStep: step + 1000 }, code(now)), false)
  now += STEP
  t.same(await factor.verify(null, { secret, lastStep: step - 1 }, code(START)), {
    enrolment: { secret, lastStep: step },
  })
})

t.test('totp: spaces, dashes and full-width digits are what people paste', async (t) => {
  const factor = await open(() => START)
  const { secret } = await factor.enrol.begin(user)
  const code = codeAt(String(secret), START)
  const wide = [...code].map((digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)).join('')
  for (const typed of [
    `${code.slice(0, 3)} ${code.slice(3)}`,
    `${code.slice(0, 3)}-${code.slice(3)}`,
    ` ${code}\n`,
    wide,
  ]) {
    t.ok(await factor.enrol.confirm(secret, typed), JSON.stringify(typed))
  }
})

t.test('totp: what is shown is what apps read', async (t) => {
  const factor = await open(() => START, { issuer: 'Lodge & Söhne' })
  const { secret, show } = await factor.enrol.begin(user)
  const { uri, key, qr } = show as { uri: string; key: string; qr: { size: number; path: string } }
  t.match(String(secret), /^[A-Z2-7]{32}$/, '20 bytes')
  t.equal(key.replaceAll(' ', ''), secret)
  t.match(key, /^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/)
  const parsed = new URL(uri)
  t.equal(parsed.protocol, 'otpauth:')
  t.equal(parsed.host, 'totp')
  t.equal(decodeURIComponent(parsed.pathname), '/Lodge & Söhne:ada@example.com')
  t.equal(parsed.searchParams.get('secret'), secret)
  t.equal(parsed.searchParams.get('issuer'), 'Lodge & Söhne')
  t.match(qr.path, /^(M\d+ \d+h\d+v1h-\d+z)+$/, 'path data and nothing else: it stands in an attribute')
  t.ok(qr.size >= 21 + 8)
})

t.test('totp: options that would break the label are refused', async (t) => {
  for (const options of [{ issuer: 'a:b' }, { issuer: '' }, { issuer: 'a\nb' }, { Ahead: true }, { ahead: 'yes' }]) {
    t.equal(totp.options.safeParse(options).success, false, JSON.stringify(options))
  }
  const named: Json = (await (await open(() => START)).enrol.begin({ ...user, username: 'DOM:ada' })).show
  t.match((named as { uri: string }).uri, /^otpauth:\/\/totp\/Gatelodge:DOM\.ada\?/)
})
