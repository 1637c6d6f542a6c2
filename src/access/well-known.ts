import { hostName } from './policy.js'
import type { Portal } from './portal.js'

/** Paths outside of our prefix that browsers and password managers ask us for, under the names that standards gave them. */
export type WellKnownName = 'change-password' | 'passkey-endpoints' | 'webauthn'

const START = '/.well-known/'

interface Parts {
  readonly portal: Pick<Portal, 'host' | 'origins' | 'isShared'>
  /** The domain of passkeys (RP ID); `undefined`: there are none. */
  readonly rpId: string | undefined
}

/**
 * Which of those paths are ours, and where: at the portal where the password is changed and passkeys are managed, and at the domain
 * of passkeys which other hosts may ask for them. Every other one is the application's, there as elsewhere.
 */
export class WellKnown {
  readonly #hostOf: ReadonlyMap<string, string>

  constructor({ portal, rpId }: Parts) {
    const hosts = new Map<string, string>([[`${START}change-password`, portal.host]])
    if (rpId !== undefined) hosts.set(`${START}passkey-endpoints`, portal.host)
    // With one sign-in for all hosts the browser is asked at the portal alone, and no other host has to be named.
    const isAsked = !portal.isShared && portal.origins.length > 1
    const isOurs = portal.origins.some((origin) => hostName(new URL(origin).host) === rpId)
    if (isAsked && rpId !== undefined && isOurs) hosts.set(`${START}webauthn`, rpId)
    this.#hostOf = hosts
  }

  /** Path and host of each. */
  get places(): ReadonlyArray<readonly [path: string, host: string]> {
    return [...this.#hostOf]
  }

  /** @param path decoded, and written as it is decoded */
  has(method: string | undefined, host: string | undefined, path: string): boolean {
    if (!path.startsWith(START) || (method !== 'GET' && method !== 'HEAD')) return false
    const own = this.#hostOf.get(path)
    return own !== undefined && host !== undefined && hostName(host) === own
  }
}
