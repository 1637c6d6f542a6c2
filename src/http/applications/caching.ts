/** What happens to what an application says about keeping its answers, where they are for somebody who is signed in. */
export type CacheChoice = 'private' | 'no-store' | 'as-is'

/** What an application answers with, as its client gets it: `[name, value, name, value, ...]`. */
export interface AnswerHeaders {
  response(raw: readonly string[]): string[]
}

/**
 * The answers to people who are signed in. Caches in front may keep what says nothing (RFC 9111, 4.2.2), and give it to the
 * next one; a browser keeps it for Back, also after a sign-out, on a machine that others use.
 *
 * `private` keeps it from caches that are shared where the application says nothing itself; `no-store` from every one,
 * whatever the application says.
 */
export function answersToPeople(headers: AnswerHeaders, choice: CacheChoice): AnswerHeaders {
  if (choice === 'as-is') return headers
  return {
    response: (raw) => {
      const answer = headers.response(raw)
      if (choice === 'private') {
        if (!saysSomething(answer)) answer.push('Cache-Control', 'private')
        return answer
      }
      const kept: string[] = []
      for (let at = 0; at + 1 < answer.length; at += 2) {
        if (!isAboutCaching(answer[at] as string)) kept.push(answer[at] as string, answer[at + 1] as string)
      }
      kept.push('Cache-Control', 'no-store')
      return kept
    },
  }
}

/** The answer to a sign-out: what the browser has kept of this origin goes, and what the application wants gone beside it. */
export function clearingCache(headers: AnswerHeaders): AnswerHeaders {
  return { response: (raw) => [...headers.response(raw), 'Clear-Site-Data', CLEAR_CACHE] }
}

/** Of `Clear-Site-Data`. */
export const CLEAR_CACHE = '"cache"'

function saysSomething(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) if (isAboutCaching(headers[at] as string)) return true
  return false
}

function isAboutCaching(name: string): boolean {
  // By length first: most headers have another.
  if (name.length === 13) return name.toLowerCase() === 'cache-control'
  if (name.length === 7) return name.toLowerCase() === 'expires'
  return name.length === 6 && name.toLowerCase() === 'pragma'
}
