import type { Store } from '../../contracts.js'
import { drawToken, hashOf } from '../store/random-token.js'
import { Records } from '../store/records.js'

/** One host's share of a session of the portal. The store keeps it under the hash of its token, which only the browser has. */
export interface Branch {
  /** Of the session it points to. It has no life of its own: whatever ends the session ends it. */
  readonly sessionId: string
  /** The only one it opens something at. */
  readonly host: string
  /** It was opened for a session that another took the place of: the next time its browser comes by, it gets a new secret. */
  readonly isCarried?: true
}

/** What a session knows of its branches. */
export interface BranchOf {
  readonly host: string
  /** SHA-256 of the branch's token in base64url. */
  readonly id: string
}

/** The branches of all sessions. */
export class Branches {
  readonly #records: Records<Branch>

  constructor({ store }: { store: Store }) {
    this.#records = new Records(store, 'branch/')
  }

  async open(branch: Branch): Promise<{ readonly token: string; readonly id: string }> {
    const token = drawToken()
    const id = hashOf(token)
    await this.#records.set(id, branch, KEPT_SECONDS)
    return { token, id }
  }

  /** @returns `undefined` at any host but its own */
  async at(host: string, id: string): Promise<Branch | undefined> {
    const branch = await this.#records.get(id)
    return branch?.host === host ? branch : undefined
  }

  /** From now on they stand for another session. One that was dropped meanwhile stays so. */
  async carry(branches: readonly BranchOf[], sessionId: string): Promise<void> {
    await Promise.all(
      branches.map(({ id }) => {
        return this.#records.change(id, (branch) => branch && { ...branch, sessionId, isCarried: true }, KEPT_SECONDS)
      }),
    )
  }

  async drop(branches: readonly BranchOf[] | undefined): Promise<void> {
    await Promise.all((branches ?? []).map(({ id }) => this.#records.delete(id)))
  }
}

/**
 * With one more, in the place of another one where that is named. Of one host the newest few are kept: tabs that arrive at the same moment each get one, and which of them the
 * browser keeps nobody knows.
 */
export function withBranch(
  branches: readonly BranchOf[] | undefined,
  added: BranchOf,
  replaced?: string,
): { readonly kept: readonly BranchOf[]; readonly dropped: readonly BranchOf[] } {
  const there = (branches ?? []).filter(({ host }) => host === added.host)
  const gone = there.filter(({ id }) => id === replaced)
  const left = there.filter(({ id }) => id !== replaced)
  const dropped = [...gone, ...left.slice(0, Math.max(0, left.length + 1 - PER_HOST))]
  return { kept: [...(branches ?? []).filter((branch) => !dropped.includes(branch)), added], dropped }
}

/** The hosts a session has been to, in the order it came there. */
export function hostsOf(branches: readonly BranchOf[] | undefined): readonly string[] {
  return [...new Set((branches ?? []).map(({ host }) => host))]
}

const PER_HOST = 4

/** 400 days, as sessions are kept: it has no life of its own. */
const KEPT_SECONDS = 400 * 24 * 60 * 60
