import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite'
import { Keyv, type KeyvStoreAdapter } from 'keyv'
import type { Test } from 'tap'

/** Keyv's own published suite, run on an adapter of ours. */
export function keyvContract(t: Test, adapter: () => KeyvStoreAdapter): void {
  for (const [name, suite] of Object.entries({ keyvTestSuite, keyvIteratorTests })) {
    t.test(name, async (t) => {
      await adapter().clear()
      suite(asVitest(t), Keyv, adapter)
    })
  }
}

/** As much of Vitest as Keyv's suite uses, over tap. */
function asVitest(t: Test) {
  const expectFor = (t: Test) => {
    const expect = (actual: unknown) => ({
      toBe: (expected: unknown) => t.equal(actual, expected),
      toEqual: (expected: unknown) => t.strictSame(actual, expected),
      toBeTruthy: () => t.ok(actual),
      toBeFalsy: () => t.notOk(actual),
      toBeUndefined: () => t.equal(actual, undefined),
      toBeDefined: () => t.not(actual, undefined),
      toBeNull: () => t.equal(actual, null),
    })
    return Object.assign(expect, { assertions: (count: number) => t.plan(count) })
  }
  const test = {
    it: (name: string, body: (context: { expect: unknown }) => unknown) =>
      t.test(name, async (t) => {
        await body({ expect: expectFor(t) })
      }),
    beforeEach: (act: () => Promise<void>) => t.beforeEach(act),
    afterEach: (act: () => Promise<void>) => t.afterEach(act),
  }
  return test as unknown as Parameters<typeof keyvTestSuite>[0]
}
