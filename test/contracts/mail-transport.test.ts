import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import outbox from '../../plugins/mail-transports/outbox.js'
import smtp from '../../plugins/mail-transports/smtp.js'
import { mailTransportContract } from '../../testing/mail-transport.js'
import { failure } from '../support/failure.js'
import { build, lentHost } from '../support/lent-host.js'
import { localhostCertificate } from '../support/localhost-certificate.js'
import { MailServer } from '../support/mail-server.js'
import { ownTime } from '../support/own-time.js'

const from = 'Sign-in <no-reply@example.com>'
const mail = { to: 'ada@example.org', subject: 'Hello', text: 'Hello, Ada.' }
/** Long, because other tests run beside this one; where it is waited for it is short. */
const timeoutSeconds = 30

for (const pool of [true, false]) {
  mailTransportContract(t, {
    name: `smtp ${pool ? 'with' : 'without'} a pool`,
    build: (port, host, seconds) =>
      build(smtp, { url: `smtp://127.0.0.1:${port}`, from, pool, timeoutSeconds: seconds }, host),
  })
}

t.test('encryption', async (t) => {
  const withTls = { ...localhostCertificate, disabledCommands: [] }
  const ca = localhostCertificate.cert

  t.test('STARTTLS and TLS from the first byte, with an authority of our own', async (t) => {
    for (const secure of [false, true]) {
      const server = await MailServer.start({ ...withTls, secure })
      const options = {
        host: 'localhost',
        port: server.port,
        secure,
        requireTls: true,
        tls: { ca },
        from,
        timeoutSeconds,
      }
      const transport = await build(smtp, options)
      await transport.send(mail)
      t.equal(server.arrived[0]?.encrypted, true)
      await transport.close?.()
      await server.stop()
    }
  })

  t.test('a certificate that nobody vouches for is refused before anything is sent', async (t) => {
    const server = await MailServer.start(withTls)
    const transport = await build(smtp, {
      host: '127.0.0.1',
      port: server.port,
      requireTls: true,
      from,
      timeoutSeconds,
    })
    t.match(await failure(transport.send(mail)), { reason: 'refused' })
    t.equal(server.received, 0)
    await transport.close?.()
    await server.stop()
  })

  t.test('a certificate for another host is refused', async (t) => {
    const server = await MailServer.start(withTls)
    const tls = { ca, servername: 'mail.example.com' }
    const transport = await build(smtp, {
      host: '127.0.0.1',
      port: server.port,
      requireTls: true,
      tls,
      from,
      timeoutSeconds,
    })
    t.match(await failure(transport.send(mail)), { reason: 'refused' })
    t.equal(server.received, 0)
    await transport.close?.()
    await server.stop()
  })

  t.test('a server whose STARTTLS was stripped gets neither password nor mail', async (t) => {
    let asked = 0
    const server = await MailServer.start({
      onAuth(_, __, done) {
        asked += 1
        done(undefined, { user: 'x' })
      },
      allowInsecureAuth: true,
    })
    const auth = { user: 'gate', pass: 'canary-pass' }
    const options = { host: '127.0.0.1', port: server.port, requireTls: true, auth, from, timeoutSeconds }
    const transport = await build(smtp, options)
    t.match(await failure(transport.send(mail)), { name: 'TransportError' })
    t.equal(asked, 0)
    t.equal(server.received, 0)
    await transport.close?.()
    await server.stop()
  })
})

t.test('a wrong password is refused and not told', async (t) => {
  const server = await MailServer.start({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: ({ password }, _, done) =>
      password === 'right: word' ? done(undefined, { user: 'gate' }) : done(new Error(`no ${password}`)),
  })
  t.teardown(() => server.stop())
  const right = await build(smtp, { url: `smtp://gate:right%3A%20word@127.0.0.1:${server.port}`, from, timeoutSeconds })
  await right.send(mail)
  t.equal(server.arrived.length, 1)
  await right.close?.()
  const wrong = await build(smtp, { url: `smtp://gate:canary@127.0.0.1:${server.port}`, from, timeoutSeconds })
  const error = await failure(wrong.send(mail))
  t.match(error, { reason: 'refused' })
  t.notMatch(error.stack, /canary/)
  await wrong.close?.()
})

t.test('a password with every sign that ends something in a URL is taken as it is, beside the address', async (t) => {
  const awkward = 'p@ss/w#rd%?1'
  const server = await MailServer.start({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _, done) =>
      username === 'gate' && password === awkward ? done(undefined, { user: 'gate' }) : done(new Error('no')),
  })
  t.teardown(() => server.stop())
  const address = `127.0.0.1:${server.port}`
  const ways = [
    { url: `smtp://${address}`, username: 'gate', password: awkward },
    { url: `smtp://gate@${address}`, password: awkward },
    { url: `smtp://${address}`, auth: { user: 'gate', pass: awkward } },
    { host: '127.0.0.1', port: server.port, username: 'gate', password: awkward },
    { url: `smtp://gate:${encodeURIComponent(awkward)}@${address}` },
  ]
  for (const way of ways) {
    const transport = await build(smtp, { ...way, from, timeoutSeconds })
    await transport.send(mail)
    await transport.close?.()
  }
  t.equal(server.arrived.length, ways.length)

  const { error } = smtp.options.safeParse({ url: `smtp://gate:${awkward}@mail.example.com`, from })
  t.match(error?.message, /cannot be read for sure.*password:/)
  t.notMatch(error?.message, /ss\/w|p@ss|example/)
  for (const twice of [
    { url: 'smtp://gate:word@mail', password: 'word' },
    { url: 'smtp://gate@mail', username: 'gate' },
    { url: 'smtp://mail', auth: { user: 'a', pass: 'b' }, password: 'word' },
    { url: 'smtp://gate:word@mail', auth: { user: 'a', pass: 'b' } },
  ]) {
    t.match(smtp.options.safeParse({ ...twice, from }).error?.message, /as well: take one of them out/)
  }
  t.match(smtp.options.safeParse({ url: 'smtp://mail', password: 'word', from }).error?.message, /needs username:/)
})

