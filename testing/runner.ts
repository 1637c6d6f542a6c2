import assert from 'node:assert'
import { matches } from './matches.js'

/** As much of a test as the suites use. The tests of tap are ones; {@link inRunner} makes one of any other runner. */
export interface SuiteTest {
  test(name: string, body: Body): unknown
  test(name: string, options: { readonly timeout: number }, body: Body): unknown
  /** Runs when the test is over, the last first. */
  teardown(handler: () => unknown): void
  equal(actual: unknown, expected: unknown, ...message: Message): unknown
  not(actual: unknown, unexpected: unknown, ...message: Message): unknown
  /** Equal in depth; classes are not compared. */
  same(actual: unknown, expected: unknown, ...message: Message): unknown
  /** Whether there is at least what the pattern has; text has it as a part, or fits an expression. */
  match(actual: unknown, pattern: unknown, ...message: Message): unknown
  ok(value: unknown, ...message: Message): unknown
  notOk(value: unknown, ...message: Message): unknown
  fail(...message: Message): unknown
  rejects(work: Promise<unknown>, expected: RegExp | ErrorConstructor, ...message: Message): Promise<unknown>
}

type Body = (t: SuiteTest) => unknown

type Message = [] | [string]

/** What declares a test: `test` of node:test, `it` or `test` of Vitest, Jest and Mocha. */
export type Declare = (name: string, run: () => Promise<void>) => unknown

/**
 * Lets a suite run in any runner: each of its tests is declared as one of the runner's. Tests inside of a test run as parts of
 * it, in order, and a failure has their name in its message.
 */
export function inRunner(declare: Declare): SuiteTest {
  return {
    ...checks,
    test: (name: string, ...rest: Rest) => declare(name, () => run(name, bodyOf(rest))),
    teardown() {
      throw new Error('there is no test yet that could end')
    },
  }
}

type Rest = [Body] | [object, Body]

/** How long a test may take is the runner's business. */
function bodyOf(rest: Rest): Body {
  return rest.length === 2 ? rest[1] : rest[0]
}

async function run(name: string, body: Body): Promise<void> {
  const parts: (() => Promise<void>)[] = []
  const handlers: (() => unknown)[] = []
  try {
    await body({
      ...checks,
      test: (part: string, ...rest: Rest) => void parts.push(() => run(`${name} > ${part}`, bodyOf(rest))),
      teardown: (handler) => void handlers.unshift(handler),
    })
    for (const part of parts) await part()
  } catch (error) {
    throw error instanceof PartFailed ? error : new PartFailed(name, error)
  } finally {
    for (const handler of handlers) await handler()
  }
}

/** A failure with the names of the tests it stands in; its cause says where. */
class PartFailed extends Error {
  constructor(name: string, cause: unknown) {
    super(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

const checks: Omit<SuiteTest, 'test' | 'teardown'> = {
  equal: (actual, expected, message?: string) => assert.strictEqual(actual, expected, message),
  not: (actual, unexpected, message?: string) => assert.notStrictEqual(actual, unexpected, message),
  same: (actual, expected, message?: string) => assert.deepEqual(actual, expected, message),
  match(actual, pattern, message?: string) {
    if (matches(actual, pattern)) return
    throw new assert.AssertionError({ actual, expected: pattern, operator: 'match', ...(message && { message }) })
  },
  ok: (value, message?: string) => assert.ok(value, message),
  notOk: (value, message?: string) => assert.ok(!value, message),
  fail: (message?: string) => assert.fail(message),
  rejects: (work, expected, message?: string) => assert.rejects(work, expected, message),
}
