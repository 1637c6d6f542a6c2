import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import {
  type BrowserEnrolment,
  type BrowserSecondFactor,
  type BrowserVerdict,
  definePlugin,
  type Host,
  type Json,
  type User,
} from '../../src/contracts.js'
import { readAssertion, readRegistration } from './passkey/answers.js'
import { kindOf } from './passkey/kinds.js'

const options = z.strictObject({
  /** The service's name, as password managers and systems may show it. */
  name: z.string().min(1).max(64).default('Gatelodge'),
  /** Whether it may be given in place of username and password. */
  signIn: z.boolean().default(false),
  /**
   * Whether the device asks for finger, face or PIN: `preferred` takes security keys that cannot as a second factor alone;
   * `required` takes none of them.
   */
  userVerification: z.enum(['preferred', 'required']).default('preferred'),
  /**
   * The domain passkeys belong to: the host of `publicUrl`, or a parent of it. One that was made stays with its domain for
   * good, and every host under a parent may ask for it.
   */
  rpId: z
    .string()
    .regex(
      /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
      'must be a host name in lower case',
    )
    .optional(),
})

/** Passkeys and security keys: WebAuthn, by SimpleWebAuthn. */
export default definePlugin({ kind: 'second-factors', options, create: passkey })

interface Enrolment {
  /** Credential id in base64url. */
  readonly id: string
  /** COSE key in base64url. */
  readonly publicKey: string
  readonly counter: number
  readonly transports: readonly string[]
  /** By chance, the same for all passkeys of a user: nobody learns from an authenticator whose account it opens. */
  readonly userHandle: string
  /** What it was made for; that never changes. */
  readonly rpId: string
  /** May be copied to other devices (BE): as it was made, so it stays. */
  readonly mayBeSynced: boolean
  /** Is copied now (BS). */
  readonly isSynced: boolean
  readonly aaguid: string
}

/** Ed25519, ES256, RS256: what every Node version verifies that may share a store with this one. */
const ALGORITHMS = [-8, -7, -257]
/** For how long browsers wait for the person, ms: as long as the gateway takes the answer. */
const TIMEOUT = 5 * 60_000

// 440 ms of work and 12 MB, so not before somebody gives an answer.
const library = () => import('@simplewebauthn/server')

