import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Site } from '../../access/policy.js'
import { PathPattern } from '../../access/targets/path-pattern.js'
import { readings } from '../../access/targets/path-readings.js'
import type { ProxySite } from '../applications/application.js'
import type { Gate, Judged } from '../gate/gate.js'
import { wantsPage } from '../web/request-kind.js'
import { isFromAnotherSite } from '../web/same-origin.js'

/** Name and value, as they came. */
export type SentFields = ReadonlyArray<readonly [name: string, value: string]>

/**
 * Forms that another site sends to an application, as when a payment or a sign-in by SAML comes back. Browsers leave our cookie
 * away then (SameSite=Lax), so whoever is signed in looks like a stranger.
 *
 * A page of ours has the browser send the same form once more, from here, and with the cookie: what comes is judged anew,
 * from the beginning. That undoes what the cookie's SameSite is for: any site could have a form sent in the name of whoever
 * looks at it (CSRF). So it is done for the paths alone that the operator lists, whose application tells its partner's
 * answers from forged ones; only without a cookie of a session; only for a form of text, of which little is read; and
 * never for what came from a page of the same origin, as the second one does, so that it cannot go round.
 */
export class CrossSitePosts {
  readonly #gate: Pick<Gate<ProxySite>, 'sendsSession'>
  readonly #scheme: string
  readonly #patterns = new Map<Site<ProxySite>, readonly PathPattern[]>()
  #underWay = 0

  constructor(
    sites: readonly Site<ProxySite>[],
    gate: Pick<Gate<ProxySite>, 'sendsSession'>,
    scheme: 'http' | 'https',
  ) {
    this.#gate = gate
    this.#scheme = scheme
    for (const site of sites) {
      const { crossSitePosts } = site.settings
      if (crossSitePosts !== undefined)
        this.#patterns.set(
          site,
          crossSitePosts.map((path) => new PathPattern(path)),
        )
    }
  }

  /** The form to be sent once more; `undefined` at once where it is none, and later where it is too much or no text. */
  read(request: IncomingMessage, judged: Judged<ProxySite>): Promise<SentFields | undefined> | undefined {
    const patterns = this.#patterns.get(judged.site)
    if (patterns === undefined || judged.decision.outcome !== 'sign-in' || !this.#isOne(request)) return undefined
    const ways = judged.target.ways ?? readings(judged.target.path)
    // Of a path that can be read in two ways both have to be listed: more is opened here, and not less.
    if (!ways.every((way) => patterns.some((pattern) => pattern.matches(way)))) return undefined
    if (this.#underWay >= MOST_AT_ONCE) return undefined
    this.#underWay += 1
    return readForm(request).finally(() => {
      this.#underWay -= 1
    })
  }

  #isOne(request: IncomingMessage): boolean {
    const { headers, method } = request
    if (method !== 'POST' || !wantsPage(request) || this.#gate.sendsSession(request)) return false
    if (!/^application\/x-www-form-urlencoded(?:;|$)/i.test(headers['content-type'] ?? '')) return false
    return isFromAnotherSite(headers, `${this.#scheme}://${headers.host}`)
  }
}

async function readForm(request: IncomingMessage): Promise<SentFields | undefined> {
  const parts: Buffer[] = []
  let length = 0
  const timer = setTimeout(() => request.destroy(), LONGEST_MS)
  try {
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += part.length
      if (length > MOST_BYTES) return undefined
      parts.push(part)
    }
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
  const body = Buffer.concat(parts)
  if (!isUtf8(body)) return undefined
  const fields = [...new URLSearchParams(body.toString())]
  return fields.length > MOST_FIELDS ? undefined : fields
}

/** A SAML response with its certificates and a few attributes has 10 to 30 KiB. */
const MOST_BYTES = 128 * 1024
const MOST_FIELDS = 200
const LONGEST_MS = 10_000
const MOST_AT_ONCE = 32
