import { done } from '../../exit-codes.js'
import { Refusal } from '../../operations/operation.js'
import type { Operations } from '../../operations/operations.js'
import { say, type Terminal, type WithOperations } from '../terminal.js'

/**
 * Runs a command whose answer is what its operation did, for a script: that answer is the one thing on standard output, also
 * where the command itself has only words for people. Those go to standard error.
 * @returns the exit code of the command; without an answer nothing is on standard output
 */
export async function inJson<Services extends WithOperations>(
  services: Services,
  terminal: Terminal,
  run: (services: Services, terminal: Terminal) => Promise<number>,
): Promise<number> {
  let answer: unknown
  const desk = new Proxy(services.desk, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'run') return value.bind(target)
      return async (...asked: Parameters<Operations['run']>) => {
        const result = await target.run(...asked)
        if (!(result instanceof Refusal)) answer = result
        return result
      }
    },
  })
  const code = await run(
    { ...services, desk },
    { ...terminal, stdin: terminal.stdin, stdout: terminal.stderr, stderr: terminal.stderr },
  )
  if (code === done || answer !== undefined) say(terminal, JSON.stringify(answer ?? {}, undefined, 2))
  return code
}