function passkey(
  { name, signIn, userVerification, rpId: said }: z.output<typeof options>,
  host: Host,
): BrowserSecondFactor {
  const { origins = [] } = host
  const rpId = rpIdFor(origins[0], said)
  const expectedOrigin = [...origins]
  const challengeOf = (nonce: string) => Buffer.from(nonce).toString('base64url')

  async function confirm(secret: Json, nonce: string, given: Json): Promise<BrowserEnrolment | undefined> {
    const answer = readRegistration(given)
    if (answer === undefined) return undefined
    const { verifyRegistrationResponse } = await library()
    const { transports = [] } = answer.response
    const made = await verifyRegistrationResponse({
      response: { ...answer, response: answer.response, clientExtensionResults: {} } as Parameters<
        typeof verifyRegistrationResponse
      >[0]['response'],
      expectedChallenge: challengeOf(nonce),
      expectedOrigin,
      expectedRPID: rpId,
      requireUserVerification: userVerification === 'required',
      supportedAlgorithmIDs: ALGORITHMS,
    }).catch(noAnswer)
    if (made?.verified !== true) return undefined
    const { credential, aaguid, credentialDeviceType, credentialBackedUp, userVerified } = made.registrationInfo
    // The id that is signed for, and not the one beside it.
    if (credential.id !== answer.id) return undefined
    const enrolment: Enrolment = {
      id: credential.id,
      publicKey: Buffer.from(credential.publicKey).toString('base64url'),
      counter: credential.counter,
      transports,
      userHandle: (secret as unknown as { userHandle: string }).userHandle,
      rpId,
      mayBeSynced: credentialDeviceType === 'multiDevice',
      isSynced: credentialBackedUp,
      aaguid,
    }
    const isKept = answer.clientExtensionResults?.credProps?.rk !== false
    return {
      enrolment: enrolment as unknown as Json,
      handle: credential.id,
      scope: rpId,
      about: {
        kind: kindOf(aaguid, transports),
        isSynced: credentialBackedUp,
        provesUser: userVerified && isKept,
      },
    }
  }

  async function judge(nonce: string, kept: Json, given: Json, isSignIn: boolean): Promise<BrowserVerdict> {
    const answer = readAssertion(given)
    const enrolment = kept as unknown as Enrolment
    if (answer === undefined || answer.id !== enrolment.id) return false
    // Whom the authenticator believes to sign in has to be whom the key belongs to (WebAuthn, 7.2, step 6).
    const { userHandle } = answer.response
    if (userHandle ? userHandle !== enrolment.userHandle : isSignIn) return false
    const { verifyAuthenticationResponse } = await library()
    const verdict = await verifyAuthenticationResponse({
      response: { ...answer, clientExtensionResults: {} } as Parameters<
        typeof verifyAuthenticationResponse
      >[0]['response'],
      expectedChallenge: challengeOf(nonce),
      expectedOrigin,
      expectedRPID: enrolment.rpId,
      requireUserVerification: userVerification === 'required',
      // Judged below: the library takes a counter that goes back for a broken answer, whether the signature is right or not.
      credential: { id: enrolment.id, publicKey: Buffer.from(enrolment.publicKey, 'base64url'), counter: 0 },
    }).catch(noAnswer)
    if (verdict?.verified !== true) return false
    const { newCounter, credentialBackedUp, credentialDeviceType, userVerified } = verdict.authenticationInfo
    // Whether it may be copied is a property of the key (WebAuthn, 6.1.3): another answer is of another key.
    if ((credentialDeviceType === 'multiDevice') !== enrolment.mayBeSynced) return false
    const grown = { ...enrolment, counter: newCounter, isSynced: credentialBackedUp }
    const isBack = (newCounter > 0 || enrolment.counter > 0) && newCounter <= enrolment.counter
    if (isBack) return { refused: 'copied', enrolment: grown as unknown as Json }
    return { enrolment: grown as unknown as Json, provesUser: userVerified, isSynced: credentialBackedUp }
  }

  return {
    label: 'Passkey or security key',
    asks: 'browser',
    resistsPhishing: true,
    scope: rpId,
    available: () => true,
    setUp: {
      async begin(user: User, nonce: string, others: readonly Json[]) {
        const mine = enrolments(others)
        const userHandle = mine[0]?.userHandle ?? randomBytes(32).toString('base64url')
        const question = {
          challenge: challengeOf(nonce),
          rp: { id: rpId, name },
          user: { id: userHandle, name: user.username, displayName: user.displayName ?? user.username },
          pubKeyCredParams: ALGORITHMS.map((alg) => ({ alg, type: 'public-key' })),
          timeout: TIMEOUT,
          attestation: 'none',
          excludeCredentials: mine.map(descriptor),
          authenticatorSelection: {
            residentKey: 'preferred',
            requireResidentKey: false,
            userVerification,
          },
          extensions: { credProps: true },
        }
        return { secret: { userHandle }, question }
      },
      confirm,
    },
    async ask(_user: User, nonce: string, kept: readonly Json[], mustProveUser: boolean) {
      const mine = enrolments(kept)
      // A browser is asked for one domain at a time. What was made for another one can still be used while that is a part of this host.
      const rpIdOfFirst = mine[0]?.rpId ?? rpId
      return {
        challenge: challengeOf(nonce),
        rpId: rpIdOfFirst,
        timeout: TIMEOUT,
        userVerification: mustProveUser ? 'required' : userVerification,
        allowCredentials: mine.filter((each) => each.rpId === rpIdOfFirst).map(descriptor),
      }
    },
    handleOf: (answer: Json) => readAssertion(answer)?.id,
    judge,
    ...(signIn && {
      signIn: {
        ask: (nonce: string) => ({
          challenge: challengeOf(nonce),
          rpId,
          timeout: TIMEOUT,
          userVerification,
          allowCredentials: [],
        }),
      },
    }),
    signals(user: User, left: readonly Json[], gone) {
      const mine = enrolments(left)
      const accounts = mine.filter((each, index) => mine.findIndex((other) => isSameAccount(each, other)) === index)
      return {
        // Of other domains nothing is said: a parent is shared with applications that have passkeys of their own.
        unknown: gone.filter(({ scope }) => scope === rpId).map(({ handle }) => ({ rpId, credentialId: handle })),
        accepted: accounts.map((account) => ({
          rpId: account.rpId,
          userId: account.userHandle,
          allAcceptedCredentialIds: mine.filter((each) => isSameAccount(each, account)).map(({ id }) => id),
        })),
        details: accounts.map((account) => ({
          rpId: account.rpId,
          userId: account.userHandle,
          name: user.username,
          displayName: user.displayName ?? user.username,
        })),
      }
    },
  }
}

function enrolments(kept: readonly Json[]): readonly Enrolment[] {
  return kept as unknown as readonly Enrolment[]
}

function descriptor({ id, transports }: Enrolment): Json {
  return { id, type: 'public-key', transports }
}

function isSameAccount(one: Enrolment, other: Enrolment): boolean {
  return isDeepStrictEqual([one.rpId, one.userHandle], [other.rpId, other.userHandle])
}

/** The library says what is wrong with an answer by throwing. */
function noAnswer(): undefined {
  return undefined
}

/** @throws with a sentence for the operator where browsers would ask for no passkey of this domain at this address */
function rpIdFor(origin: string | undefined, said: string | undefined): string {
  if (origin === undefined) throw new Error('Passkeys need publicUrl in the configuration')
  const { protocol, hostname } = new URL(origin)
  if (/^[\d.]+$|:/.test(hostname))
    throw new Error(`Passkeys need a host name, and publicUrl has an address: ${hostname}`)
  const isLocal = hostname === 'localhost' || hostname.endsWith('.localhost')
  if (protocol !== 'https:' && !isLocal) throw new Error('Passkeys need https in publicUrl')
  if (said === undefined || said === hostname) return hostname
  if (!hostname.endsWith(`.${said}`) || !said.includes('.')) {
    throw new Error(`rpId must be ${hostname}, or a parent of it as in example.com`)
  }
  return said
}