t.test('a mail is signed with DKIM where a key is named', async (t) => {
  const server = await MailServer.start()
  t.teardown(() => server.stop())
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const dkim = {
    domainName: 'example.com',
    keySelector: 'gate',
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
  const transport = await build(smtp, { url: server.url, from, dkim, timeoutSeconds })
  await transport.send(mail)
  const signature = server.arrived[0]?.email.headers.find(({ key }) => key === 'dkim-signature')?.value
  t.match(signature, /d=example\.com;.*s=gate;/)
  await transport.close?.()
})

t.test('a server that accepts and never greets, or trickles, meets the deadline', async (t) => {
  for (const words of ['', '220-still here\r\n']) {
    const timers = new Set<NodeJS.Timeout>()
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      if (words !== '') timers.add(setInterval(() => socket.write(words), 20))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const transport = await build(smtp, { host: '127.0.0.1', port, from, timeoutSeconds: 0.5 })
    const begun = ownTime(t)
    t.match(await failure(transport.send(mail)), { reason: 'unavailable' })
    t.ok(begun() < 5_000, 'within the deadline and not much more')
    await transport.close?.()
    for (const timer of timers) clearInterval(timer)
    await new Promise((resolve) => server.close(resolve))
  }
})

t.test('options of smtp that cannot work, or would weaken it, are refused', async (t) => {
  const url = 'smtp://mail.example.com:587'
  t.ok(smtp.options.safeParse({ url, from }).success)
  t.ok(smtp.options.safeParse({ url: 'smtps://u:p%40ss@[::1]', from: 'no-reply@example.com' }).success)
  for (const [what, options] of Object.entries({
    'no server': { from },
    'two servers': { url, host: 'mail.example.com', from },
    'no sender': { url },
    'two senders': { url, from: 'a@example.com, b@example.com' },
    'a sender with a line break': { url, from: 'a@example.com\r\nBcc: b@example.com' },
    'settings smuggled in the address': { url: `${url}/?tls.rejectUnauthorized=false`, from },
    'certificates not verified': { url, from, tls: { rejectUnauthorized: false } },
    'another scheme': { url: 'http://mail.example.com', from },
  })) {
    t.notOk(smtp.options.safeParse(options).success, what)
  }
})

t.test('the outbox keeps mail where pages, tests and other processes find it', async (t) => {
  const path = join(t.testdir(), 'mail.jsonl')
  const host = lentHost()
  const first = await build(outbox, { path }, host)
  const second = await build(outbox, { path }, host)
  await first.send({ ...mail, html: '<p>Hello</p>' })
  await second.send(mail)
  const at = 1_700_000_000_000
  t.same(await first.kept?.(), [
    { at, ...mail, html: '<p>Hello</p>' },
    { at, ...mail },
  ])
  t.match(host.lines[1], { level: 'info', message: /Demonstration/, fields: mail })
  const memory = await build(outbox, {})
  await memory.send(mail)
  t.match(await memory.kept?.(), [mail])
})

t.test('letters beyond ASCII before the @: only to a server that says it takes them', async (t) => {
  for (const hideSMTPUTF8 of [false, true]) {
    const server = await MailServer.start({ hideSMTPUTF8 })
    const transport = await build(smtp, { url: server.url, from, timeoutSeconds })
    const sending = transport.send({ ...mail, to: 'zoë@example.org' })
    if (hideSMTPUTF8) t.match(await failure(sending), { reason: 'refused', message: /SMTPUTF8/ })
    else await sending
    t.equal(server.received, hideSMTPUTF8 ? 0 : 1, 'and nothing of it is sent raw')
    await transport.send({ ...mail, to: 'ada@exämple.org' })
    t.match(server.arrived.at(-1)?.raw, /^To: .*ada@xn--exmple-cua\.org/m, 'a domain can be written in ASCII')
    await transport.close?.()
    await server.stop()
  }
})

t.test('what the machine calls itself to the server is a name, and can be said', async (t) => {
  const names: (string | undefined)[] = []
  const server = await MailServer.start({
    onMailFrom: (_address, session, done) => {
      names.push(session.hostNameAppearsAs)
      done()
    },
  })
  t.teardown(() => server.stop())
  for (const name of [{}, { name: 'gate.example.net' }, { name: '[192.0.2.1]' }]) {
    const transport = await build(smtp, { url: server.url, from, timeoutSeconds, ...name })
    await transport.send(mail)
    await transport.close?.()
  }
  t.match(names[0], /^[\w-]+(\.[\w-]+)+$/)
  t.same(names.slice(1), ['gate.example.net', '[192.0.2.1]'])
})
