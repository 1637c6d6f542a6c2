import { inspect } from 'node:util'
import type { SmsTransport } from '../src/contracts.js'
import { failure } from './failure.js'
import { lentHost } from './lent-host.js'
import type { SuiteTest } from './runner.js'
import { accepted, nonsense, reset, SmsProvider, silence, status } from './sms-provider.js'

/** What holds for every transport of text messages that reaches a provider over HTTP. */
export interface SmsSubject {
  readonly name: string
  /** A transport that speaks to this provider. */
  build(providerUrl: string, host: ReturnType<typeof lentHost>, timeoutSeconds: number): Promise<SmsTransport>
  /** Recipient and text as the provider read them from one request. */
  read(body: string): { to: string; text: string }
  /** Whether it knows the provider's own answer from a stranger's. */
  readonly knowsNonsense: boolean
  /** Credentials of the options, which may stand nowhere. */
  readonly secrets: readonly string[]
}

const to = '+12025550143'
const text = '123456 is your code for Crème & Co {to} {text} "\\ €\n\n@crm.example.com #123456'

export function smsTransportContract(t: SuiteTest, subject: SmsSubject): void {
  t.test(`${subject.name} as a transport of text messages`, async (t) => {
    const provider = await SmsProvider.start()
    const host = lentHost()
    const transport = await subject.build(provider.url, host, 30)
    const hasty = await subject.build(provider.url, host, 2)
    t.teardown(async () => {
      await transport.close?.()
      await hasty.close?.()
      await provider.stop()
    })

    t.test('a message arrives once and word for word', async (t) => {
      provider.requests.length = 0
      await transport.send({ to, text })
      t.equal(provider.requests.length, 1)
      t.same(subject.read(provider.requests[0]?.body ?? ''), { to, text })
    })

    const faults = [
      { what: '400', answer: status(400), reason: 'refused' },
      { what: '401', answer: status(401), reason: 'refused' },
      { what: 'a redirect', answer: status(307, { location: `${provider.url}/elsewhere` }), reason: 'refused' },
      { what: '429', answer: status(429, { 'retry-after': '7' }), reason: 'unavailable', retryAfterSeconds: 7 },
      { what: '503', answer: status(503), reason: 'unavailable' },
      {
        what: '503 with a date nobody can wait for',
        answer: status(503, { 'retry-after': 'soon' }),
        reason: 'unavailable',
      },
      { what: '500', answer: status(500), reason: 'unknown' },
      { what: 'silence', answer: silence, reason: 'unknown' },
      { what: 'a connection that breaks', answer: reset, reason: 'unknown' },
      ...(subject.knowsNonsense ? [{ what: 'nonsense', answer: nonsense, reason: 'unknown' }] : []),
    ]
    for (const { what, answer, reason, ...more } of faults) {
      t.test(`${what} is "${reason}" after exactly one request, and says nothing of the message`, async (t) => {
        provider.requests.length = 0
        provider.answer = answer
        const error = await failure((answer === silence ? hasty : transport).send({ to, text }))
        t.match(error, { name: 'TransportError', reason, retryAfterSeconds: undefined, ...more })
        t.equal(provider.requests.length, 1, 'asked once')
        const said = inspect(error, { depth: 9 }) + inspect(host.lines, { depth: 9 })
        for (const secret of [to, to.slice(1), '123456', 'Crème', ...subject.secrets]) {
          t.notOk(said.includes(secret), 'no part of the message or the credentials is told')
        }
      })
    }

    t.test('a provider that is not there is "unavailable"', async (t) => {
      const gone = await SmsProvider.start()
      const lost = await subject.build(gone.url, host, 30)
      await gone.stop()
      t.match(await failure(lost.send({ to, text })), { reason: 'unavailable' })
      await lost.close?.()
    })

    t.test('fifty at once arrive once each', async (t) => {
      provider.requests.length = 0
      provider.answer = accepted
      await Promise.all(Array.from({ length: 50 }, (_, i) => transport.send({ to, text: `message ${i}` })))
      const texts = provider.requests.map(({ body }) => subject.read(body).text)
      t.equal(texts.length, 50)
      t.equal(new Set(texts).size, 50)
    })
  })
}
