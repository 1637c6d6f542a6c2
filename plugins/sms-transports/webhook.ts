import { Agent, request } from 'undici'
import { z } from 'zod'
import { definePlugin, type Json } from '../../src/contracts.js'
import {
  callerHeaders,
  callerOptions,
  httpAddress,
  httpFailureError,
  httpStatusError,
  warnOfPlainHttp,
} from '../../src/plugin-kit.js'

/** Any JSON; `{to}` and `{text}` inside its strings are filled in, any other name in braces is a mistake. */
const bodyTemplate = z
  .json()
  .refine((body) => [...placeholders(body)].every((name) => name === 'to' || name === 'text'), {
    message: 'may name {to} and {text} only',
  })
  .refine((body) => new Set(placeholders(body)).size === 2, { message: 'must name both {to} and {text}' })

const options = z.strictObject({
  url: httpAddress(),
  /** What is posted. */
  body: bodyTemplate.default({ to: '{to}', text: '{text}' }),
  ...callerOptions,
  /** A certificate authority of one's own, in PEM. The certificate is always verified. */
  ca: z.string().optional(),
  timeoutSeconds: z.number().positive().max(60).default(8),
})

/** Posts each message as JSON to an address of the operator's own. */
export default definePlugin({
  kind: 'sms-transports',
  options,
  create({ url, body: template, auth, signature, ca, timeoutSeconds }, host) {
    warnOfPlainHttp(url, host.log, 'Text messages and their credentials travel unencrypted to this webhook')
    const timeout = timeoutSeconds * 1000
    // Without pipelining no connection is used twice: a connection gone stale would make the outcome unknown.
    const dispatcher = new Agent({
      pipelining: 0,
      maxResponseSize: 64 * 1024,
      connect: { timeout: timeout / 2, ...(ca === undefined ? {} : { ca }) },
    })
    return {
      async send(message) {
        const body = JSON.stringify(fill(template, message))
        const headers = {
          'content-type': 'application/json',
          accept: 'application/json',
          ...callerHeaders({ auth, signature }, body, host.now()),
        }
        const signal = AbortSignal.timeout(timeout)
        try {
          const answer = await request(url, { method: 'POST', headers, body, dispatcher, signal })
          // The status says it all: a body that is endless or breaks off changes nothing.
          answer.body.dump({ limit: 64 * 1024, signal }).catch(() => undefined)
          if (answer.statusCode >= 200 && answer.statusCode < 300) return
          throw httpStatusError(answer.statusCode, answer.headers['retry-after'])
        } catch (error) {
          throw httpFailureError(error)
        }
      },
      close: () => dispatcher.destroy(),
    }
  },
})

function* placeholders(value: Json): Generator<string> {
  if (typeof value === 'string') for (const [, name] of value.matchAll(/\{([a-zA-Z]+)\}/g)) yield name ?? ''
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) yield* placeholders(inner)
}

/** One pass over each string, so that braces inside a text stay what they are. */
function fill(template: Json, message: { readonly to: string; readonly text: string }): Json {
  if (typeof template === 'string') {
    return template.replace(/\{(to|text)\}/g, (_, name) => (name === 'to' ? message.to : message.text))
  }
  if (Array.isArray(template)) return template.map((inner) => fill(inner, message))
  if (typeof template !== 'object' || template === null) return template
  return Object.fromEntries(Object.entries(template).map(([key, inner]) => [key, fill(inner, message)]))
}
