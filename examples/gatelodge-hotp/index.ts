import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { definePlugin, type Json } from 'gatelodge/plugin'
import { z } from 'zod'

/** What the gateway keeps for a user: the seed of the token in hex, and the number of the next press. */
const enrolments = z.object({ secret: z.string(), counter: z.number() })

export default definePlugin({
  kind: 'second-factors',
  options: z.strictObject({
    /** How many presses of the button may get lost. */
    lookAhead: z.number().int().min(0).max(50).default(10),
  }),
  create: ({ lookAhead }) => ({
    label: 'Hardware token',
    available: () => true,
    enrol: {
      async begin() {
        const secret = randomBytes(20).toString('hex')
        return { secret, show: { key: secret } }
      },
      async confirm(secret, answer) {
        const used = findCounter({ secret: String(secret), counter: 0 }, answer, lookAhead)
        return used === undefined ? undefined : { secret, counter: used + 1 }
      },
    },
    async begin() {
      return null
    },
    // Saying what the enrolment becomes makes the code good for one sign-in: the gateway keeps one of two that race.
    async verify(_challenge: Json, enrolment: Json, answer: string) {
      const kept = enrolments.parse(enrolment)
      const used = findCounter(kept, answer, lookAhead)
      return used === undefined ? false : { enrolment: { ...kept, counter: used + 1 } }
    },
  }),
})

/** The press that shows this answer: the next one, or one of those after it. */
function findCounter({ secret, counter }: z.output<typeof enrolments>, answer: string, lookAhead: number) {
  const given = Buffer.from(answer)
  for (let next = counter; next <= counter + lookAhead; next += 1) {
    const code = Buffer.from(codeAt(secret, next))
    if (code.length === given.length && timingSafeEqual(code, given)) return next
  }
  return undefined
}

/** RFC 4226, 5.3: six digits out of an HMAC-SHA-1 over the counter. */
function codeAt(secret: string, counter: number): string {
  const message = Buffer.alloc(8)
  message.writeBigUInt64BE(BigInt(counter))
  const mac = createHmac('sha1', Buffer.from(secret, 'hex')).update(message).digest()
  const number = mac.readUInt32BE((mac.at(-1) ?? 0) & 15) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}
