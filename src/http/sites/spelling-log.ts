import type { Logger } from '../../contracts.js'
import { siteName } from '../applications/application.js'
import type { Refused } from '../gate/gate.js'

const windowMs = 60_000
/** Lines of one window: of kinds there are few, four for each site. */
const maximumKinds = 100
const maximumPath = 200

/**
 * Says in the log which site refused an address that a key would let pass, so that whoever runs it learns of the key from what
 * users meet. Once a minute for each site and key: a stranger can send as many as they like.
 */
export class SpellingLog {
  readonly #log: Logger
  readonly #now: () => number
  readonly #said = new Set<string>()
  #since = 0

  constructor({ log, now }: { readonly log: Logger; readonly now: () => number }) {
    this.#log = log
    this.#now = now
  }

  /** @param target as it came; of its query nothing is written */
  note({ spelling }: Pick<Refused, 'spelling'>, target: string, requestId: string): void {
    if (spelling === undefined) return
    const now = this.#now()
    if (Math.abs(now - this.#since) >= windowMs) {
      this.#since = now
      this.#said.clear()
    }
    const site = siteName(spelling.site)
    const kind = `${site} ${spelling.key}`
    if (this.#said.has(kind) || this.#said.size >= maximumKinds) return
    this.#said.add(kind)
    const path = (target.split('?', 1)[0] ?? '').slice(0, maximumPath)
    const fields = { requestId, site, path, line: spelling.site.settings.line, key: `paths.${spelling.key}` }
    this.#log.warn(fields, `refused an address: paths: { ${spelling.key}: pass } at this site would let it pass`)
  }
}
