import { drawToken, hashOf, isToken } from '../../identity/store/random-token.js'

/** What a host that is not the portal keeps in a browser: it says that this browser set out from here. */
export interface Nonce {
  readonly token: string
  /**
   * When it last came back from the portal, ms since 1970, how often in a row to the same place with little time between, and
   * what tells that place from others.
   */
  readonly arrived?: { readonly at: number; readonly times: number; readonly place: string }
}

export function newNonce(): Nonce {
  return { token: drawToken() }
}

/** @param value of the cookie; anything that is not ours is as if there were none */
export function readNonce(value: string | undefined): Nonce | undefined {
  const [, token = '', at, times, place = ''] = SHAPE.exec(value ?? '') ?? []
  if (!isToken(token)) return undefined
  return at === undefined ? { token } : { token, arrived: { at: Number(at), times: Number(times), place } }
}

/** In characters that cookies may have. */
export function nonceText({ token, arrived }: Nonce): string {
  return arrived === undefined ? token : `${token}.${arrived.at}.${arrived.times}.${arrived.place}`
}

/** After one more arrival. @param target where it goes on to */
export function arrivedAgain({ token, arrived }: Nonce, target: string, now: number): Required<Nonce> {
  const place = hashOf(target).slice(0, 8)
  const isInARow = arrived?.place === place && now - arrived.at < IN_A_ROW_MS
  return { token, arrived: { at: now, times: isInARow ? Math.min(arrived.times + 1, 999) : 1, place } }
}

/**
 * Whether the browser goes round in a circle: it keeps this cookie and not the one it is given on arrival, or the portal
 * sends on what the site sends back.
 */
export function isCircle({ arrived }: Required<Nonce>): boolean {
  return arrived.times > MOST_IN_A_ROW
}

const IN_A_ROW_MS = 10_000

/** Three redirects each: browsers give up after twenty, and say nothing of the reason. */
const MOST_IN_A_ROW = 5

const SHAPE = /^([\w-]{43})(?:\.(\d{1,15})\.(\d{1,3})\.([\w-]{8}))?$/
