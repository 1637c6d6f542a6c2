import type { UserDirectory } from '../contracts.js'
import { GatelodgeError } from '../errors.js'

/** Who is told how a directory does. */
interface Told {
  failed(name: string, reason: string): void
  worked(name: string): void
}

/** The directory, of which it is told whether it answers. Throttles and refusals of ours are answers. */
export function watchedDirectory(directory: UserDirectory, name: string, told: Told): UserDirectory {
  async function asked<Answer>(asking: Promise<Answer>): Promise<Answer> {
    try {
      const answer = await asking
      told.worked(name)
      return answer
    } catch (error) {
      if (!(error instanceof GatelodgeError)) told.failed(name, wordsOf(error))
      throw error
    }
  }
  return new Proxy(directory, {
    get(target, key) {
      if (key === 'verifyPassword') return (...given: [string, string]) => asked(target.verifyPassword(...given))
      // One that learns names from passwords looks them up in what it has learned, and asks nobody.
      if (key === 'find' && target.learns !== true)
        return (...given: Parameters<UserDirectory['find']>) => asked(target.find(...given))
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** What went wrong, as its author put it. */
export function wordsOf(error: unknown): string {
  const words = error instanceof Error ? error.message : 'unknown'
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return code === undefined || words.includes(code) ? words : `${code}: ${words}`
}
