import { z } from 'zod'

/** What browsers send, as far as it is read; everything else is dropped before any of it reaches a parser of binary data. */

const bytes = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[\w-]+$/)

/** Credential ids have at most 1,023 bytes (WebAuthn, 4). */
const credentialId = bytes(1364)

const credential = { id: credentialId, rawId: credentialId, type: z.literal('public-key') }

const registration = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: bytes(2048),
    attestationObject: bytes(6144),
    transports: z.array(z.string().max(32)).max(10).optional().catch(undefined),
  }),
  /** What the browser says about it, and nobody signs: good for a name, and for nothing else. */
  clientExtensionResults: z
    .object({ credProps: z.object({ rk: z.boolean() }).optional() })
    .optional()
    .catch(undefined),
})

const assertion = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: bytes(2048),
    authenticatorData: bytes(2048),
    signature: bytes(2048),
    userHandle: bytes(128).nullish(),
  }),
})

const clientData = z.object({ crossOrigin: z.boolean().optional() })

export type Registration = z.output<typeof registration>
export type Assertion = z.output<typeof assertion>

/** `undefined`: it has not the shape, or comes from a page in a frame of another site. */
export function readRegistration(answer: unknown): Registration | undefined {
  const read = registration.safeParse(answer)
  return read.success && isOfThisPage(read.data.response.clientDataJSON) ? read.data : undefined
}

/** As {@link readRegistration}. */
export function readAssertion(answer: unknown): Assertion | undefined {
  const read = assertion.safeParse(answer)
  return read.success && isOfThisPage(read.data.response.clientDataJSON) ? read.data : undefined
}

/** The library lets a frame of another site pass where the browser does not name it. No page of ours is ever in a frame. */
function isOfThisPage(text: string): boolean {
  try {
    const read = clientData.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
    return read.success && read.data.crossOrigin !== true
  } catch {
    return false
  }
}
