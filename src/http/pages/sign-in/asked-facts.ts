import type { Json } from '../../../contracts.js'
import type { Method } from '../../../identity/sign-in/sign-in.js'
import { scriptName } from '../assets.js'
import type { Visit } from '../visit.js'

/** What a page is made with that a script asks something on; nothing for a method whose answer is typed. */
export function askedFacts(
  { parts }: Visit,
  method: Pick<Method, 'use' | 'asks'> | undefined,
  question: Json | undefined,
  here: string,
): object {
  if (method?.asks !== 'browser' || question === undefined) return {}
  const factor = parts.secondFactors.get(method.use)
  const own = factor !== undefined && 'asks' in factor && factor.script !== undefined
  return {
    /** In the attribute `data-question`. */
    question: JSON.stringify(question),
    script: parts.prefix + parts.assets.path(own ? scriptName(method.use) : 'passkeys.js'),
    /** Where the page is asked for once more when its question has become old. */
    here,
  }
}
