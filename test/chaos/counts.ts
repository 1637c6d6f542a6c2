/** What happened, and what never may: any of the last group but the answers that fit nothing is a fault of the gateway. */
export interface ChaosCounts {
  pages: number
  signIns: number
  signOuts: number
  linksRaced: number
  linksOpened: number
  codesRaced: number
  codesWorked: number
  /** Changes of an owner's program that were acknowledged. */
  changes: number
  kills: number
  /** Answers that said the machinery is away, and connections without an answer. */
  unanswered: number
  /** Somebody else's name, or a page without one. */
  wrongIdentity: number
  /** Pages for a session whose sign-out was acknowledged more than a second before. */
  passedAfterSignOut: number
  /** Sessions that were acknowledged, never ended, and are not known any more. */
  sessionsLost: number
  linksOpenedTwice: number
  codesWorkedTwice: number
  /** Changes that were acknowledged, and are not what is found. */
  changesLost: number
  /** Answers that fit nothing, by status. */
  unexpected: Record<string, number>
}

export const noCounts = (): ChaosCounts => ({
  pages: 0,
  signIns: 0,
  signOuts: 0,
  linksRaced: 0,
  linksOpened: 0,
  codesRaced: 0,
  codesWorked: 0,
  changes: 0,
  kills: 0,
  unanswered: 0,
  wrongIdentity: 0,
  passedAfterSignOut: 0,
  sessionsLost: 0,
  linksOpenedTwice: 0,
  codesWorkedTwice: 0,
  changesLost: 0,
  unexpected: {},
})

/** What must be none at the end. */
export const faultsIn = (counts: ChaosCounts): number =>
  counts.wrongIdentity +
  counts.passedAfterSignOut +
  counts.sessionsLost +
  counts.linksOpenedTwice +
  counts.codesWorkedTwice +
  counts.changesLost
