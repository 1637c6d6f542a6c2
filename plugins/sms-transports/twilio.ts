import { Agent, request } from 'undici'
import { z } from 'zod'
import { definePlugin, type SmsTransport, TransportError } from '../../src/contracts.js'
import { httpAddress, httpFailureError, httpStatusError } from '../../src/plugin-kit.js'

const options = z
  .strictObject({
    /** Begins with `AC`, as the Twilio console shows it. */
    accountSid: z.string().regex(/^AC[\w-]*$/, 'must be an account SID, which begins with AC'),
    authToken: z.string().min(1),
    /** A number in E.164 or a sender name. */
    from: z.string().min(1).optional(),
    /** Instead of `from`: Twilio picks the number. */
    messagingServiceSid: z.string().min(1).optional(),
    /** Another provider that speaks Twilio's API, or a test. */
    apiBaseUrl: httpAddress().optional(),
    timeoutSeconds: z.number().positive().max(60).default(8),
  })
  .refine((chosen) => (chosen.from === undefined) !== (chosen.messagingServiceSid === undefined), {
    message: 'takes either from or messagingServiceSid',
    path: ['from'],
  })

type Options = z.output<typeof options>

/** Hands each message to Twilio, or to a provider that speaks its API, through Twilio's own client. */
export default definePlugin({
  kind: 'sms-transports',
  options,
  async create(chosen): Promise<SmsTransport> {
    // 29 MB and a fifth of a second: only where it is really used, and not for checking the options.
    const { default: twilio } = await import('twilio')
    const dispatcher = createDispatcher(chosen)
    const httpClient = new twilio.RequestClient()
    httpClient.request = (asked) => exchange(asked, chosen, dispatcher)
    const client = twilio(chosen.accountSid, chosen.authToken, { httpClient })
    if (chosen.apiBaseUrl !== undefined) client.api.baseUrl = chosen.apiBaseUrl
    const { messages } = client
    const sender =
      chosen.messagingServiceSid === undefined
        ? { from: chosen.from ?? '' }
        : { messagingServiceSid: chosen.messagingServiceSid }
    return {
      async send({ to, text }) {
        let sid: unknown
        try {
          sid = (await messages.create({ to, body: text, ...sender })).sid
        } catch (error) {
          throw httpFailureError(error)
        }
        // A success without a message's id is an answer of somebody else, a proxy's page for instance.
        if (typeof sid !== 'string') throw new TransportError('unknown', 'The provider answered with something else')
      },
      close: () => dispatcher.destroy(),
    }
  },
})

/** Without pipelining no connection is used twice: a connection gone stale would make the outcome unknown. */
function createDispatcher({ timeoutSeconds }: Options): Agent {
  return new Agent({ pipelining: 0, maxResponseSize: 64 * 1024, connect: { timeout: timeoutSeconds * 500 } })
}

/** What Twilio's client asks of the part that speaks HTTP for it. */
interface Exchange {
  readonly uri: string
  readonly username?: string
  readonly password?: string
  readonly data?: unknown
}

/**
 * Twilio's client words the request and reads the answer, this carries both: with a deadline over the whole exchange (the
 * client's own counts silence only), no redirects, no second use of a connection, and the provider's `Retry-After` kept.
 */
async function exchange<Body>({ uri, username, password, data }: Exchange, chosen: Options, dispatcher: Agent) {
  const target = new URL(uri)
  // The client reads Twilio's edges and regions into any host name, and loses a label of a long one.
  if (chosen.apiBaseUrl !== undefined) target.host = new URL(chosen.apiBaseUrl).host
  const answer = await request(target, {
    method: 'POST',
    headers: {
      accept: 'application/json',
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams(Object.entries(data ?? {})).toString(),
    dispatcher,
    signal: AbortSignal.timeout(chosen.timeoutSeconds * 1000),
  })
  if (answer.statusCode >= 200 && answer.statusCode < 300) {
    const body: Body = JSON.parse(await answer.body.text())
    return { statusCode: answer.statusCode, body, headers: answer.headers }
  }
  answer.body.dump().catch(() => undefined)
  throw httpStatusError(answer.statusCode, answer.headers['retry-after'])
}
