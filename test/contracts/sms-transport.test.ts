import { createHmac } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import outbox from '../../plugins/sms-transports/outbox.js'
import twilio from '../../plugins/sms-transports/twilio.js'
import webhook from '../../plugins/sms-transports/webhook.js'
import { smsTransportContract } from '../../testing/sms-transport.js'
import { build, lentHost } from '../support/lent-host.js'
import { SmsProvider } from '../support/sms-provider.js'

const to = '+12025550143'
const twilioOptions = { accountSid: 'AC0123', authToken: 'canary-token', from: '+12025550100' }

smsTransportContract(t, {
  name: 'twilio',
  build: (apiBaseUrl, host, timeoutSeconds) => build(twilio, { ...twilioOptions, apiBaseUrl, timeoutSeconds }, host),
  read(body) {
    const form = new URLSearchParams(body)
    return { to: form.get('To') ?? '', text: form.get('Body') ?? '' }
  },
  knowsNonsense: true,
  secrets: ['canary-token', Buffer.from('AC0123:canary-token').toString('base64')],
})

smsTransportContract(t, {
  name: 'webhook',
  build: (url, host, timeoutSeconds) => build(webhook, { url, auth: { bearer: 'canary-token' }, timeoutSeconds }, host),
  read: (body) => JSON.parse(body),
  knowsNonsense: false,
  secrets: ['canary-token'],
})

t.test('twilio is asked as its API is described', async (t) => {
  const provider = await SmsProvider.start()
  t.teardown(() => provider.stop())
  const named = await build(twilio, { ...twilioOptions, apiBaseUrl: `${provider.url}/compatible/` })
  await named.send({ to, text: 'hello' })
  const { from, ...account } = twilioOptions
  const service = await build(twilio, { ...account, messagingServiceSid: 'MG1', apiBaseUrl: provider.url })
  await service.send({ to, text: 'hello' })
  t.match(provider.requests, [
    {
      method: 'POST',
      path: '/compatible/2010-04-01/Accounts/AC0123/Messages.json',
      headers: { authorization: `Basic ${Buffer.from('AC0123:canary-token').toString('base64')}` },
      body: new URLSearchParams({ To: to, From: from, Body: 'hello' }).toString(),
    },
    {
      path: '/2010-04-01/Accounts/AC0123/Messages.json',
      body: new URLSearchParams({ To: to, MessagingServiceSid: 'MG1', Body: 'hello' }).toString(),
    },
  ])
  await named.close?.()
  await service.close?.()
})

t.test('options of twilio that cannot work are refused', async (t) => {
  for (const [what, change] of Object.entries({
    'another scheme': { apiBaseUrl: 'file:///etc/passwd' },
    'no sender': { from: undefined },
    'two senders': { messagingServiceSid: 'MG1' },
    'a key in place of an account': { accountSid: 'SK0123' },
    'a word too much': { token: 'x' },
  })) {
    t.notOk(twilio.options.safeParse({ ...twilioOptions, ...change }).success, what)
  }
})

t.test('the webhook posts the body of the operator, signed, as whom the operator says', async (t) => {
  const provider = await SmsProvider.start()
  t.teardown(() => provider.stop())
  const transport = await build(webhook, {
    url: `${provider.url}/hook`,
    body: { messages: [{ destination: '{to}', content: { body: 'Gatelodge: {text}' } }], priority: 1, flash: false },
    auth: { username: 'gate', password: 'p@ss/w#rd%?1:1' },
    signature: { secret: 'sixteen characters', header: 'X-Signature' },
  })
  const text = '"}],"priority":9 {to} {text} \u2028 \\'
  await transport.send({ to, text })
  const [request] = provider.requests
  const body = request?.body ?? ''
  t.same(JSON.parse(body), {
    messages: [{ destination: to, content: { body: `Gatelodge: ${text}` } }],
    priority: 1,
    flash: false,
  })
  t.match(request, {
    method: 'POST',
    path: '/hook',
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from('gate:p@ss/w#rd%?1:1').toString('base64')}`,
      'x-gatelodge-timestamp': '1700000000',
      'x-signature': createHmac('sha256', 'sixteen characters').update(`1700000000.${body}`).digest('hex'),
    },
  })
  await transport.close?.()
})

t.test('options of the webhook that cannot work are refused', async (t) => {
  const url = 'https://sms.example.com/send'
  t.ok(webhook.options.safeParse({ url }).success)
  for (const [what, options] of Object.entries({
    'a placeholder nobody fills': { url, body: { to: '{to}', text: '{text} {code}' } },
    'a body without the text': { url, body: { to: '{to}' } },
    'another scheme': { url: 'ftp://sms.example.com' },
    'a password in the address': { url: 'https://gate:word@sms.example.com/' },
    'a password that ends nobody knows where': { url: 'https://gate:p@ss/w#rd%?1@sms.example.com/' },
    'a line break in a credential': { url, auth: { bearer: 'a\r\nX-Evil: 1' } },
    'a short secret': { url, signature: { secret: 'short' } },
    'a header name that is none': { url, signature: { secret: 'sixteen characters', header: 'X: Y' } },
  })) {
    t.notOk(webhook.options.safeParse(options).success, what)
  }
})

t.test('a webhook over plain HTTP elsewhere is pointed out', async (t) => {
  const host = lentHost()
  const transport = await build(webhook, { url: 'http://sms.example.com/' }, host)
  t.match(host.lines, [{ level: 'warn' }])
  await transport.close?.()
})

t.test('the outbox keeps text messages where pages, tests and other processes find them', async (t) => {
  const path = join(t.testdir(), 'outbox.jsonl')
  const host = lentHost()
  const first = await build(outbox, { path }, host)
  const second = await build(outbox, { path }, host)
  await first.send({ to, text: 'one\n"two"' })
  await second.send({ to, text: 'three' })
  const expected = [
    { at: 1_700_000_000_000, to, text: 'one\n"two"' },
    { at: 1_700_000_000_000, to, text: 'three' },
  ]
  t.same(await first.kept?.(), expected)
  t.same(await second.kept?.(), expected)
  t.equal(readFileSync(path, 'utf8').split('\n').length, 3)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.match(host.lines[0], { level: 'info', message: /Demonstration/, fields: { to, text: 'one\n"two"' } })
})

t.test('the outbox without a file keeps the latest hundred and writes nothing', async (t) => {
  const transport = await build(outbox, {})
  for (let i = 0; i < 130; i++) await transport.send({ to, text: String(i) })
  const kept = await transport.kept?.()
  t.equal(kept?.length, 100)
  t.equal(kept?.at(-1)?.text, '129')
  t.notOk(existsSync('outbox.jsonl'))
})
