import type { Ground } from '../ground.js'
import type { Program } from '../program.js'

/** Something that answers requests, to be measured. */
export interface Side {
  readonly name: string
  /** Why it cannot be, as in "nginx is not installed (apt-get install nginx-light)". */
  readonly missing?: string | undefined
  readonly path: string
  /** That is asked for; localhost when left out. */
  readonly host?: string
  start(ground: Ground): Promise<Started>
}

export interface Started {
  readonly program: Program
  /** What requests to it carry: header lines, each with its line end, taken in turn. */
  readonly headers: readonly string[]
}
