import type { Records } from '../store/records.js'
import type { Branches } from './branches.js'
import type { Session, SessionStart } from './session.js'

/**
 * How a session takes the place of another: under a new id and token, as everywhere where more was proven, and with the
 * branches of the one before. Those go on without their browser passing by the portal, and open what the new one opens.
 *
 * What was replaced stays in the store for a few minutes with the id of what took its place. So there is no moment in which a
 * branch leads nowhere, of two that would replace the same session both do, one after the other, and whoever ends the old
 * one at that moment ends the new one.
 */
export class Succession {
  readonly #sessions: Records<Session>
  readonly #branches: Branches

  constructor({ sessions, branches }: { sessions: Records<Session>; branches: Branches }) {
    this.#sessions = sessions
    this.#branches = branches
  }

  /** What stands in the place of this session now: mostly itself. */
  async current(id: string): Promise<Session | undefined> {
    let session = await this.#sessions.get(id)
    for (let step = 0; session?.replacedBy !== undefined && step < LONGEST_CHAIN; step += 1) {
      session = await this.#sessions.get(session.replacedBy)
    }
    return session?.replacedBy === undefined ? session : undefined
  }

  /**
   * @param id of the one that is replaced
   * @param by as it was just written, without branches
   * @returns what was replaced; `undefined` when that had ended
   */
  async replace(id: string, by: Session): Promise<Session | undefined> {
    let replaced: Session | undefined
    for (let at: string | undefined = id, step = 0; at !== undefined && step < LONGEST_CHAIN; step += 1) {
      let before: Session | undefined
      const marked: Session | undefined = await this.#sessions.change(
        at,
        (session) => {
          before = session?.replacedBy === undefined ? session : undefined
          // A gateway of an older version knows nothing of successors, and takes it for one of a generation that is over.
          return before === undefined ? session : { ...before, generation: -1, replacedBy: by.id }
        },
        KEPT_SECONDS,
      )
      if (before !== undefined) {
        replaced = before
        break
      }
      // Somebody else was quicker: what they made is replaced in its turn.
      at = marked?.replacedBy
    }
    const branches = replaced?.branches ?? []
    if (branches.length === 0) return replaced
    const kept = await this.#sessions.change(by.id, (session) => session && { ...session, branches })
    // Ended while it was being made: so are they, and nobody is left who would drop them.
    if (kept === undefined) await this.#branches.drop(branches)
    else await this.#branches.carry(branches, by.id)
    return replaced
  }
}

/**
 * Whether what was carried to other hosts goes on with the session that takes the place of this one. Not to another person, and
 * not from a browser that was to keep it to one that is not: the other hosts' cookies would outlive its closing.
 */
export function isSuccessor(start: Pick<SessionStart, 'user' | 'isBrief'>, before: Session): boolean {
  return start.user.id === before.accountId && (start.isBrief !== true || before.isBrief === true)
}

/** Longer than any request takes, and whatever was begun with the session before. */
const KEPT_SECONDS = 10 * 60

/** More would have to be replaced in the same moment. */
const LONGEST_CHAIN = 8
