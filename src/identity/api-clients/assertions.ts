import type { CryptoKey, JWK } from 'jose'
import { LruMap } from 'toad-cache'
import type { User } from '../../contracts.js'
import { ALGORITHM, type AssertionKeys } from './assertion-keys.js'

/** Of a session, what is stated about it. Times in ms since 1970. */
export interface AssertedSession {
  readonly id: string
  readonly user: User
  readonly passwordAt?: number
  readonly secondFactorAt?: number
  readonly fellBack?: true
  readonly passkeyAt?: number
  /** What it was opened with, in order. */
  readonly via?: readonly string[]
}

/**
 * Statements about who is signed in, signed for applications that check them (RFC 7519). Signing costs more than the
 * rest of a request, so one statement serves a session until half of its life is over.
 */
export class Assertions {
  readonly #keys: AssertionKeys
  readonly #issuer: string
  readonly #now: () => number
  readonly #signed = new LruMap<Signed>(REMEMBERED)
  #signer: { readonly kid: string; readonly key: Promise<CryptoKey> } | undefined

  /** @param parts.issuer the public address */
  constructor({ keys, issuer, now }: { keys: AssertionKeys; issuer: string; now: () => number }) {
    this.#keys = keys
    this.#issuer = issuer
    this.#now = now
  }

  /** At once where there is one that is good for a while. */
  of(session: AssertedSession, audience: string, lifetimeSeconds: number): string | Promise<string> {
    const now = this.#now()
    const name = `${audience} ${session.id}`
    const known = this.#signed.get(name)
    if (known !== undefined && now < known.renewAt && now >= known.signedAt && isSame(known.user, session.user)) {
      return known.token
    }
    return this.#sign(session, audience, lifetimeSeconds, now).then((token) => {
      const renewAt = now + (lifetimeSeconds * 1000) / 2
      this.#signed.set(name, { token, signedAt: now, renewAt, user: session.user })
      return token
    })
  }

  async #sign(session: AssertedSession, audience: string, lifetimeSeconds: number, now: number): Promise<string> {
    const { SignJWT } = await import('jose')
    const { kid, jwk } = await this.#keys.active()
    if (this.#signer?.kid !== kid) this.#signer = { kid, key: imported(jwk) }
    const issuedAt = Math.floor(now / 1000)
    return new SignJWT(claimsOf(session))
      .setProtectedHeader({ alg: ALGORITHM, kid, typ: 'JWT' })
      .setIssuer(this.#issuer)
      .setAudience(audience)
      .setSubject(session.user.id)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + lifetimeSeconds)
      .sign(await this.#signer.key)
  }
}

interface Signed {
  readonly token: string
  readonly signedAt: number
  readonly renewAt: number
  readonly user: User
}

async function imported(jwk: JWK): Promise<CryptoKey> {
  const { importJWK } = await import('jose')
  const key = await importJWK(jwk, ALGORITHM)
  if (key instanceof Uint8Array) throw new TypeError('a key of another kind')
  return key
}

/** Names as in OpenID Connect; `amr` as in RFC 8176. */
function claimsOf(session: AssertedSession): Record<string, unknown> {
  const { user, passwordAt, secondFactorAt, fellBack, passkeyAt, via = [] } = session
  const { username, email, groups } = user
  const at = Math.max(passwordAt ?? 0, secondFactorAt ?? 0)
  return {
    preferred_username: username,
    ...(email === undefined ? {} : { email }),
    groups,
    ...(at === 0 ? {} : { auth_time: Math.floor(at / 1000) }),
    amr: [
      // In place of the password there was a key of the user's.
      ...(passwordAt === undefined || (passkeyAt !== undefined && via[0] !== 'password') ? [] : ['pwd']),
      ...(passkeyAt === undefined ? [] : ['pop']),
      ...(secondFactorAt === undefined || fellBack ? [] : ['mfa']),
    ],
  }
}

/** A session read anew has the same user in another object. */
function isSame(one: User, other: User): boolean {
  if (one === other) return true
  return (
    one.id === other.id &&
    one.username === other.username &&
    one.email === other.email &&
    one.groups.join('\n') === other.groups.join('\n')
  )
}

/** About 1 KB each. */
const REMEMBERED = 10_000
