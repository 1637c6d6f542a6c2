import t from 'tap'
import totp from '../../plugins/second-factors/totp.js'
import type { CheckedSecondFactor } from '../../src/contracts.js'
import {
  build,
  checkedFactorContract,
  inRunner,
  lentHost,
  SmsProvider,
  smsTransportContract,
} from '../../testing/index.js'
import { matches } from '../../testing/matches.js'
import { codeAt } from '../support/core.js'

/** A runner as small as one can be: what it was told to run, and how each came out. */
function smallRunner() {
  const declared: { name: string; run: () => Promise<void> }[] = []
  return {
    declare: (name: string, run: () => Promise<void>) => declared.push({ name, run }),
    async failures() {
      const failed: string[] = []
      for (const { run } of declared) await run().catch((error: Error) => failed.push(error.message))
      return { declared: declared.map(({ name }) => name), failed }
    },
  }
}

async function factorSuite(spoil: (factor: CheckedSecondFactor) => CheckedSecondFactor) {
  const runner = smallRunner()
  checkedFactorContract(inRunner(runner.declare), {
    user: { id: '1', username: 'ada', groups: [] },
    open: async (now) => spoil((await build(totp, {}, lentHost({ now }))) as CheckedSecondFactor),
    answer: async (secret, _challenge, now) => codeAt(String(secret), now),
    nextAnswerMs: 30_000,
  })
  return runner.failures()
}

t.test('a suite in another runner passes what keeps the contract and fails what breaks it', async (t) => {
  const kept = await factorSuite((factor) => factor)
  t.equal(kept.declared.length, 5)
  t.same(kept.failed, [])
  const replayable = await factorSuite((factor) => ({ ...factor, verify: async () => true }))
  t.match(replayable.failed, [/^verifies what the device answers.*: used up by confirming/, /^anything else is no/])
  const throwing = await factorSuite((factor) => ({ ...factor, verify: () => Promise.reject(new Error('broken')) }))
  t.equal(throwing.failed.length, 2)
})

t.test('a failure inside of a test names it, and what was opened is closed all the same', async (t) => {
  const runner = smallRunner()
  let closed = 0
  smsTransportContract(inRunner(runner.declare), {
    name: 'a transport that sends nothing',
    build: async () => ({
      send: async () => {},
      close: async () => {
        closed += 1
      },
    }),
    read: () => ({ to: '', text: '' }),
    knowsNonsense: false,
    secrets: [],
  })
  const { failed } = await runner.failures()
  t.match(failed, [/as a transport of text messages > a message arrives once and word for word: /])
  t.equal(closed, 2)
})

t.test('a test that ends is cleaned up after, the last first, and teardown needs a test', async (t) => {
  const runner = smallRunner()
  const heard: string[] = []
  const suite = inRunner(runner.declare)
  suite.test('outer', async (t) => {
    t.teardown(() => heard.push('first'))
    t.teardown(() => heard.push('second'))
    t.test('inner', { timeout: 1000 }, () => heard.push('inner'))
    heard.push('outer')
    await t.rejects(Promise.reject(new RangeError('no')), RangeError)
  })
  t.same((await runner.failures()).failed, [])
  t.same(heard, ['outer', 'inner', 'second', 'first'])
  t.throws(() => suite.teardown(() => {}), /no test yet/)
})

t.test('a pattern asks for a part, and for no more', async (t) => {
  const provider = await SmsProvider.start()
  t.teardown(() => provider.stop())
  for (const [actual, pattern] of [
    [{ a: 1, b: [{ c: 'text' }] }, { b: [{ c: 'ex' }] }],
    ['http://x', /^http/],
    [undefined, undefined],
    [provider, { requests: [] }],
  ]) {
    t.ok(matches(actual, pattern))
  }
  for (const [actual, pattern] of [
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { b: 1 }],
    [[1, 2], [1]],
    ['text', 'Text'],
    [undefined, {}],
    [null, {}],
    [0, false],
  ]) {
    t.notOk(matches(actual, pattern))
  }
})
