/** How an owner's program ends what somebody else has open. */
export const ways = ['deactivate', 'end-sessions', 'clear'] as const

/** What happened, and what never may: any of the last group but the answers that fit nothing is a fault of the gateway. */
export interface ChaosCounts {
  /** Asked for by users, with a session, with one that has ended, and without any, and answered. */
  pages: number
  /** Those of them that were answered with 401. */
  refused: number
  signIns: number
  signOuts: number
  linksRaced: number
  linksOpened: number
  codesRaced: number
  codesWorked: number
  /** Changes of an owner's program that were acknowledged. */
  changes: number
  /** Sessions that were ended by an owner's program, which was told so. */
  revocations: Record<(typeof ways)[number], number>
  kills: number
  /** Answers that said the machinery is away, and connections without an answer. */
  unanswered: number
  /** Somebody else's name, or a page without one. */
  wrongIdentity: number
  /** Pages for a session whose end was acknowledged more than a second before. */
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
  refused: 0,
  signIns: 0,
  signOuts: 0,
  linksRaced: 0,
  linksOpened: 0,
  codesRaced: 0,
  codesWorked: 0,
  changes: 0,
  revocations: { deactivate: 0, 'end-sessions': 0, clear: 0 },
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
