import type { AuditEntry } from '../../audit/audit.js'
import type { Config } from '../../config/schema.js'

/** What the supervisor says to a worker. Each is answered with its number. */
export type WorkerOrder = { readonly id: number } & (
  | { readonly do: 'start' | 'prepare'; readonly config: Config }
  | { readonly do: 'commit' | 'discard' }
  | { readonly do: 'audit'; readonly entry: AuditEntry }
  | { readonly do: 'stop'; readonly announceMs: number; readonly deadlineMs: number }
)

/** What a worker says back: that it is done, or why not. */
export interface WorkerAnswer {
  readonly answers: number
  readonly fault?: string
  /** Where it listens, once it does. */
  readonly url?: string
}

/** The number of the first thing a worker says, without being asked: that it listens. */
export const hello = 0

/** Other parts send messages over the same channel: only ours are read. */
export function isAnswer(message: unknown): message is WorkerAnswer {
  return typeof message === 'object' && message !== null && 'answers' in message
}

export function isOrder(message: unknown): message is WorkerOrder {
  return typeof message === 'object' && message !== null && 'do' in message && 'id' in message
}
