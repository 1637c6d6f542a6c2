import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** A question as our pages have it: what is read of it here. */
export interface Question {
  readonly challenge: string
  readonly rpId?: string
  readonly rp?: { readonly id: string }
  readonly user?: { readonly id: string }
  readonly allowCredentials?: ReadonlyArray<{ readonly id: string }>
  readonly excludeCredentials?: ReadonlyArray<{ readonly id: string }>
}

/** What an honest browser and authenticator would not do. */
export interface Mischief {
  readonly origin?: string
  /** What the authenticator was told the site is. */
  readonly rpId?: string
  readonly challenge?: string
  readonly type?: string
  readonly crossOrigin?: boolean
  readonly userHandle?: string | null
  /** Claims to be this credential. */
  readonly id?: string
  /** Of the flags that are sent, after they were signed. */
  readonly flip?: number
  /** Of the flags that are signed. */
  readonly flags?: number
  readonly counter?: number
  readonly bogus?: boolean
  /** Signs with the key of another one. */
  readonly by?: SoftCredential
}

export interface SoftCredential {
  readonly id: string
  readonly rpId: string
  readonly userHandle: string
  readonly key: KeyObject
  counter: number
}

export const flag = { present: 0x01, verified: 0x04, mayBeSynced: 0x08, isSynced: 0x10, attested: 0x40 } as const

/**
 * A browser with an authenticator, in software: makes ES256 keys and signs what it is asked to, honestly unless it is told
 * otherwise. Written from WebAuthn, sections 6.1 and 6.5.
 */
export class SoftAuthenticator {
  readonly credentials: SoftCredential[] = []
  readonly #origin: string
  /** Proves the person (UV). */
  verifies: boolean
  readonly #synced: boolean
  readonly #counts: boolean
  readonly #transports: readonly string[]

  constructor(
    origin: string,
    {
      verifies = true,
      synced = false,
      counts = true,
      transports = ['internal'],
    }: { verifies?: boolean; synced?: boolean; counts?: boolean; transports?: readonly string[] } = {},
  ) {
    this.#origin = origin
    this.verifies = verifies
    this.#synced = synced
    this.#counts = counts
    this.#transports = transports
  }

  /** Sets one up. @returns the answer as JSON */
  create(question: unknown, mischief: Mischief = {}): string {
    const asked = question as Question
    const rpId = mischief.rpId ?? asked.rp?.id ?? ''
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const id = mischief.id ?? randomBytes(16).toString('base64url')
    const made: SoftCredential = { id, rpId, userHandle: asked.user?.id ?? '', key: privateKey, counter: 0 }
    this.credentials.push(made)
    const jwk = publicKey.export({ format: 'jwk' })
    const cose = cborMap([
      [cborInt(1), cborInt(2)],
      [cborInt(3), cborInt(-7)],
      [cborInt(-1), cborInt(1)],
      [cborInt(-2), cborBytes(Buffer.from(String(jwk.x), 'base64url'))],
      [cborInt(-3), cborBytes(Buffer.from(String(jwk.y), 'base64url'))],
    ])
    const rawId = Buffer.from(id, 'base64url')
    const length = Buffer.alloc(2)
    length.writeUInt16BE(rawId.length)
    const attested = Buffer.concat([Buffer.alloc(16), length, rawId, cose])
    const data = Buffer.concat([
      this.#head(rpId, (mischief.flags ?? this.#flags()) | flag.attested, mischief.counter ?? 0),
      attested,
    ])
    const attestation = cborMap([
      [cborText('fmt'), cborText('none')],
      [cborText('attStmt'), cborMap([])],
      [cborText('authData'), cborBytes(data)],
    ])
    return JSON.stringify({
      id,
      rawId: id,
      type: 'public-key',
      response: {
        clientDataJSON: this.#clientData('webauthn.create', asked, mischief).toString('base64url'),
        attestationObject: attestation.toString('base64url'),
        transports: this.#transports,
      },
      clientExtensionResults: { credProps: { rk: true } },
    })
  }

  /** Answers with the one it has that the question allows. @returns the answer as JSON */
  get(question: unknown, mischief: Mischief = {}): string {
    const asked = question as Question
    const allowed = asked.allowCredentials ?? []
    const own = this.credentials.find(
      ({ id, rpId }) => rpId === asked.rpId && (allowed.length === 0 || allowed.some((one) => one.id === id)),
    )
    const used = mischief.by ?? own ?? this.credentials[0]
    if (used === undefined) throw new Error('the authenticator has no credential')
    if (this.#counts) used.counter += 1
    const flags = mischief.flags ?? this.#flags()
    const data = this.#head(mischief.rpId ?? used.rpId, flags, mischief.counter ?? used.counter)
    const clientData = this.#clientData('webauthn.get', asked, mischief)
    const signed = Buffer.concat([data, createHash('sha256').update(clientData).digest()])
    const signature = sign('sha256', signed, used.key)
    if (mischief.bogus) signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1
    data[32] = flags ^ (mischief.flip ?? 0)
    const userHandle = mischief.userHandle === undefined ? used.userHandle : mischief.userHandle
    const id = mischief.id ?? used.id
    return JSON.stringify({
      id,
      rawId: id,
      type: 'public-key',
      response: {
        clientDataJSON: clientData.toString('base64url'),
        authenticatorData: data.toString('base64url'),
        signature: signature.toString('base64url'),
        ...(userHandle === null ? {} : { userHandle }),
      },
      clientExtensionResults: {},
    })
  }

  #flags(): number {
    const synced = this.#synced ? flag.mayBeSynced | flag.isSynced : 0
    return flag.present | (this.verifies ? flag.verified : 0) | synced
  }

  #head(rpId: string, flags: number, counter: number): Buffer {
    const rest = Buffer.alloc(5)
    rest[0] = flags
    rest.writeUInt32BE(counter, 1)
    return Buffer.concat([createHash('sha256').update(rpId).digest(), rest])
  }

  #clientData(type: string, { challenge }: Question, mischief: Mischief): Buffer {
    return Buffer.from(
      JSON.stringify({
        type: mischief.type ?? type,
        challenge: mischief.challenge ?? challenge,
        origin: mischief.origin ?? this.#origin,
        crossOrigin: mischief.crossOrigin ?? false,
      }),
    )
  }
}

/** As much of CBOR (RFC 8949) as an attestation without a statement needs. */
function cborHead(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value])
  if (value < 256) return Buffer.from([(major << 5) | 24, value])
  return Buffer.from([(major << 5) | 25, value >> 8, value & 0xff])
}

function cborInt(value: number): Buffer {
  return value < 0 ? cborHead(1, -1 - value) : cborHead(0, value)
}

function cborBytes(bytes: Buffer): Buffer {
  return Buffer.concat([cborHead(2, bytes.length), bytes])
}

function cborText(text: string): Buffer {
  return Buffer.concat([cborHead(3, Buffer.byteLength(text)), Buffer.from(text)])
}

function cborMap(entries: ReadonlyArray<readonly [Buffer, Buffer]>): Buffer {
  return Buffer.concat([cborHead(5, entries.length), ...entries.flat()])
}
