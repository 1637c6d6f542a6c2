import { generateSecret, generateURI, verify } from 'otplib'
import { encode } from 'uqr'
import { z } from 'zod'
import { definePlugin, type Host, type Json, type SecondFactor, type User } from '../../src/contracts.js'

const options = z.strictObject({
  /** The service's name as the app shows it. */
  issuer: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[^:\p{Cc}]+$/u, 'must not contain a colon')
    .default('Gatelodge'),
  /** Takes the next step's code as well, for phones whose clock is fast. */
  ahead: z.boolean().default(false),
})

/** Authenticator app: RFC 6238 with SHA-1, 6 digits, 30 seconds, this step and the one before. */
export default definePlugin({ kind: 'second-factors', options, create: totp })

interface Enrolment {
  /** 20 bytes in base 32. */
  readonly secret: string
  /** The step of the last code that was accepted: it and everything before are refused (RFC 6238, 5.2). */
  readonly lastStep: number
}

function totp({ issuer, ahead }: z.output<typeof options>, host: Host): SecondFactor {
  /** The time step the answer belongs to, if it is right and newer than the last. */
  async function stepOf(
    { secret, lastStep }: Enrolment,
    answer: string,
    [before, after]: readonly [before: number, after: number] = [PERIOD, ahead ? PERIOD : 0],
  ): Promise<number | undefined> {
    if (answer.length > 256) return undefined
    const token = answer.normalize('NFKC').replace(/[\s\p{Pd}]/gu, '')
    if (!/^\d{6}$/.test(token)) return undefined
    const epoch = Math.floor(host.now() / 1000)
    // otplib takes a last step beyond its window for a programming error; a clock set back must not become one.
    const newest = Math.floor((epoch + after) / PERIOD)
    if (lastStep >= newest) return undefined
    const verdict = await verify({
      secret,
      token,
      epoch,
      epochTolerance: [before, after],
      ...(lastStep >= 0 ? { afterTimeStep: lastStep } : {}),
    })
    return verdict.valid && 'timeStep' in verdict ? verdict.timeStep : undefined
  }

  const isOfAnotherTime = async (enrolment: Enrolment, answer: string) =>
    (await stepOf(enrolment, answer, [CLOCKS_OFF, CLOCKS_OFF])) !== undefined

  return {
    label: 'Authenticator app',
    available: () => true,
    enrol: {
      async begin(user: User) {
        const secret = generateSecret({ length: 20 })
        // A colon parts the service's name from the user's.
        const label = user.username.replaceAll(':', '.')
        return { secret, show: show(generateURI({ issuer, label, secret }), secret) }
      },
      async confirm(secret: Json, answer: string) {
        const lastStep = await stepOf({ secret: String(secret), lastStep: NEVER }, answer)
        return lastStep === undefined ? undefined : { secret, lastStep }
      },
      isOfAnotherTime: (secret: Json, answer: string) =>
        isOfAnotherTime({ secret: String(secret), lastStep: NEVER }, answer),
    },
    async begin() {
      return null
    },
    async verify(_challenge: Json, enrolment: Json, answer: string) {
      const { secret } = enrolment as unknown as Enrolment
      const lastStep = await stepOf(enrolment as unknown as Enrolment, answer)
      return lastStep === undefined ? false : { enrolment: { secret, lastStep } }
    },
    isOfAnotherTime: (enrolment: Json, answer: string) => isOfAnotherTime(enrolment as unknown as Enrolment, answer),
  }
}

const PERIOD = 30
/** By how much clocks of phones that are set by hand are off, seconds. */
const CLOCKS_OFF = 10 * 60
const NEVER = -1

/** What the page shows: the address for phones, the key to type in groups of four, the code to scan as SVG path data. */
function show(uri: string, secret: string): Json {
  // Four light modules around it: ISO/IEC 18004 asks for them, and cameras do too.
  const { data, size } = encode(uri, { ecc: 'M', border: 4 })
  return { uri, key: secret.replace(/.{4}(?=.)/g, '$& '), qr: { size, path: data.map(rowPath).join('') } }
}

/** One `M x y h n v 1 h -n z` for each run of dark modules in the row. */
function rowPath(row: readonly boolean[], y: number): string {
  let path = ''
  for (let x = 0; x < row.length; x += 1) {
    if (!row[x]) continue
    const from = x
    while (row[x + 1]) x += 1
    const width = x + 1 - from
    path += `M${from} ${y}h${width}v1h-${width}z`
  }
  return path
}
