import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'undici'
import { z } from 'zod'
import { definePlugin } from '../../src/contracts.js'
import {
  callerHeaders,
  callerOptions,
  filePath,
  httpAddress,
  httpFailureError,
  httpStatusError,
  warnOfPlainHttp,
} from '../../src/plugin-kit.js'

const options = z.strictObject({
  url: httpAddress().describe('Where entries are posted.'),
  secret: z.string().min(16).describe('Signs every request; the receiver has the same.'),
  auth: callerOptions.auth.describe('Sent as Authorization: { username, password } or { bearer }.'),
  events: z
    .array(z.string().min(1).max(100))
    .min(1)
    .default(['*'])
    .describe('Only these events; a * at the end stands for anything, as in admin.*.'),
  ca: filePath().optional().describe('PEM file of the authority that signed the receiver’s certificate.'),
  timeoutSeconds: z.number().min(0.05).max(20).default(8).describe('How long the receiver may take for one entry.'),
})

/**
 * Posts each entry as JSON, in order and one at a time, until the receiver answers with a status of 2xx. The signature is
 * the HMAC-SHA-256 in hex over `timestamp.body`; the receiver refuses old timestamps, and knows by `X-Gatelodge-Number`
 * an entry that it has already: after a crash the last ones come again.
 */
export default definePlugin({
  kind: 'audit-outs',
  options,
  create({ url, secret, auth, events, ca, timeoutSeconds }, { now, log }) {
    warnOfPlainHttp(url, log, 'The audit travels unencrypted to this webhook')
    const timeout = timeoutSeconds * 1000
    const { origin, pathname } = new URL(url)
    const connect = { timeout, ...(ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') }) }
    const dispatcher = new Agent({ pipelining: 0, maxResponseSize: 64 * 1024, connect })

    const signature = { secret, header: 'x-gatelodge-signature', timestampHeader: 'x-gatelodge-timestamp' }

    async function post(number: number, body: string): Promise<void> {
      const headers = {
        ...callerHeaders({ auth, signature }, body, now()),
        'content-type': 'application/json',
        'user-agent': 'gatelodge',
        'x-gatelodge-number': String(number),
      }
      const signal = AbortSignal.timeout(timeout)
      try {
        const answer = await request(url, { method: 'POST', headers, body, dispatcher, signal })
        answer.body.dump({ limit: 64 * 1024, signal }).catch(() => undefined)
        if (answer.statusCode < 200 || answer.statusCode > 299) throw httpStatusError(answer.statusCode)
      } catch (error) {
        throw httpFailureError(error)
      }
    }

    const some = events.includes('*') ? '' : ` ${events.join(',')}`
    // What is in the path may be a secret, as of many chat services: a hash of it tells two receivers of one host apart.
    const mark = createHash('sha256').update(url).digest('hex').slice(0, 8)

    return {
      name: `webhook ${origin} ${mark}${some}`,
      formerName: `webhook ${origin}${pathname}${some}`,
      async deliver(entries, delivered) {
        for (const { number, event, text } of entries) {
          if (events.some((wanted) => isEvent(event, wanted))) await post(number, text)
          delivered(number)
        }
      },
      close: () => dispatcher.destroy(),
    }
  },
})

function isEvent(event: string, wanted: string): boolean {
  return wanted.endsWith('*') ? event.startsWith(wanted.slice(0, -1)) : event === wanted
}
