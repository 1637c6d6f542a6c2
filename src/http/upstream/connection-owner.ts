import type { Socket } from 'node:net'

/** Whose an upstream connection is once somebody may be signed in on it. */
export interface Owner {
  readonly client: Socket
  /** `undefined`: nobody can be told from anybody else there, so the connection serves this one request. */
  readonly person: string | undefined
}
