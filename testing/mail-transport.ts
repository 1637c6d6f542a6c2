import { inspect } from 'node:util'
import type { Mail, MailTransport, TransportError } from '../src/contracts.js'
import { failure } from './failure.js'
import { lentHost } from './lent-host.js'
import type { SuiteTest } from './runner.js'

/** What holds for every transport that hands mail to an SMTP server. */
export interface MailSubject {
  readonly name: string
  /** A transport that speaks to the server at this port of 127.0.0.1. */
  build(port: number, host: ReturnType<typeof lentHost>, timeoutSeconds: number): Promise<MailTransport>
}

const mail: Mail = {
  to: 'ada@example.org',
  subject: 'Your code – für Crème & Co',
  text: 'Your code is 123456.\n\n.\nFrom the middle of a line\n€',
  html: '<p>Your code is <b>123456</b>.</p>',
}

export function mailTransportContract(t: SuiteTest, subject: MailSubject): void {
  t.test(`${subject.name} as a transport of mail`, async (t) => {
    const { MailServer, reply } = await import('./mail-server.js')
    const server = await MailServer.start({
      onMailFrom: (_, __, done) => done(stage === 'sender' ? said : undefined),
      onRcptTo: (_, __, done) => done(stage === 'recipient' ? said : undefined),
      onConnect: (_, done) => done(stage === 'greeting' ? said : undefined),
    })
    let stage = 'none'
    let said: Error | undefined
    const host = lentHost()
    const transport = await subject.build(server.port, host, 30)
    t.teardown(async () => {
      await transport.close?.()
      await server.stop()
    })

    t.test('a mail arrives once, word for word, to one recipient', async (t) => {
      await transport.send(mail)
      t.equal(server.arrived.length, 1)
      const [arrived] = server.arrived
      t.same(arrived?.envelope.to, [mail.to])
      t.equal(arrived?.email.subject, mail.subject)
      t.equal(arrived?.email.text?.trimEnd(), mail.text)
      t.equal(arrived?.email.html?.trimEnd(), mail.html)
      t.equal(arrived?.email.to?.[0]?.address, mail.to)
    })

    t.test('nobody sees who else was written to, and no machine answers it', async (t) => {
      const [arrived] = server.arrived
      const headers = new Map(arrived?.email.headers.map(({ key, value }) => [key, value]))
      t.equal(headers.get('auto-submitted'), 'auto-generated')
      t.match(headers.get('message-id'), /^<[^@\s]+@example\.com>$/)
      t.match(arrived?.email.from, { name: 'Sign-in', address: 'no-reply@example.com' })
      t.notOk(headers.has('cc') || headers.has('bcc'))
      t.match(headers.get('date'), /14 Nov 2023/, 'dated by the clock of the gateway')
    })

    t.test('no subject becomes a header, and no recipient becomes two', async (t) => {
      server.arrived.length = 0
      await transport.send({ ...mail, subject: 'Hello\r\nBcc: eve@example.net\r\n\r\nbody\u2028x' })
      const [arrived] = server.arrived
      t.same(arrived?.envelope.to, [mail.to])
      t.notOk(arrived?.email.headers.some(({ key }) => key === 'bcc'))
      for (const to of [
        'ada@example.org, eve@example.net',
        'ada@example.org\r\nBcc: eve@example.net',
        'ada@example.org>\r\nRCPT TO:<eve@example.net',
        'Ada <ada@example.org>',
        'friends: ada@example.org, eve@example.net;',
        '"a b"@example.org',
        'ada',
        '',
      ]) {
        t.match(await failure(transport.send({ ...mail, to })), { reason: 'refused' }, JSON.stringify(to))
      }
      t.equal(server.arrived.length, 1)
    })

    const faults = [
      { at: 'greeting', code: 421, reason: 'unavailable' },
      { at: 'greeting', code: 554, reason: 'refused' },
      { at: 'sender', code: 451, reason: 'unavailable' },
      { at: 'recipient', code: 450, reason: 'unavailable' },
      { at: 'recipient', code: 550, reason: 'refused' },
      { at: 'message', code: 452, reason: 'unavailable' },
      { at: 'message', code: 554, reason: 'refused' },
    ]
    for (const { at, code, reason } of faults) {
      t.test(`${code} to the ${at} is "${reason}", tried once, and tells nothing of the mail`, async (t) => {
        server.received = 0
        const fresh = await subject.build(server.port, host, 30)
        stage = at
        said = reply(code, `no ${mail.to} ${mail.subject} 123456`)
        server.verdict = () => (at === 'message' ? said : undefined)
        const error = await failure(fresh.send(mail))
        t.match(error, { name: 'TransportError', reason })
        t.equal(server.received, at === 'message' ? 1 : 0)
        checkSilence(t, error, host)
        stage = 'none'
        server.verdict = () => undefined
        await fresh.close?.()
      })
    }

    for (const verdict of ['silence', 'drop'] as const) {
      t.test(`${verdict} after the whole message is "unknown", tried once`, async (t) => {
        const hasty = await subject.build(server.port, host, 2)
        await hasty.send(mail)
        server.received = 0
        server.verdict = () => verdict
        const error = await failure(hasty.send(mail))
        t.match(error, { reason: 'unknown' })
        checkSilence(t, error, host)
        t.equal(server.received, 1)
        server.verdict = () => undefined
        await hasty.send(mail)
        t.equal(server.received, 2, 'and the next mail goes out')
        await hasty.close?.()
      })
    }

    t.test('a server that is not there is "unavailable"', async (t) => {
      const gone = await MailServer.start()
      const lost = await subject.build(gone.port, host, 30)
      await gone.stop()
      t.match(await failure(lost.send(mail)), { reason: 'unavailable' })
      await lost.close?.()
    })

    t.test('a server that went away between two mails costs nothing but "unavailable"', async (t) => {
      const first = await MailServer.start()
      const kept = await subject.build(first.port, host, 30)
      await kept.send(mail)
      await first.stop()
      t.match(await failure(kept.send(mail)), { reason: 'unavailable' })
      await kept.close?.()
    })

    t.test('fifty at once arrive once each', async (t) => {
      server.arrived.length = 0
      await Promise.all(Array.from({ length: 50 }, (_, i) => transport.send({ ...mail, text: `mail ${i}` })))
      t.equal(new Set(server.arrived.map(({ email }) => email.text)).size, 50)
      t.equal(server.arrived.length, 50)
      t.equal(new Set(server.arrived.map(({ email }) => email.messageId)).size, 50)
    })
  })
}

function checkSilence(t: SuiteTest, error: TransportError, host: ReturnType<typeof lentHost>): void {
  const told = inspect(error, { depth: 9 }) + inspect(host.lines, { depth: 9 })
  for (const part of [mail.to, 'ada', '123456', 'Crème']) t.notOk(told.includes(part), 'no part of the mail is told')
}
