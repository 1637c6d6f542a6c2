import type { Visit } from '../visit.js'

/** What the tick box beside a first proof is made with; nothing where everybody stays signed in. */
export function keepFacts(visit: Visit): { readonly asksToKeep: boolean; readonly keep: boolean } {
  return { asksToKeep: visit.parts.keepsSessions === 'ask', keep: isTicked(visit) }
}

/** Whether the session that is begun ends with the browser. */
export function isBrief(visit: Visit): boolean {
  return visit.parts.keepsSessions === 'ask' && !isTicked(visit)
}

function isTicked(visit: Visit): boolean {
  return visit.field('keep') !== ''
}
